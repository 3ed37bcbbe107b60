"""The ingress: malformed, slow, endless and vanished clients; after each, the next is served."""

import base64
import json
import socket
import time

import pytest

from actions import MODEL, big_event, insert, slow_table, two_accounts
from harness import Wire, log_action, open_files, request_bytes, resident_kib, vectors
from servers import wait_until

EVENT = "customer.new-customer"
BODY = b'{"id":"1"}'


@pytest.fixture
def daemon(project, start):
    """A daemon with one event that needs no service, under the default limits."""
    project.event(EVENT, [log_action()], {"id": "String!"})
    return start(project)


def limited(project, start, **limits):
    project.settings(limits=limits)
    project.event(EVENT, [log_action()], {"id": "String!"})
    return start(project)


def good(daemon, **options):
    return request_bytes(daemon, EVENT, BODY, **options)


def check_good(daemon):
    """The next client is served."""
    with Wire(daemon.port) as wire:
        wire.send(good(daemon))
        reply = wire.reply()
        assert reply.status == 201, reply.text


# ---- the table ---------------------------------------------------------------------------------

def expand(daemon, send):
    """The bytes of a row's `send`."""
    key, secret = daemon.project.credentials["test"]
    if isinstance(send, str):
        send = [send]
    text = "".join(part if isinstance(part, str) else part[0] * int(part[1]) for part in send)
    for name, value in (("auth", f"client_key: {key}\r\nclient_secret: {secret}\r\n"),
                        ("body", BODY.decode()), ("length", str(len(BODY))),
                        ("hexlength", f"{len(BODY):x}"), ("64KiB", "x" * 65536)):
        text = text.replace("${" + name + "}", value)
    return text.encode("latin-1")


def try_row(daemon, case):
    statuses = case["status"] if isinstance(case["status"], list) else [case["status"]]
    head_only = str(case["send"]).startswith("HEAD")
    with Wire(daemon.port) as wire:
        wire.send(expand(daemon, case["send"]))
        if case.get("shutdown"):
            wire.shut()
        for number, status in enumerate(statuses):
            reply = wire.reply(head_only=head_only)
            assert reply.status == int(status), f"{reply.status}, not {status}: {reply.text}"
            if number == 0 and "then" in case:
                wire.send(expand(daemon, case["then"]))
            check_shape(reply, head_only)
        if case["open"]:
            wire.send(good(daemon))
            reply = wire.reply()
            assert reply.status == 201, f"the next request: {reply.status} {reply.text}"
        else:
            wire.end()


def check_shape(reply, head_only):
    """An error is a problem document in which old clients find `message`."""
    if reply.status < 400:
        return
    assert reply.headers["content-type"] == "application/problem+json"
    if head_only:
        assert int(reply.headers["content-length"]) > 0 and reply.text == ""
        return
    problem = reply.json()
    assert problem["status"] == reply.status and problem["title"]
    assert problem["message"] == problem["detail"] != ""


def test_table(daemon):
    failures, malformed = [], 0
    table = vectors("http.json")["cases"]
    for case in table:
        malformed += isinstance(case["status"], str) and case["status"] >= "400"
        try:
            try_row(daemon, case)
        except AssertionError as error:
            failures.append(f"{case['name']}: {str(error)[:300]}")
        check_good(daemon)
    assert not failures, f"{len(failures)} of {len(table)} failed:\n" + "\n".join(failures)
    assert malformed >= 80


def test_table_byte_by_byte(daemon):
    """The same, each request in pieces of a few bytes: where a packet ends means nothing."""
    failures = []
    for case in vectors("http.json")["cases"]:
        data = expand(daemon, case["send"])
        if len(data) > 700 or "then" in case:
            continue
        statuses = case["status"] if isinstance(case["status"], list) else [case["status"]]
        with Wire(daemon.port) as wire:
            wire.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            for at in range(0, len(data), 7):
                wire.send(data[at:at + 7])
                wire.step(b"", 0.0002)
            if case.get("shutdown"):
                wire.shut()
            try:
                got = [wire.reply(head_only=data.startswith(b"HEAD")).status for _ in statuses]
            except AssertionError as error:
                got = str(error)
        if got != [int(status) for status in statuses]:
            failures.append(f"{case['name']}: {got}, not {case['status']}")
    assert not failures, "\n".join(failures)
    check_good(daemon)


# ---- keep-alive and pipelining -----------------------------------------------------------------

