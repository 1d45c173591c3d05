"""Follows the operator event stream of a Mesos-compatible master, across connections and masters."""

import argparse
import http.client
import random
import sys
import time
from urllib.parse import urljoin, urlsplit

from google.protobuf.message import DecodeError
from mesos.v1 import mesos_pb2
from mesos.v1.master import master_pb2

PROTOBUF = "application/x-protobuf"
CONNECT_TIMEOUT = 5.0
ANSWER_TIMEOUT = 30.0
MISSED_HEARTBEATS = 3
MAX_DIGITS = 20
MAX_RECORD = 256 * 1024 * 1024
MAX_REDIRECTS = 5
MIN_PAUSE, MAX_PAUSE = 0.1, 30.0
STABLE_AFTER = 10.0
TRANSIENT = {404, 408, 425, 429, 500, 502, 503, 504}
REDIRECT = {301, 302, 303, 307, 308}


class Lost(Exception):
    """This stream is over; another may do better."""


class Refused(Exception):
    """The master will give the same answer again."""


class Stream:
    """One answer to SUBSCRIBE."""

    def __init__(self, url):
        self.events = 0
        self.connection = self.socket = None
        try:
            self._open(url)
            hops = 0
            while self.response.status in REDIRECT:
                url = self._next(url, hops)
                self.close()
                self._open(url)
                hops += 1
            self._check(self.response)
        except BaseException:
            self.close()
            raise

    def _open(self, url):
        where = urlsplit(url)
        if where.scheme != "http" or not where.hostname:
            raise Lost(f"cannot follow {url!r}")
        self.connection = http.client.HTTPConnection(where.hostname, where.port or 5050, timeout=CONNECT_TIMEOUT)
        self.connection.connect()
        # The response may detach the socket from the connection; the time-out is set on the socket itself.
        self.socket = self.connection.sock
        self.socket.settimeout(ANSWER_TIMEOUT)
        call = master_pb2.Call(type=master_pb2.Call.SUBSCRIBE)
        headers = {"Content-Type": PROTOBUF, "Accept": PROTOBUF}
        self.connection.request("POST", where.path or "/api/v1", call.SerializeToString(), headers)
        self.response = self.connection.getresponse()

    def _next(self, url, hops):
        location = self.response.getheader("Location")
        if not location:
            raise Lost("the master redirects to nowhere")
        if hops >= MAX_REDIRECTS:
            raise Lost(f"gave up after {hops} redirects, the last one to {location}")
        return urljoin(url, location)

    def _check(self, response):
        if response.status != 200:
            text = response.read(4096).decode("utf-8", "replace").strip() or response.reason
            raise (Lost if response.status in TRANSIENT else Refused)(f"the master answered {response.status}: {text}")
        content_type = (response.getheader("Content-Type") or "").split(";")[0].strip().lower()
        if content_type != PROTOBUF:
            raise Lost(f"expected {PROTOBUF}, the answer is {content_type!r}")

    def close(self):
        if self.connection:
            self.connection.close()
        if self.socket:
            self.socket.close()

    def __iter__(self):
        for record in records(self.response):
            yield self._event(record)

    def _event(self, record):
        event = master_pb2.Event()
        try:
            event.ParseFromString(record)
        except DecodeError as error:
            raise Lost(f"undecodable record of {len(record)} bytes: {error}") from error
        if not event.IsInitialized():
            raise Lost(f"a record lacks {', '.join(event.FindInitializationErrors())}")
        if self.events == 0:
            if event.type != master_pb2.Event.SUBSCRIBED:
                raise Lost(f"the stream begins with {name(event)} instead of SUBSCRIBED")
            interval = event.subscribed.heartbeat_interval_seconds
            if not 0 < interval <= 3600:
                interval = 15.0
            self.socket.settimeout(interval * MISSED_HEARTBEATS)
        self.events += 1
        return event


