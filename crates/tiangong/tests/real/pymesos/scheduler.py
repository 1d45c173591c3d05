"""A scheduler on pymesos that goes through a framework's life and prints one line for each thing that held.

usage: scheduler.py MASTER EXECUTOR_COMMAND [PRINCIPAL SECRET]
"""
import logging
import queue
import sys
import time

from pymesos import MesosSchedulerDriver, Scheduler, decode_data, encode_data

LIMIT = 60  # seconds that any step may take
TASKS = 50


class Watcher(Scheduler):
    """Hands everything to the script's queue; offers are taken when there is something to run."""

    def __init__(self, command):
        self.command = command
        self.events = queue.Queue()
        self.wanted = []
        self.agents = {}

    def registered(self, driver, framework_id, master_info):
        self.events.put(("registered", framework_id["value"]))

    def reregistered(self, driver, master_info):
        self.events.put(("reregistered", driver.framework_id))

    def resourceOffers(self, driver, offers):
        for offer in offers:
            amounts = {r["name"]: r["scalar"]["value"] for r in offer["resources"] if "scalar" in r}
            # The executor needs its share, and what a single task gave back is offered too.
            left = dict(cpus=amounts.get("cpus", 0) - 0.1, mem=amounts.get("mem", 0) - 32)
            tasks = []
            while self.wanted and left["cpus"] >= 0.01 and left["mem"] >= 1:
                left["cpus"] -= 0.01
                left["mem"] -= 1
                tasks.append(self.task(offer, *self.wanted.pop()))
            for task in tasks:
                self.agents[task["task_id"]["value"]] = offer["agent_id"]
            driver.launchTasks(offer["id"], tasks, dict(refuse_seconds=0.1))

    def task(self, offer, name, kind):
        return dict(
            name=name,
            task_id=dict(value=name),
            agent_id=offer["agent_id"],
            data=encode_data(kind.encode()),
            resources=[scalar("cpus", 0.01), scalar("mem", 1)],
            executor=dict(
                executor_id=dict(value="runner"),
                framework_id=dict(value=self.driver.framework_id),
                type="CUSTOM",
                name="runner",
                command=dict(value=self.command, shell=True),
                resources=[scalar("cpus", 0.1), scalar("mem", 32)],
            ),
        )

    def statusUpdate(self, driver, status):
        self.events.put(("update", status))

    def frameworkMessage(self, driver, executor_id, agent_id, data):
        self.events.put(("message", executor_id["value"], decode_data(data).decode()))

    def executorLost(self, driver, executor_id, agent_id, status):
        self.events.put(("executor lost", executor_id["value"], status))

    def error(self, driver, message):
        # As drivers should; else this one would subscribe again and push its successor out.
        driver.stop(failover=True)
        self.events.put(("error", message))

    def next(self, *kinds):
        """The next event of one of these kinds; an error is one always."""
        end = time.monotonic() + LIMIT
        while time.monotonic() < end:
            try:
                # In short pieces: only between them does an error of the driver's thread reach this one.
                event = self.events.get(timeout=0.1)
            except queue.Empty:
                continue
            if event[0] in kinds or event[0] == "error":
                return event
        raise TimeoutError("none of %s came" % (kinds,))

    def state(self, name, state):
        """Waits for this state of this task."""
        while True:
            event = self.next("update")
            assert event[0] == "update", event
            status = event[1]
            if status["task_id"]["value"] == name and status["state"] == state:
                return status


def scalar(name, value):
    return dict(name=name, type="SCALAR", scalar=dict(value=value))


def start(watcher, framework, master, credential):
    driver = MesosSchedulerDriver(watcher, framework, master, **credential)
    watcher.driver = driver
    driver.start()
    return driver


def many_tasks(watcher):
    watcher.wanted = [("quick-%d" % n, "quick") for n in range(TASKS)]
    results = {}
    while len(results) < TASKS:
        kind, status = watcher.next("update")
        assert kind == "update", status
        name = status["task_id"]["value"]
        assert status["state"] in ("TASK_RUNNING", "TASK_FINISHED"), status
        if status["state"] == "TASK_FINISHED":
            results[name] = decode_data(status["data"]).decode()
    assert all(result == "done " + name for name, result in results.items()), results
    print("finished", len(results), flush=True)


