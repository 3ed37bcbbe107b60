"""Each limit at work on one client, while another one is served."""

import json
import socket
import time

import pytest

from actions import MODEL, big_event, insert, slow_table, two_accounts
from harness import SANITIZED, Wire, cli, log_action, open_files, request_bytes
from servers import wait_until

EVENT = "customer.new-customer"
BODY = b'{"id":"1"}'


def limited(project, start, **limits):
    project.settings(limits=limits)
    project.event(EVENT, [log_action()], {"id": "String!"})
    return start(project)


def good(daemon, **options):
    return request_bytes(daemon, EVENT, BODY, **options)


def serve(daemon, wire=None):
    """A request on a kept connection, or on one that comes now."""
    if wire is None:
        with Wire(daemon.port) as wire:
            return serve(daemon, wire)
    wire.send(good(daemon))
    reply = wire.reply()
    assert reply.status == 201, reply.text
    return reply


def drip(wire, daemon, piece, seconds):
    """Sends a piece now and then until an answer comes; meanwhile others are served."""
    end = time.monotonic() + seconds
    with Wire(daemon.port) as other:
        while not wire.read and not wire.ended and time.monotonic() < end:
            wire.send(piece)
            wire.step(b"", 0.05)
            serve(daemon, other)


# ---- a key's rate ------------------------------------------------------------------------------

@pytest.fixture
def rated(project, start):
    """rated(rate): a daemon whose test key has this rate, and a second test key that has none."""
    def make(rate, **settings):
        free = project.key("test", name="free")
        project.keys[0]["rate"] = rate
        project.write("keys.yaml", {"keys": project.keys})
        project.settings(**settings)
        project.event(EVENT, [log_action()], {"id": "String!"})
        return start(project), {"client_key": free[0], "client_secret": free[1]}
    return make


def test_a_rate_is_a_bucket_of_one_second(rated):
    """What goes beyond it is told when to come again, and other keys notice nothing."""
    daemon, free = rated("20/s")
    with Wire(daemon.port) as wire:
        began = time.monotonic()
        wire.send(good(daemon) * 60)
        replies = [wire.reply() for _ in range(60)]
        took = time.monotonic() - began
    passed = [reply for reply in replies if reply.status == 201]
    assert 20 <= len(passed) <= 20 + 20 * took + 1
    assert [reply.status for reply in replies[:20]] == [201] * 20
    refused = [reply for reply in replies if reply.status != 201]
    for reply in refused:
        assert reply.status == 429 and reply.headers["retry-after"] == "1"
        assert reply.headers["content-type"] == "application/problem+json"
        assert reply.json()["message"] == reply.json()["detail"] and "rate" in reply.json()["detail"]
    for _ in range(40):
        assert daemon.post(EVENT, {"id": "1"}, headers=free).status == 201
        assert daemon.post(EVENT, {"id": "1"}, environment="live").status == 201
    time.sleep(1)
    assert serve(daemon)


def test_a_rate_of_less_than_one_a_second(rated):
    daemon, _ = rated("30/m")
    assert daemon.post(EVENT, {"id": "1"}).status == 201
    reply = daemon.post(EVENT, {"id": "1"})
    assert reply.status == 429 and reply.headers["retry-after"] in ("1", "2")
    time.sleep(int(reply.headers["retry-after"]))
    assert daemon.post(EVENT, {"id": "1"}).status == 201


def test_what_counts_for_a_rate(rated):
    """Every POST with right credentials does; 401 and the look-up of a run do not."""
    daemon, _ = rated("3/h", limits={"inflight": 1})
    run = daemon.post(EVENT, {"id": "1"}).json()["id"]
    assert daemon.run(run).status == 200
    assert daemon.post(EVENT, {"id": "1"}, headers={"client_secret": "x"}).status == 401
    assert daemon.post("no.such", {}).status == 429  # after 401, before 404
    assert daemon.post(EVENT, raw="{").status == 429
    assert daemon.run(run).status == 200
    assert daemon.request("GET", "/event/" + EVENT, headers=daemon.credentials()).status == 405
    assert 1000 < int(daemon.post(EVENT, {"id": "1"}).headers["retry-after"]) <= 1200


