"""An executor on pymesos: a task says in its data what it does.

quick   runs and finishes at once, its result in the status' data
sleep   runs until it is killed
A message "ping X" is answered with "pong X"; "shout" makes it send one by itself.
"""
import sys
from threading import Event, Thread

from pymesos import Executor, MesosExecutorDriver, decode_data, encode_data


class Runner(Executor):
    def __init__(self):
        self.running = {}

    def launchTask(self, driver, task):
        kind = decode_data(task["data"]).decode()
        Thread(target=self.run, args=(driver, task["task_id"], kind), daemon=True).start()

    def run(self, driver, task_id, kind):
        stop = Event()
        self.running[task_id["value"]] = stop
        self.tell(driver, task_id, "TASK_RUNNING")
        if kind == "sleep":
            stop.wait()
            self.tell(driver, task_id, "TASK_KILLED", message="asked to")
        else:
            result = "done " + task_id["value"]
            self.tell(driver, task_id, "TASK_FINISHED", data=encode_data(result.encode()))
        del self.running[task_id["value"]]

    def tell(self, driver, task_id, state, **more):
        driver.sendStatusUpdate(dict(task_id=dict(value=task_id["value"]), state=state, **more))

    def killTask(self, driver, task_id):
        stop = self.running.get(task_id["value"])
        if stop is not None:
            stop.set()

    def frameworkMessage(self, driver, data):
        text = decode_data(data).decode()
        print("message", text, flush=True)
        # A message the executor sends from here would wait for the thread that reads events.
        answer = encode_data(text.replace("ping", "pong").encode())
        Thread(target=driver.sendFrameworkMessage, args=(answer,), daemon=True).start()

    def shutdown(self, driver):
        print("shutdown", flush=True)


if __name__ == "__main__":
    driver = MesosExecutorDriver(Runner())
    driver.run()
    sys.exit(0)
