"""Holds a client against a server that does one thing wrong at a time: check.py rust|go|java|python [CASE...]"""

import os
import subprocess
import sys
import time

from faulty_server import (
    GOOD,
    STREAM,
    TYPE,
    Server,
    byte_by_byte,
    chunk,
    endless,
    field,
    head,
    heartbeat,
    record,
    silent,
    staged,
    subscribed,
    task_added,
    task_updated,
    trickling,
)

HERE = os.path.dirname(os.path.abspath(__file__))
ALL = ["SUBSCRIBED 0 agents, 0 frameworks, 0 tasks", "HEARTBEAT", "TASK_ADDED t1 TASK_STAGING", "TASK_UPDATED t1 TASK_RUNNING"]
TIME_LIMIT = 60


def run(language, url, *options, limit=TIME_LIMIT):
    program = os.path.join(HERE, "..", language, "run.sh")
    done = subprocess.run([program, url, *options], capture_output=True, text=True, timeout=limit)
    return done.returncode, done.stdout.splitlines(), done.stderr


def recovers(first, lines=()):
    """The client reports what is wrong, connects again, and then reads the good stream. `lines` came before."""

    def case(language):
        server = Server(first, GOOD)
        code, out, err = run(language, server.url, "--records", str(len(lines) + 4))
        server.close()
        assert (code, out) == (0, [*lines, *ALL]), (code, out, err)
        assert len(server.requests) == 2, server.requests
        assert "trying again in" in err, err
        return err

    return case


def refuses(status):
    def case(language):
        server = Server(head(f"{status} Text", "Content-Length: 3") + b"why")
        code, out, err = run(language, server.url)
        server.close()
        assert (code, out, len(server.requests)) == (1, [], 1), (code, out, err, server.requests)
        assert str(status) in err and "why" in err, err
        return err

    return case


def good(language):
    server = Server(GOOD)
    code, out, err = run(language, server.url, "--records", "4")
    server.close()
    assert (code, out, err) == (0, ALL, ""), (code, out, err)
    text, _, body = server.requests[0].partition(b"\r\n\r\n")
    lines = text.lower().split(b"\r\n")
    assert lines[0] == b"post /api/v1 http/1.1", lines
    assert b"content-type: " + TYPE.encode() in lines and b"accept: " + TYPE.encode() in lines, lines
    assert body == field(1, 18), body


def one_chunk(language):
    whole = subscribed() + heartbeat() + task_added("t1") + task_updated("t1")
    for answer in (silent(STREAM + chunk(whole)), byte_by_byte(whole)):
        server = Server(answer)
        code, out, err = run(language, server.url, "--records", "4")
        server.close()
        assert (code, out) == (0, ALL), (code, out, err)


def redirect(language):
    leader = Server(GOOD)
    # Protocol-relative, as Mesos writes it.
    location = f"Location: //127.0.0.1:{leader.port}/api/v1"
    follower = Server(head("307 Temporary Redirect", location, "Content-Length: 0"))
    code, out, err = run(language, follower.url, "--records", "4")
    assert (code, out, err) == (0, ALL, ""), (code, out, err)
    assert leader.requests[0].startswith(b"POST ") and leader.requests[0].endswith(field(1, 18)), leader.requests
    leader.close()
    follower.close()


def redirect_loop(language):
    server = Server(b"")
    location = f"Location: //127.0.0.1:{server.port}/api/v1"
    server.answers = [head("307 Temporary Redirect", location, "Content-Length: 0")]
    code, out, err = run(language, server.url, "--attempts", "1")
    server.close()
    assert (code, out) == (3, []), (code, out, err)
    assert len(server.requests) == 6, len(server.requests)
    assert "redirect" in err, err


def heartbeats_in_time(language):
    server = Server(trickling(0.5, 4))
    code, out, err = run(language, server.url, "--records", "6")
    server.close()
    assert (code, len(out), err) == (0, 6, ""), (code, out, err)


def attempts(language):
    server = Server(head("503 Service Unavailable", "Content-Length: 17") + b"No leader elected")
    code, out, err = run(language, server.url, "--attempts", "3")
    server.close()
    assert (code, out, len(server.requests)) == (3, [], 3), (code, out, err)
    assert "No leader elected" in err and "gave up after 3 attempts" in err, err