def test_a_key_made_with_a_rate(project, start):
    made = cli("add:key", "slow", "--environment", "test", "--rate", "2/h", "--json",
               project=project.folder)
    key = json.loads(made.stdout)
    project.event(EVENT, [log_action()], {"id": "String!"})
    daemon = start(project)
    headers = {"client_key": key["clientKey"], "client_secret": key["clientSecret"]}
    assert [daemon.post(EVENT, {"id": "1"}, headers=headers).status for _ in range(3)] == \
        [201, 429, 429]


# ---- slow clients ------------------------------------------------------------------------------

def test_a_head_that_drips(project, start):
    """The time is for the whole head; a request behind a served one has the same."""
    daemon = limited(project, start, headTimeout="600ms")
    for first in (b"", good(daemon)):
        with Wire(daemon.port) as wire:
            wire.send(first)
            if first:
                assert wire.reply().status == 201
            began = time.monotonic()
            wire.send(b"POST /event/x HTTP/1.1\r\nHost: x\r\n")
            drip(wire, daemon, b"X: y\r\n", 10)
            assert wire.reply().status == 408
            assert 0.5 < time.monotonic() - began < 5
            wire.end()


def test_a_body_that_drips(project, start):
    """The time is for the whole body, however steadily it comes; also for one that is dropped."""
    daemon = limited(project, start, bodyTimeout="600ms")
    head = request_bytes(daemon, EVENT, b"").replace(b"Content-Length: 0", b"Content-Length: 60000")
    chunked = request_bytes(daemon, EVENT, b"").replace(b"Content-Length: 0",
                                                        b"Transfer-Encoding: chunked")
    for data, piece in ((head, b"xxxx"), (chunked, b"4\r\nxxxx\r\n")):
        with Wire(daemon.port) as wire:
            wire.send(data)
            drip(wire, daemon, piece, 10)
            assert wire.reply().status == 408
            wire.end()
    with Wire(daemon.port) as wire:
        wire.send(head.replace(b"client_secret: ", b"client_secret: x"))
        assert wire.reply().status == 401  # and the rest of the body is waited for
        drip(wire, daemon, b"xxxx", 10)
        wire.end()


def test_a_client_that_was_told_to_go_on_and_does_not(project, start):
    daemon = limited(project, start, bodyTimeout="500ms")
    with Wire(daemon.port) as wire:
        wire.send(good(daemon, headers=[("Expect", "100-continue")])[:-len(BODY)])
        assert wire.reply(head_only=True).status == 100
        serve(daemon)
        assert wire.reply().status == 408
        wire.end()


def test_a_client_that_takes_its_reply_byte_by_byte(project, start):
    """Some progress is none: it must take its replies at a certain pace."""
    project.settings(limits={"replyTimeout": "700ms"})
    big_event(project, 2)
    project.event(EVENT, [log_action()], {"id": "String!"})
    daemon = start(project)
    with Wire(daemon.port, receive_buffer=4096) as wire:
        serve(daemon, wire)
        before = open_files(daemon)
        wire.send(request_bytes(daemon, "customer.big", BODY) * 4)
        end = time.monotonic() + 20
        while open_files(daemon) >= before:
            assert time.monotonic() < end, "a client that takes a byte at a time is kept"
            try:
                wire.socket.recv(1)
            except BlockingIOError:
                pass
            serve(daemon)
            time.sleep(0.02)


