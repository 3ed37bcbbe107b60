"""Under load: servers that restart, clients that leave, the daemon told to end. Nothing is lost."""

import concurrent.futures
import random
import re
import signal
import socket
import threading

import pytest

from actions import ANY, EVENT, insert_into, pg_account, redis_account, set_key
from harness import Wire, log_action, request_bytes
from load import Load
from servers import Redis, wait_until


def three_tasks(project, start, postgres, redis_, **pool):
    """A daemon whose event leaves a row, a key and a line in the log, each with the event's id."""
    postgres.run("CREATE TABLE t (id text PRIMARY KEY)", database="test")
    pg_account(project, postgres, pool=pool)
    redis_account(project, redis_, pool=pool)
    project.event(EVENT, [insert_into(payload={"id": "{id}"}), set_key(key="k{id}", value="v"),
                          log_action(message="accepted {id}")], ANY)
    return start(project)


def stored(postgres):
    return {row[0] for row in postgres.run("SELECT id FROM t", database="test")}


def accepted(daemon):
    """The ids whose runs have begun, each once."""
    found = re.findall(r'msg="accepted (\S+)"', daemon.log())
    assert len(found) == len(set(found))
    return set(found)


# ---- servers that restart ----------------------------------------------------------------------

@pytest.fixture
def durable_redis():
    """Makes a Redis that knows after a restart what it knew before."""
    servers = []

    def make():
        servers.append(Redis("--appendonly", "yes"))
        return servers[0]
    yield make
    for server in servers:
        server.remove()


@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGKILL])
@pytest.mark.parametrize("which", ["row", "key"])
def test_a_server_restarts_in_the_middle_of_a_load(project, start, postgres, redis_,
                                                    durable_redis, which, how):
    """
    Every event gets its reply, the other server's tasks are not touched, what was said to be done
    is done, what Redis was not sent is not, and it all works again without help.
    """
    if which == "key":
        redis_ = durable_redis()
    daemon = three_tasks(project, start, postgres, redis_, timeout="5s")
    server = postgres if which == "row" else redis_
    load = Load(daemon)
    try:
        load.goes_on(200, "the load")
        server.stop(signal.SIGINT if which == "row" and how == signal.SIGTERM else how)
        mine = 1 if which == "row" else 2
        wait_until(lambda: not load.answers[-1][mine]["status"], 20, "a failure")
        load.goes_on(100, "failures")
    finally:
        server.start()
    wait_until(lambda: load.answers[-1][1]["status"] and load.answers[-1][2]["status"], 20,
               "recovery")
    load.goes_on(200, "the load afterwards")
    load.end()
    assert len(load.answers) >= 500
    codes = {name: {answer[index]["responseCode"] for answer in load.answers}
             for index, name in ((1, "row"), (2, "key"))}
    assert codes.pop(which) - {504} == {201, 503}
    assert list(codes.values()) == [{201}]
    sent = {answer[0] for answer in load.answers}
    there = {"row": stored(postgres), "key": {key.decode()[1:] for key in redis_.client().keys()}}
    for index, name in ((1, "row"), (2, "key")):
        said = {answer[0] for answer in load.answers if answer[index]["status"]}
        assert said <= there[name] <= sent
    # Redis' 503 says that nothing was sent or that it was refused; PostgreSQL's leaves it open.
    refused = {answer[0] for answer in load.answers if answer[2]["responseCode"] == 503}
    assert not refused & there["key"]


# ---- clients that leave ------------------------------------------------------------------------

def come_and_leave(daemon, client):
    """
    One client's ten events. It takes the reply, leaves without it (with a reset or not), or leaves
    in the middle of the request. The ids it knows to be done, and those it sent as a whole.
    """
    chance, done, sent = random.Random(client), set(), set()
    for number in range(10):
        ident = f"{client}-{number}"
        request = request_bytes(daemon, EVENT, b'{"id":"%s"}' % ident.encode())
        with Wire(daemon.port) as wire:
            way = chance.choice(("stay", "stay", "leave", "reset", "break off"))
            if way == "break off":
                wire.send(request[:chance.randrange(len(request))])
                continue
            wire.send(request)
            sent.add(ident)
            if way == "stay":
                reply = wire.reply(60)
                assert reply.response("row")["status"], reply.text
                assert reply.response("key")["status"], reply.text
                done.add(ident)
            elif way == "reset":
                wire.step(b"", chance.random() * 0.01)
                wire.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\x01\0\0\0\0\0\0\0")
    return done, sent


def test_clients_that_come_and_leave(project, start, postgres, redis_):
    """Of 64 at once: each event whose run began has its row and its key, and no other has one."""
    daemon = three_tasks(project, start, postgres, redis_)
    with concurrent.futures.ThreadPoolExecutor(64) as pool:
        results = list(pool.map(lambda client: come_and_leave(daemon, client), range(64)))
    done = set().union(*(done for done, _ in results))
    sent = set().union(*(sent for _, sent in results))
    daemon.post(EVENT, {"id": "last"})
    daemon.stop()  # lets what still runs end
    rows, keys = stored(postgres), {key.decode()[1:] for key in redis_.client().keys()}
    assert rows == keys == accepted(daemon)
    assert done | {"last"} <= rows <= sent | {"last"}
    assert len(done) > 150 and len(sent) > len(done) + 50


# ---- the end of the daemon ---------------------------------------------------------------------

def send_until_the_end(daemon, client, began):
    """Sends events, two at a time, until the connection ends; the ids done, and those refused."""
    done, refused, number = set(), set(), 0
    try:
        with Wire(daemon.port) as wire:
            while True:
                idents = [f"{client}-{number}", f"{client}-{number + 1}"]
                number += 2
                wire.send(b"".join(request_bytes(daemon, EVENT, b'{"id":"%s"}' % ident.encode())
                                   for ident in idents))
                for ident in idents:
                    reply = wire.reply(60)
                    if reply.status == 201:
                        assert reply.response("row")["status"], reply.text
                        assert reply.response("key")["status"], reply.text
                        done.add(ident)
                    else:
                        assert reply.status == 503, reply.text
                        refused.add(ident)
                began.set()
    except (OSError, AssertionError) as error:
        if "closed" not in str(error) and not isinstance(error, OSError):
            raise
    return done, refused


def test_sigterm_in_the_middle_of_a_load(project, start, postgres, redis_):
    """Every event whose run began gets its reply, and nothing else leaves a trace; exit code 0."""
    daemon = three_tasks(project, start, postgres, redis_)
    began = [threading.Event() for _ in range(24)]
    with concurrent.futures.ThreadPoolExecutor(len(began)) as pool:
        clients = [pool.submit(send_until_the_end, daemon, number, event)
                   for number, event in enumerate(began)]
        for event in began:
            assert event.wait(60)
        daemon.terminate()
        results = [client.result(60) for client in clients]
    daemon.stop()
    done = set().union(*(done for done, _ in results))
    refused = set().union(*(refused for _, refused in results))
    assert done == accepted(daemon) == stored(postgres)
    assert done == {key.decode()[1:] for key in redis_.client().keys()}
    assert not done & refused and len(done) >= 48