def test_pipelined_replies_come_in_order(project, start, postgres, redis_):
    """A slow event first, fast ones behind it: the replies come in the order of the requests."""
    slow_table(postgres, 0.12)
    two_accounts(project, postgres, redis_)
    project.event("customer.slow", [insert()], MODEL)
    project.event(EVENT, [log_action()], {"id": "String!"})
    daemon = start(project)
    with Wire(daemon.port) as wire:
        wire.send(b"".join(
            request_bytes(daemon, "customer.slow", b'{"id":"%d"}' % n) + good(daemon)
            for n in range(3)))
        names = [wire.reply().json()["event_name"] for _ in range(6)]
    assert names == ["customer.slow", EVENT] * 3
    assert postgres.run("SELECT count(*) FROM customers", database="test") == [(3,)]


def test_a_huge_pipeline(daemon):
    """5,000 requests in one write, far beyond limits.pipeline: all are answered, in order."""
    count = 5000
    requests = b"".join(request_bytes(daemon, EVENT, b'{"id":"%d"}' % n) if n % 3 else
                        request_bytes(daemon, EVENT, b'{"id":%d}' % n) for n in range(count))
    with Wire(daemon.port) as wire:
        wire.send(requests, 60)
        for number in range(count):
            reply = wire.reply()
            assert reply.status == (201 if number % 3 else 422), number
    check_good(daemon)


def test_a_pipeline_beyond_the_limit_waits(project, start, postgres, redis_):
    """limits.pipeline requests are at work, the others stand in the kernel until there is room."""
    slow_table(postgres, 0.12)
    two_accounts(project, postgres, redis_, pool={"connections": 10})
    project.settings(limits={"pipeline": 2})
    project.event("customer.slow", [insert()], MODEL)
    daemon = start(project)
    with Wire(daemon.port) as wire:
        wire.send(b"".join(request_bytes(daemon, "customer.slow", b'{"id":"%d"}' % n)
                           for n in range(6)))
        assert [wire.reply().status for _ in range(6)] == [201] * 6
    assert postgres.run("SELECT count(*) FROM customers", database="test") == [(6,)]


def test_a_connection_is_kept(daemon):
    with Wire(daemon.port) as wire:
        for _ in range(200):
            wire.send(good(daemon))
            assert wire.reply().status == 201


def test_http_1_0_with_keep_alive_says_so(daemon):
    with Wire(daemon.port) as wire:
        wire.send(good(daemon, version="1.0", headers=[("Connection", "keep-alive")]))
        assert wire.reply().headers.get("connection", "").lower() == "keep-alive"
        wire.send(good(daemon, version="1.0"))
        assert wire.reply().status == 201
        wire.end()


def test_a_reply_that_ends_the_connection_says_so(daemon):
    with Wire(daemon.port) as wire:
        wire.send(b"GARBAGE\r\n\r\n")
        assert wire.reply().headers.get("connection", "").lower() == "close"
        wire.end()


def test_no_100_continue_when_the_body_has_come(daemon):
    with Wire(daemon.port) as wire:
        wire.send(good(daemon, headers=[("Expect", "100-continue")]))
        assert wire.reply().status in (100, 201)  # either is right, the request is served
    check_good(daemon)


def test_chunked_in_many_pieces(project, start, redis_):
    project.account("redis", "REDIS", test={"url": redis_.url()}, live={"url": redis_.url(1)})
    project.event("json.echo", [{"id": "set", "type": "REDIS", "action": "SET",
                                 "serviceAccountId": "redis",
                                 "template": {"key": "k", "stringify": True,
                                              "value": "{$payload}"}}])
    daemon = start(project)
    key, secret = project.credentials["test"]
    body = json.dumps({"text": "é€😀" * 3000}, ensure_ascii=False, separators=(",", ":")).encode()
    with Wire(daemon.port) as wire:
        wire.send(f"POST /event/json.echo HTTP/1.1\r\nHost: x\r\nclient_key: {key}\r\n"
                  f"client_secret: {secret}\r\nTransfer-Encoding: chunked\r\n\r\n".encode())
        at, size = 0, 1
        while at < len(body):
            piece = body[at:at + size]
            wire.send(b"%x\r\n" % len(piece) + piece + b"\r\n")
            at, size = at + size, size * 3 % 1999 + 1
        wire.send(b"0\r\n\r\n")
        assert wire.reply().response("set")["status"] is True
    assert redis_.client().get("k") == body


# ---- slow clients ------------------------------------------------------------------------------

def test_a_slow_head_is_408(project, start):
    daemon = limited(project, start, headTimeout="300ms")
    with Wire(daemon.port) as wire:
        wire.send(b"POST /event/" + EVENT.encode())
        assert wire.reply().status == 408
        wire.end()
    check_good(daemon)


