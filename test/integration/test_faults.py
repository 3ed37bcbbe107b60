"""Servers that refuse, hang, break off or talk nonsense: each fault has its code, and ends."""

import contextlib
import time

import pytest

import fault_list
import faults
from actions import ANY, EVENT, insert_into, pg_account, set_key
from harness import Wire, log_action, request_bytes
from servers import Proxy, wait_until

SERVICES = {"POSTGRESQL": faults.Postgresql, "REDIS": faults.Redis}


@pytest.fixture(params=SERVICES)
def bench(request, project, start, postgres, redis_):
    server = {"POSTGRESQL": postgres, "REDIS": redis_}[request.param]
    made = faults.Bench(SERVICES[request.param](server), project, start)
    yield made
    made.close()


@pytest.mark.parametrize("fault", fault_list.LIST, ids=lambda fault: fault.__name__)
def test_fault(bench, fault):
    """The list that every service passes."""
    fault(bench)


# After the login, in place of an answer: no protocol, a length that is negative, huge, or more than
# comes, and messages that nobody asked for.
SPOILT = {
    "POSTGRESQL": [
        b"\x00\xffthis is no protocol", b"HTTP/1.1 400 Bad Request\r\n\r\n",
        b"D\xff\xff\xff\xff", b"D\x7f\xff\xff\xff1", b"D\x00\x00\x10\x00\x00\x01",
        b"Z\x00\x00\x00\x05I" * 3, b"1\x00\x00\x00\x04" * 5,
        b"R\x00\x00\x00\x08\x00\x00\x00\x03", b"G\x00\x00\x00\x07\x00\x00\x00",
        b"T\x00\x00\x00\x06\x7f\xff", b"A\x00\x00\x00\x04"],
    "REDIS": [
        b"\x00\xffthis is no protocol\r\n", b"HTTP/1.1 400 Bad Request\r\n\r\n",
        b"$9999999999999999999\r\n", b"*2\r\n+OK\r\n", b"?\r\n"],
}


def test_garbage_after_the_login(bench):
    """The task fails in time, whatever comes, and the next connection is a sound one."""
    bench.begin(timeout="500ms", connections=1)
    for spoil in SPOILT[bench.service.kind]:
        bench.warm()
        bench.proxy.spoil, bench.proxy.mode = spoil, "spoil"
        bench.fails({502, 503, 504}, times=(0, 1))
        bench.heal()
        bench.recovers()


# What an idle connection may not say, and what it may (a notice, a parameter's new value).
UNASKED = {
    "POSTGRESQL": ([b"junk", b"C\x00\x00\x00\x0fINSERT 0 9\x00", b"Z\x00\x00\x00\x05I"],
                   [b"N\x00\x00\x00\x0bSINFO\x00\x00", b"S\x00\x00\x00\x08a\x00b\x00"]),
    "REDIS": ([b":7\r\n", b"-ERR of another\r\n", b"junk\r\n"], []),
}


def test_words_that_nobody_asked_for(bench):
    """
    They are never taken for the next task's answer. Half a message shows only when the rest does
    not fit, so a task may fail; the one after it does not.
    """
    bench.begin(connections=1)
    bench.warm()
    for words in sum(UNASKED[bench.service.kind], []):
        bench.proxy.inject(words)
        time.sleep(0.05)
        ident = bench.ident(0, 1)
        answer = bench.daemon.post(EVENT, {"id": ident}).response("task")
        if answer["responseCode"] != 503:
            bench.check_done(ident, answer)
        bench.serves()
    bench.check_books()


@pytest.mark.parametrize("words", [b"C\xff\xff\xff\xff", b"\x00\xff\xff\xff\xffno protocol"])
def test_a_socket_that_libpq_closes(project, start, postgres, words):
    """Words without sense on an idle connection; the next clients get its socket's number."""
    proxy = Proxy(postgres.port)
    postgres.run("CREATE TABLE t (id text)", database="test")
    pg_account(project, postgres, proxy.port)
    project.event(EVENT, [insert_into(ident="task")], ANY)
    project.event("other.event", [log_action()], ANY)
    daemon = start(project)
    assert daemon.post(EVENT, {"id": "1"}).response("task")["status"] is True
    proxy.inject(words)
    time.sleep(0.2)
    with contextlib.ExitStack() as stack:
        for wire in [stack.enter_context(Wire(daemon.port)) for _ in range(3)]:
            wire.send(request_bytes(daemon, "other.event", b'{"id": "2"}'))
            assert wire.reply(5).status == 201
    assert daemon.post(EVENT, {"id": "3"}).response("task")["status"] is True
    proxy.close()


@pytest.mark.parametrize("prepare", [True, False])
def test_a_backend_that_ends_at_a_parse(project, start, postgres, prepare):
    """Nothing was executed yet: the statement goes out again on another connection."""
    postgres.run("CREATE TABLE t (id text, value jsonb)", database="test")
    pg_account(project, postgres, prepare=prepare, pool={"timeout": "20s"})
    project.event(EVENT, [insert_into(payload={"id": "{id}", "value": "{value}"}, ident="task")],
                  ANY)
    daemon = start(project)
    waits = "pid FROM pg_stat_activity WHERE query LIKE 'INSERT%' AND wait_event_type = 'Lock'"
    lock = postgres.connect("test")
    lock.autocommit = False
    lock.cursor().execute("LOCK TABLE t")
    with Wire(daemon.port) as wire:
        wire.send(request_bytes(daemon, EVENT, b'{"id": "1", "value": [1]}'))
        wait_until(lambda: postgres.run(f"SELECT {waits}"), 10, "the Parse")
        postgres.run(f"SELECT pg_terminate_backend(pid) FROM (SELECT {waits}) AS one")
        time.sleep(0.2)
        lock.close()
        answer = wire.reply(20).response("task")
        assert answer["responseCode"] == 201, answer
    assert postgres.run("SELECT id FROM t", database="test") == [("1",)]


def test_bad_credentials_show_early(project, start, postgres, redis_):
    """One connection is opened after the start, so that the log says what is wrong."""
    project.account("pg", "POSTGRESQL", test={"url": postgres.url("test").replace(
        "secret", "wrong")}, live={"url": postgres.url("live")})
    project.account("redis", "REDIS", test={"url": redis_.url().replace("secret", "wrong")},
                    live={"url": redis_.url()})
    project.event(EVENT, [insert_into(), set_key(key="k", value="v")], ANY)
    daemon = start(project)
    wait_until(lambda: "password authentication failed" in daemon.log() and
               "WRONGPASS" in daemon.log(), 10, "the log's word")
    assert "live" not in "".join(line for line in daemon.log().split("\n") if "failed" in line)


def test_too_many_connections(project, start, postgres):
    postgres.run("CREATE TABLE t (id text); DROP ROLE IF EXISTS scarce; CREATE ROLE scarce LOGIN "
                 "PASSWORD 'scarce' CONNECTION LIMIT 0; GRANT ALL ON t TO scarce",
                 database="test")
    project.account("pg", "POSTGRESQL", test={"url": postgres.url("test").replace(
        "volley:secret", "scarce:scarce")}, live={"url": postgres.url("live")})
    project.event(EVENT, [insert_into(ident="task")], ANY)
    daemon = start(project)
    answer = daemon.post(EVENT, {"id": "a"}).response("task")
    assert (answer["responseCode"], answer["responseDetail"]) == (503, "53300"), answer
    postgres.run("ALTER ROLE scarce CONNECTION LIMIT 5")
    wait_until(lambda: daemon.post(EVENT, {"id": "b"}).response("task")["status"] is True, 20,
               "recovery")