def test_requests_are_no_taking_of_replies(project, start):
    """A client that reads nothing is not kept by sending a request now and then."""
    project.settings(limits={"replyTimeout": "700ms"})
    big_event(project, 2)
    project.event(EVENT, [log_action()], {"id": "String!"})
    daemon = start(project)
    with Wire(daemon.port, receive_buffer=4096) as wire:
        wire.socket.setblocking(False)
        wire.socket.sendall(request_bytes(daemon, "customer.big", BODY) * 4)
        end = time.monotonic() + 15
        with pytest.raises(ConnectionError):
            while time.monotonic() < end:
                wire.socket.send(good(daemon))
                serve(daemon)
                time.sleep(0.2)


# ---- places ------------------------------------------------------------------------------------

def test_silent_newcomers_do_not_push_out_a_client_that_works(project, start):
    """At the limit the longest idle one goes; whoever sends a request now and then stays."""
    daemon = limited(project, start, connections=20)
    with Wire(daemon.port) as working:
        serve(daemon, working)
        wires = []
        for number in range(200):
            wires.append(socket.socket())
            wires[-1].setblocking(False)
            wires[-1].connect_ex(("127.0.0.1", daemon.port))
            if number % 4 == 0:
                serve(daemon, working)
        with Wire(daemon.port) as late:  # has its turn as well
            late.send(good(daemon))
            while not late.read:
                serve(daemon, working)
                late.step(b"", 0.02)
            assert late.reply().status == 201
        for wire in wires:
            wire.close()


def test_newcomers_are_served_before_they_make_room(project, start):
    """More clients than places, each with one request: none is sent away unheard."""
    daemon = limited(project, start, connections=5)
    for _ in range(5):
        wires = [Wire(daemon.port) for _ in range(25)]
        for wire in wires:
            wire.send(good(daemon))
        for wire in wires:
            assert wire.reply(20).status == 201
        for wire in wires:
            wire.socket.close()


def test_a_place_that_opens_is_taken_at_once(project, start):
    """With nobody idle, a client waits; as soon as one leaves it is served."""
    daemon = limited(project, start, connections=2, headTimeout="1h")
    busy = [Wire(daemon.port) for _ in range(2)]
    for wire in busy:
        wire.send(b"POST /event/")
    late = [Wire(daemon.port) for _ in range(20)]
    for wire in late:
        wire.send(good(daemon))
    assert late[0].is_silent(0.2)
    busy[0].socket.close()
    for wire in late:
        assert wire.reply().status == 201
        wire.socket.close()
    busy[1].socket.close()


@pytest.fixture
def slow(project, start, postgres, redis_):
    """slow(**limits): a daemon on which customer.slow takes half a second."""
    def make(**limits):
        slow_table(postgres, 0.5)
        two_accounts(project, postgres, redis_)
        project.settings(limits=limits)
        project.event("customer.slow", [insert()], MODEL)
        project.event(EVENT, [log_action()], {"id": "String!"})
        return start(project)
    return make


def test_inflight_holds_also_when_bodies_come_late(slow):
    """The heads of all are looked at while there is room; only some bodies find it."""
    daemon = slow(inflight=3)
    wires = [Wire(daemon.port) for _ in range(10)]
    request = request_bytes(daemon, "customer.slow", BODY)
    for wire in wires:
        wire.send(request[:-1])
    time.sleep(0.2)
    for wire in wires:
        wire.send(request[-1:])
    replies = [wire.reply() for wire in wires]
    assert sorted(reply.status for reply in replies) == [201] * 3 + [503] * 7
    for reply in replies:
        assert reply.status == 201 or reply.headers["retry-after"] and "inflight" in reply.text
    for wire in wires:
        serve(daemon, wire)
        wire.socket.close()