def test_a_head_that_drips_is_408(project, start):
    """The limit is for the head as a whole: a byte now and then does not prolong it."""
    daemon = limited(project, start, headTimeout="500ms")
    with Wire(daemon.port) as wire:
        wire.send(b"POST /event/x HTTP/1.1\r\n")
        for _ in range(100):
            wire.send(b"X")
            wire.step(b"", 0.05)
            if wire.read:
                break
        assert wire.reply().status == 408
    check_good(daemon)


def test_a_slow_body_is_408(project, start):
    daemon = limited(project, start, bodyTimeout="300ms")
    for data in (good(daemon)[:-3], request_bytes(daemon, EVENT, b"", headers=[]).replace(
            b"Content-Length: 0", b"Transfer-Encoding: chunked") + b"5\r\n{"):
        with Wire(daemon.port) as wire:
            wire.send(data)
            reply = wire.reply()
            assert reply.status == 408
            assert reply.headers["content-type"] == "application/problem+json"
            wire.end()
    check_good(daemon)


def test_an_idle_connection_is_closed_without_a_word(project, start):
    daemon = limited(project, start, idleTimeout="300ms")
    with Wire(daemon.port) as wire:
        wire.end()
    with Wire(daemon.port) as wire:
        wire.send(good(daemon))
        assert wire.reply().status == 201
        wire.end()


def test_a_run_is_no_idleness(project, start, postgres, redis_):
    """The time that an event takes counts for none of the connection's limits."""
    slow_table(postgres, 1)
    two_accounts(project, postgres, redis_)
    project.settings(limits={"idleTimeout": "200ms", "headTimeout": "200ms",
                             "bodyTimeout": "200ms", "replyTimeout": "200ms"})
    project.event("customer.slow", [insert()], MODEL)
    daemon = start(project)
    with Wire(daemon.port) as wire:
        wire.send(request_bytes(daemon, "customer.slow", b'{"id":"1"}'))
        assert wire.reply().response("row")["status"] is True


def test_a_client_that_never_reads_is_dropped(project, start):
    """Its replies fill the socket, then a bound of memory, then replyTimeout ends it."""
    project.settings(limits={"replyTimeout": "500ms", "connections": 50})
    big_event(project)
    project.event(EVENT, [log_action()], {"id": "String!"})
    daemon = start(project)
    with Wire(daemon.port, receive_buffer=4096) as wire:
        data = request_bytes(daemon, "customer.big", BODY) * 100
        wire.socket.setblocking(False)
        end = time.monotonic() + 30
        dropped = False
        while not dropped:
            assert time.monotonic() < end, "a client that reads nothing is kept"
            try:
                data = data[wire.socket.send(data):] or data
            except BlockingIOError:
                check_good(daemon)
                time.sleep(0.05)
            except ConnectionError:
                dropped = True
        assert resident_kib(daemon) < 200 * 1024
    check_good(daemon)


def test_a_client_that_reads_slowly_gets_everything(project, start):
    """What is taken in time keeps the connection, even when all of it takes longer."""
    project.settings(limits={"replyTimeout": "2s"})
    big_event(project)
    daemon = start(project)
    with Wire(daemon.port, receive_buffer=4096) as wire:
        wire.send(request_bytes(daemon, "customer.big", BODY) * 12)
        end = time.monotonic() + 2.5
        while time.monotonic() < end:
            try:
                wire.read += wire.socket.recv(60000)
            except BlockingIOError:
                pass
            time.sleep(0.05)
        assert [wire.reply().status for _ in range(12)] == [201] * 12


# ---- clients that leave ------------------------------------------------------------------------

def test_a_client_that_leaves_loses_only_its_reply(project, start, postgres, redis_):
    """An event whose run has begun is carried to its end: the row is there."""
    slow_table(postgres, 0.12)
    two_accounts(project, postgres, redis_)
    project.event("customer.slow", [insert()], MODEL)
    daemon = start(project)
    for number in range(20):
        with Wire(daemon.port) as wire:
            wire.send(request_bytes(daemon, "customer.slow", b'{"id":"%d"}' % number))
            if number % 2:
                wire.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER,
                                       b"\x01\0\0\0\0\0\0\0")  # leaves with a reset
            wait_until(lambda: bytes_unread(daemon) == 0, 5, "the request's arrival")
    wait_until(lambda: postgres.run("SELECT count(*) FROM customers",
                                    database="test") == [(20,)], 15, "the rows")
    assert daemon.post("customer.slow", {"id": "next"}).status == 201