def nobody_listens(language):
    server = Server(b"")
    server.close()
    code, out, err = run(language, server.url, "--attempts", "2")
    assert (code, out) == (3, []), (code, out, err)
    assert "gave up after 2 attempts" in err, err


def usage(language):
    code, out, err = run(language, "--no-such-option")
    assert (code, out) == (2, []) and err, (code, out, err)


S = ALL[:1]
CASES = {
    "good stream": good,
    "records across chunks": one_chunk,
    "cut inside a record": recovers(STREAM + chunk(subscribed() + task_added("t1")[:-5]), S),
    "cut inside a chunk": recovers(STREAM + chunk(subscribed()) + b"ff\r\n99", S),
    "cut between records": recovers(STREAM + chunk(subscribed()), S),
    "orderly end": recovers(STREAM + chunk(subscribed()) + b"0\r\n\r\n", S),
    "end inside a record": recovers(STREAM + chunk(subscribed() + b"99\nx") + b"0\r\n\r\n", S),
    "garbage length": recovers(STREAM + chunk(subscribed() + b"1x\n{}"), S),
    "negative length": recovers(STREAM + chunk(subscribed() + b"-5\n{}"), S),
    "empty length": recovers(STREAM + chunk(subscribed() + b"\n{}"), S),
    "huge length": recovers(STREAM + chunk(subscribed() + b"18446744073709551615\nx"), S),
    "too large length": recovers(STREAM + chunk(subscribed() + b"268435457\nx"), S),
    "endless length": recovers(endless(STREAM + chunk(subscribed()) + b"ffffff\r\n", b"1", 10_000_000), S),
    "undecodable record": recovers(STREAM + chunk(subscribed() + record(b"\xff\xff\xff")), S),
    "missing required field": recovers(STREAM + chunk(subscribed() + record(field(1, 2) + field(3, b""))), S),
    "first event is another": recovers(STREAM + chunk(heartbeat())),
    "wrong content type": recovers(head("200 OK", "Content-Type: text/html", "Content-Length: 2") + b"hi"),
    "no content type": recovers(head("200 OK", "Content-Length: 2") + b"hi"),
    "no answer": recovers(b""),
    "no HTTP": recovers(b"\x00\x01\x02\x03\r\n\r\n"),
    "endless head": recovers(endless(b"HTTP/1.1 200 OK\r\nx: ", b"a", 10_000_000)),
    "bad chunk": recovers(staged(STREAM + chunk(subscribed()), b"zz\r\n"), S),
    "heartbeats stop": recovers(silent(STREAM + chunk(subscribed(0.2))), S),
    "silence inside a record": recovers(silent(STREAM + chunk(subscribed(0.2) + b"99\nx")), S),
    "503 at first": recovers(head("503 Service Unavailable", "Content-Length: 2") + b"no"),
    "404 at first": recovers(head("404 Not Found", "Content-Length: 2") + b"no"),
    "redirect to nowhere": recovers(head("307 Temporary Redirect", "Content-Length: 0")),
    "redirect": redirect,
    "redirect loop": redirect_loop,
    "400": refuses(400),
    "401": refuses(401),
    "403": refuses(403),
    "415": refuses(415),
    "heartbeats in time": heartbeats_in_time,
    "attempts are used up": attempts,
    "nobody listens": nobody_listens,
    "usage": usage,
}


def main():
    if len(sys.argv) < 2:
        sys.exit(__doc__)
    language, wanted = sys.argv[1], sys.argv[2:] or list(CASES)
    code, _, err = run(language, "--no-such-option", limit=1800)  # Builds.
    if code == 69:
        print(err.strip())
        sys.exit(1 if os.environ.get("CI") == "true" else 0)
    failed = 0
    for name in wanted:
        began = time.monotonic()
        try:
            CASES[name](language)
            verdict = "ok"
        except (AssertionError, subprocess.TimeoutExpired) as error:
            verdict = f"FAILED {error}"[:600]
            failed += 1
        print(f"{language}: {name}: {verdict} ({time.monotonic() - began:.1f} s)", flush=True)
    print(f"{language}: {len(wanted) - failed} of {len(wanted)} as expected")
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    main()