def test_bodies_share_the_memory(project, start):
    """Each body fits, all of them together do not: some are refused, and then there is room."""
    daemon = limited(project, start, memory="4MiB", bodyTimeout="1m")
    body = b'{"id":"1","x":"' + b"y" * 900000 + b'"}'
    request = request_bytes(daemon, EVENT, body)
    wires = [Wire(daemon.port) for _ in range(12)]
    for wire in wires:
        wire.send(request[:700000])
    for wire in wires:
        wire.step(b"", 0.2)
    refused = [wire for wire in wires if wire.read]
    assert 1 <= len(refused) <= 11
    for wire in refused:
        reply = wire.reply()
        assert reply.status == 503 and "memory" in reply.text and reply.headers["retry-after"]
    for wire in wires:
        wire.socket.close()
    wait_until(lambda: daemon.post(EVENT, raw=body).status == 201, 10, "room")


def test_heads_that_never_end_use_no_memory_of_events(project, start):
    """Strangers' heads are bounded by their number and size, and not by limits.memory."""
    daemon = limited(project, start, memory="1MiB", head="64KiB", headTimeout="1m")
    wires = [Wire(daemon.port) for _ in range(100)]
    for wire in wires:
        wire.send(b"POST /event/x HTTP/1.1\r\nX: " + b"y" * 60000)
    time.sleep(0.2)
    with Wire(daemon.port) as wire:
        for _ in range(20):
            serve(daemon, wire)
    for wire in wires:
        assert wire.is_silent(0)
        wire.socket.close()


def test_a_connection_has_its_turn_not_the_floor(project, start):
    """600 requests in one packet: a client that comes then does not wait for all of them."""
    daemon = limited(project, start)
    flood = b"GET /x HTTP/1.1\r\nHost: x\r\n\r\n" * 600
    answered = []
    for _ in range(20):
        with Wire(daemon.port) as other, Wire(daemon.port) as greedy:
            serve(daemon, other)
            greedy.send(flood)
            other.socket.setblocking(True)
            other.socket.sendall(good(daemon))
            other.socket.recv(65536)
            greedy.step(b"", 0)
            answered.append(greedy.read.count(b"HTTP/1.1 404"))
            greedy.wait(lambda: greedy.read.count(b"HTTP/1.1 404") == 600, 20, "the rest")
    assert min(answered) < 400, answered


# ---- refusals ----------------------------------------------------------------------------------

@pytest.mark.parametrize("size", [10000, 300000, 3000000])
def test_a_refusal_reaches_a_client_that_is_still_sending(project, start, size):
    """Whatever of the body is not read: the client sees the reply, not a reset."""
    daemon = limited(project, start)
    request = request_bytes(daemon, EVENT, b"x" * size)
    wrong = request.replace(b"client_secret: ", b"client_secret: x")
    for data, status in ((wrong, 401), (request.replace(b"/event/", b"/nothing/"), 404)):
        with Wire(daemon.port) as wire:
            wire.send(data, 20)
            reply = wire.reply()
            assert reply.status == status
            if size > 65536:
                assert reply.headers["connection"] == "close"
                wire.shut()
                wire.end()
            else:
                serve(daemon, wire)
    serve(daemon)


def test_an_upload_that_never_ends(project, start):
    """It is told 413, and a second later its connection is gone, though it goes on sending."""
    daemon = limited(project, start, body="100KiB")
    piece = b"4000\r\n" + b"x" * 0x4000 + b"\r\n"
    with Wire(daemon.port) as wire, Wire(daemon.port) as other:
        wire.send(request_bytes(daemon, EVENT, b"").replace(b"Content-Length: 0",
                                                            b"Transfer-Encoding: chunked"))
        began = time.monotonic()
        wire.socket.setblocking(False)
        with pytest.raises(ConnectionError):
            while time.monotonic() - began < 20:
                try:
                    wire.socket.send(piece)
                except BlockingIOError:
                    pass
                serve(daemon, other)
        assert 0.9 < time.monotonic() - began < (20 if SANITIZED else 5)
        try:
            wire.read = wire.socket.recv(65536)
        except ConnectionError:  # the reset came before a look at the reply
            return
        assert wire.reply().status == 413
