"""A master that serves the event stream, and does one thing wrong: standard library only."""

import socket
import struct
import threading
import time

TYPE = "application/x-protobuf"
SUBSCRIBED, TASK_ADDED, TASK_UPDATED, AGENT_ADDED, FRAMEWORK_ADDED, HEARTBEAT = 1, 2, 3, 4, 6, 9


def varint(number):
    out = bytearray()
    while number > 0x7F:
        out.append(number & 0x7F | 0x80)
        number >>= 7
    out.append(number)
    return bytes(out)


def field(number, value):
    """One protobuf field: an int as varint, a float as double, the rest length-delimited."""
    if isinstance(value, int):
        return varint(number << 3) + varint(value)
    if isinstance(value, float):
        return varint(number << 3 | 1) + struct.pack("<d", value)
    if isinstance(value, str):
        value = value.encode()
    return varint(number << 3 | 2) + varint(len(value)) + value


def identifier(text):
    return field(1, text)


def record(message):
    return b"%d\n%s" % (len(message), message)


def subscribed(interval=15.0):
    return record(field(1, SUBSCRIBED) + field(2, field(2, interval)))


def heartbeat():
    return record(field(1, HEARTBEAT))


def task_added(name):
    task = field(1, name) + field(2, identifier(name)) + field(3, identifier("f1")) + field(5, identifier("a1"))
    return record(field(1, TASK_ADDED) + field(3, field(1, task + field(6, 6))))


def task_updated(name):
    status = field(1, identifier(name)) + field(2, 1)
    return record(field(1, TASK_UPDATED) + field(4, field(1, identifier("f1")) + field(2, status) + field(3, 1)))


def head(status="200 OK", *lines):
    return "\r\n".join([f"HTTP/1.1 {status}", *lines, "", ""]).encode()


STREAM = head("200 OK", f"Content-Type: {TYPE}", "Transfer-Encoding: chunked")


def chunk(data):
    return b"%x\r\n%s\r\n" % (len(data), data)


GOOD = STREAM + b"".join(map(chunk, [subscribed(), heartbeat(), task_added("t1"), task_updated("t1")]))


class Server:
    """Gives each connection the next of its answers, the last one again and again.

    An answer is bytes, or a function of the socket. With bytes the connection is closed after them, unless they are the
    good stream, which stays open.
    """

    def __init__(self, *answers):
        self.answers = list(answers)
        self.requests = []
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        self.url = f"http://127.0.0.1:{self.port}/api/v1"
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self):
        while True:
            try:
                connection, _ = self.listener.accept()
            except OSError:
                return
            answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
            threading.Thread(target=self._serve, args=(connection, answer), daemon=True).start()

    def _serve(self, connection, answer):
        try:
            self.requests.append(self._request(connection))
            if callable(answer):
                answer(connection)
            else:
                connection.sendall(answer)
                if answer is GOOD:
                    hold(connection)
        except OSError:
            pass
        finally:
            connection.close()

    @staticmethod
    def _request(connection):
        data = b""
        while b"\r\n\r\n" not in data:
            more = connection.recv(65536)
            if not more:
                return data
            data += more
        text, _, body = data.partition(b"\r\n\r\n")
        length = next(int(line[15:]) for line in text.lower().split(b"\r\n") if line.startswith(b"content-length:"))
        while len(body) < length:
            body += connection.recv(65536)
        return text + b"\r\n\r\n" + body

    def close(self):
        self.listener.close()


def hold(connection):
    """Keeps the connection open, silent, until the client closes it (or for 20 seconds)."""
    connection.settimeout(20)
    try:
        while connection.recv(4096):
            pass
    except OSError:
        pass


def silent(after):
    """Sends bytes, then nothing more."""

    def answer(connection):
        connection.sendall(after)
        hold(connection)

    return answer


def staged(*parts):
    """Sends the parts one after the other, with time to read each."""

    def answer(connection):
        for part in parts:
            connection.sendall(part)
            time.sleep(0.3)

    return answer


def byte_by_byte(data):
    """Sends the head, then each byte of the stream as a chunk of its own."""

    def answer(connection):
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        connection.sendall(STREAM)
        for index in range(len(data)):
            connection.sendall(chunk(data[index : index + 1]))
        hold(connection)

    return answer


def endless(prefix, filler, total):
    """Sends a prefix, then `total` bytes of filler, as far as the client reads them."""

    def answer(connection):
        connection.sendall(prefix)
        block = filler * (65536 // len(filler))
        sent = 0
        while sent < total:
            connection.sendall(block)
            sent += len(block)
        hold(connection)

    return answer


def trickling(interval, times):
    """A good stream whose heartbeats come in time."""

    def answer(connection):
        connection.sendall(STREAM + chunk(subscribed(interval)))
        for _ in range(times):
            time.sleep(interval)
            connection.sendall(chunk(heartbeat()))
        connection.sendall(chunk(task_added("t1")))
        hold(connection)

    return answer