def messages(watcher, driver):
    agent = watcher.agents["quick-0"]
    for n in range(5):
        driver.sendFrameworkMessage(dict(value="runner"), agent, encode_data(b"ping %d" % n))
        assert watcher.next("message") == ("message", "runner", "pong %d" % n)
    print("messages", 5, flush=True)


def kill_and_reconcile(watcher, driver):
    watcher.wanted = [("sleeper-1", "sleep")]
    first = watcher.state("sleeper-1", "TASK_RUNNING")
    assert first["source"] == "SOURCE_EXECUTOR", first
    driver.reconcileTasks([dict(task_id=dict(value="sleeper-1")), dict(task_id=dict(value="nobody"))])
    reconciled = watcher.state("sleeper-1", "TASK_RUNNING")
    assert reconciled["reason"] == "REASON_RECONCILIATION" and "uuid" not in reconciled, reconciled
    # pymesos declares no PARTITION_AWARE, so a task nobody knows is lost.
    unknown = watcher.state("nobody", "TASK_LOST")
    assert unknown["reason"] == "REASON_RECONCILIATION", unknown
    driver.reconcileTasks([])
    watcher.state("sleeper-1", "TASK_RUNNING")
    print("reconciled", flush=True)
    driver.killTask(dict(value="sleeper-1"))
    killed = watcher.state("sleeper-1", "TASK_KILLED")
    assert killed["message"] == "asked to", killed
    print("killed", flush=True)


def failover(watcher, driver, master, credential):
    """The same framework goes on under its id with another driver; its task has not noticed."""
    watcher.wanted = [("sleeper-2", "sleep")]
    watcher.state("sleeper-2", "TASK_RUNNING")
    framework_id = driver.framework_id
    driver.stop(failover=True)
    driver.join()
    successor = Watcher(watcher.command)
    successor.agents = watcher.agents
    second = start(successor, dict(FRAMEWORK, id=dict(value=framework_id)), master, credential)
    assert successor.next("registered", "reregistered") == ("reregistered", framework_id)
    second.reconcileTasks([dict(task_id=dict(value="sleeper-2"))])
    assert successor.state("sleeper-2", "TASK_RUNNING")["reason"] == "REASON_RECONCILIATION"
    print("failed over", flush=True)
    # A third that comes while the second is still there takes its place, and the second is told so.
    third_watcher = Watcher(watcher.command)
    third = start(third_watcher, dict(FRAMEWORK, id=dict(value=framework_id)), master, credential)
    assert third_watcher.next("registered", "reregistered") == ("reregistered", framework_id)
    event = successor.next("error")
    assert event == ("error", "Framework failed over"), event
    second.join()
    print("replaced", flush=True)
    third.killTask(dict(value="sleeper-2"))
    third_watcher.state("sleeper-2", "TASK_KILLED")
    return third


FRAMEWORK = dict(
    user="root",
    name="pymesos",
    hostname="localhost",
    roles=["*"],
    checkpoint=True,
    failover_timeout=60,
    capabilities=[dict(type="MULTI_ROLE")],
)


def main():
    logging.basicConfig(level=logging.INFO)
    master, command = sys.argv[1:3]
    credential = dict(zip(("principal", "secret"), sys.argv[3:5]))
    if credential:
        FRAMEWORK["principal"] = credential["principal"]
    watcher = Watcher(command)
    driver = start(watcher, dict(FRAMEWORK), master, credential)
    kind, framework_id = watcher.next("registered")
    assert kind == "registered", framework_id
    print("registered", framework_id, flush=True)
    many_tasks(watcher)
    messages(watcher, driver)
    kill_and_reconcile(watcher, driver)
    last = failover(watcher, driver, master, credential)
    last.stop()
    last.join()
    print("torn down", flush=True)


if __name__ == "__main__":
    main()