def bytes_unread(daemon):
    """What waits in the receive queues of the daemon's sockets, by /proc/net/tcp."""
    port, unread = f":{daemon.port:04X}", 0
    with open("/proc/net/tcp", encoding="ascii") as file:
        for line in file.readlines()[1:]:
            fields = line.split()
            if fields[1].endswith(port) and fields[3] != "0A":
                unread += int(fields[4].split(":")[1], 16)
    return unread


def test_clients_that_leave_in_the_middle(daemon):
    """At every byte of a request; nothing stays behind."""
    data = good(daemon)
    for at in range(0, len(data), 3):
        with Wire(daemon.port) as wire:
            wire.send(data[:at])
            wire.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\x01\0\0\0\0\0\0\0")
    check_good(daemon)
    wait_until(lambda: open_files(daemon) < 30, 10, "the end of the connections")


def test_half_close_after_several_requests(daemon):
    """A client that ends its sending side still gets all its replies."""
    with Wire(daemon.port) as wire:
        wire.send(good(daemon) * 5)
        wire.shut()
        assert [wire.reply().status for _ in range(5)] == [201] * 5
        wire.end()


def test_a_client_that_ends_at_once(daemon):
    with Wire(daemon.port) as wire:
        wire.shut()
        wire.end()
    check_good(daemon)


# ---- limits ------------------------------------------------------------------------------------

def test_small_limits(project, start):
    daemon = limited(project, start, body=100, head=600, headers=8)
    fitting = b'{"id":"' + b"x" * 91 + b'"}'
    for body, status in ((fitting, 201), (fitting[:-2] + b'x"}', 413)):
        with Wire(daemon.port) as wire:
            wire.send(request_bytes(daemon, EVENT, body))
            assert wire.reply().status == status
    with Wire(daemon.port) as wire:
        wire.send(good(daemon, headers=[(f"X-{n}", "1") for n in range(4)]))
        assert wire.reply().status == 201
        wire.send(good(daemon, headers=[(f"X-{n}", "1") for n in range(5)]))
        assert wire.reply().status == 431
        wire.end()
    with Wire(daemon.port) as wire:
        wire.send(good(daemon, headers=[("X", "y" * 600)]))
        assert wire.reply().status == 431
        wire.end()
    check_good(daemon)


def test_a_body_as_large_as_the_limit(daemon):
    body = b'{"id":"1","x":"' + b"y" * ((1 << 20) - 17) + b'"}'
    assert len(body) == 1 << 20
    assert daemon.post(EVENT, raw=body).status == 201
    assert daemon.post(EVENT, raw=body + b" ").status == 413
    check_good(daemon)


def test_at_the_connection_limit_the_longest_idle_one_goes(project, start):
    daemon = limited(project, start, connections=4)
    kept = [Wire(daemon.port) for _ in range(4)]
    for wire in kept[1:] + kept[:1]:  # now 1 has been idle for longest
        wire.send(good(daemon))
        assert wire.reply().status == 201
    check_good(daemon)
    kept[1].end()
    for wire in (kept[2], kept[3], kept[0]):
        assert wire.is_silent(0)
    for wire in kept:
        wire.socket.close()


def test_with_no_idle_connection_accepting_pauses(project, start):
    """All are in the middle of a head: the next client waits, and is served when one ends."""
    daemon = limited(project, start, connections=3, headTimeout="1h")
    busy = [Wire(daemon.port) for _ in range(3)]
    for wire in busy:
        wire.send(b"POST /event/")
    wait_until(lambda: bytes_unread(daemon) == 0, 5, "the heads' arrival")
    with Wire(daemon.port) as late:
        late.send(good(daemon))
        assert late.is_silent(0.3)
        busy[0].socket.close()
        assert late.reply().status == 201
    for wire in busy[1:]:
        assert wire.is_silent(0)
        wire.socket.close()
    check_good(daemon)


def test_many_connections_at_once(daemon):
    wires = [Wire(daemon.port) for _ in range(300)]
    for wire in wires:
        wire.send(good(daemon))
    for wire in wires:
        assert wire.reply().status == 201
        wire.socket.close()
    wait_until(lambda: open_files(daemon) < 30, 10, "the end of the connections")


def test_basic_credentials_on_the_wire(daemon):
    key, secret = daemon.project.credentials["test"]
    token = base64.b64encode(f"{key}:{secret}".encode()).decode()
    with Wire(daemon.port) as wire:
        wire.send(good(daemon, credentials=False, headers=[("authorization", f"basic {token}")]))
        assert wire.reply().status == 201