def records(response):
    """Cuts a body into its records, holding one of them at a time."""
    buffer = bytearray()
    while True:
        end = buffer.find(b"\n", 0, MAX_DIGITS + 1)
        if end < 0:
            if len(buffer) > MAX_DIGITS:
                raise Lost(f"a length has more than {MAX_DIGITS} digits")
            if not more(response, buffer):
                raise Lost("the stream was cut inside a length" if buffer else "the master closed the stream")
            continue
        digits = bytes(buffer[:end])
        if not digits.isdigit() or int(digits) > MAX_RECORD:
            raise Lost(f"bad length {digits!r}")
        length = int(digits)
        del buffer[: end + 1]
        while len(buffer) < length:
            if not more(response, buffer):
                raise Lost(f"the stream was cut inside a record, {length - len(buffer)} bytes early")
        record = bytes(buffer[:length])
        del buffer[:length]
        yield record


def more(response, buffer):
    """Adds what the socket has; false at the end of the body."""
    try:
        data = response.read1(64 * 1024)
    except (http.client.IncompleteRead, ConnectionError):
        return False
    buffer += data
    return bool(data)


def name(event):
    return master_pb2.Event.Type.Name(event.type)


def state(number):
    return mesos_pb2.TaskState.Name(number)


def line(event):
    kind = name(event)
    if kind == "SUBSCRIBED":
        snapshot = event.subscribed.get_state
        agents, frameworks = len(snapshot.get_agents.agents), len(snapshot.get_frameworks.frameworks)
        return f"{kind} {agents} agents, {frameworks} frameworks, {len(snapshot.get_tasks.tasks)} tasks"
    if kind == "TASK_ADDED":
        task = event.task_added.task
        return f"{kind} {task.task_id.value} {state(task.state)}"
    if kind == "TASK_UPDATED":
        update = event.task_updated
        return f"{kind} {update.status.task_id.value} {state(update.state)}"
    if kind == "AGENT_ADDED":
        agent = event.agent_added.agent.agent_info
        return f"{kind} {agent.id.value} {agent.hostname}"
    if kind == "AGENT_REMOVED":
        return f"{kind} {event.agent_removed.agent_id.value}"
    if kind in ("FRAMEWORK_ADDED", "FRAMEWORK_UPDATED"):
        info = getattr(event, kind.lower()).framework.framework_info
        return f"{kind} {info.id.value} {info.name}"
    if kind == "FRAMEWORK_REMOVED":
        info = event.framework_removed.framework_info
        return f"{kind} {info.id.value} {info.name}"
    return kind


def follow(url, max_records, max_attempts):
    seen, failures, pause = 0, 0, MIN_PAUSE
    while True:
        began = time.monotonic()
        stream = None
        try:
            stream = Stream(url)
            for event in stream:
                print(line(event), flush=True)
                seen += 1
                if max_records and seen >= max_records:
                    return 0
        except Refused as error:
            print(error, file=sys.stderr)
            return 1
        # A name that does not resolve, a refused connection, a time-out and bad HTTP are all of these.
        except (Lost, OSError, http.client.HTTPException, ValueError) as error:
            reason = error or type(error).__name__
        finally:
            if stream:
                stream.close()
        if stream and stream.events and time.monotonic() - began >= STABLE_AFTER:
            failures, pause = 0, MIN_PAUSE
        failures += 1
        if max_attempts and failures >= max_attempts:
            print(f"gave up after {failures} attempts: {reason}", file=sys.stderr)
            return 3
        delay = pause * random.uniform(0.5, 1.0)
        print(f"{reason}; trying again in {delay:.1f} s", file=sys.stderr)
        time.sleep(delay)
        pause = min(pause * 2, MAX_PAUSE)


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("url", nargs="?", default="http://127.0.0.1:5050/api/v1")
    parser.add_argument("--records", type=int, default=0, help="end after this many events")
    parser.add_argument("--attempts", type=int, default=0, help="give up after this many failures in a row")
    options = parser.parse_args()
    try:
        return follow(options.url, options.records, options.attempts)
    except (KeyboardInterrupt, BrokenPipeError):
        return 0


if __name__ == "__main__":
    sys.exit(main())
