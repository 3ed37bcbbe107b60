"""Pools: their queue and its bounds, their connections, and timeouts."""

import pytest

from actions import ANY, EVENT, SLEEP, insert_into, pg_account, redis_account, set_key, sleeping
from harness import Wire, request_bytes
from replies import settled
from servers import wait_until


def test_the_queue_and_its_bounds(project, start, postgres):
    """One connection, one place in the queue: the third waits for nothing, the second for a while."""
    postgres.run(SLEEP, database="test")
    pg_account(project, postgres, pool={"connections": 1, "queue": 1})
    project.event(EVENT, [insert_into(timeout="5s")], ANY)
    project.event("service.hasty", [insert_into(timeout="300ms")], ANY)
    daemon = start(project)
    daemon.post(EVENT, {"id": "0"})
    with Wire(daemon.port) as first, Wire(daemon.port) as second:
        first.send(request_bytes(daemon, EVENT, b'{"id":"1.5"}'))
        wait_until(lambda: sleeping(postgres), 5, "the slow row")
        second.send(request_bytes(daemon, "service.hasty", b'{"id":"0"}'))
        reply = second.reply()  # times out in the queue
        answer = reply.response("row")
        assert answer["responseCode"] == 503 and "300ms" in answer["responseMessage"], answer
        second.send(request_bytes(daemon, EVENT, b'{"id":"0.01"}'))
        wait_until(lambda: daemon.post(EVENT, {"id": "0"}).response("row")["responseCode"] == 503,
                   5, "the full queue")
        answer = daemon.post(EVENT, {"id": "0"}).response("row")
        assert "queue" in answer["responseMessage"] and answer["responseTimeMS"] < 1000
        assert first.reply().response("row")["status"] is True
        assert second.reply().response("row")["status"] is True
    rows = [row[0] for row in postgres.run("SELECT id FROM t", database="test")]
    assert "1.5" in rows and "0.01" in rows


class Locked:
    """Holds a table: rows for it wait until the end of the block."""

    def __init__(self, postgres):
        self.connection = postgres.connect("test")

    def __enter__(self):
        self.connection.autocommit = False
        with self.connection.cursor() as cursor:
            cursor.execute("LOCK TABLE t")

    def __exit__(self, *_):
        self.connection.close()


def check_full_queue(daemon, postgres, payloads):
    """Sends the payloads while the table is locked: what finds no room fails, the rest arrives."""
    with Locked(postgres):
        runs = [daemon.post(EVENT, payload, headers={"Prefer": "respond-async"}).json()["id"]
                for payload in payloads]
        states = [daemon.run(ident).response("row") for ident in runs]
    refused = [state for state in states if state["state"] == "failed"]
    for state in refused:
        assert state["responseCode"] == 503 and "queue is full" in state["responseMessage"], state
    assert states[-1]["state"] == "failed" and states[0]["state"] == "pending"
    final = [settled(daemon, ident, 30).response("row")["state"] for ident in runs]
    assert final == ["failed" if state in refused else "done" for state in states]
    done = final.count("done")
    assert postgres.run("SELECT count(*) FROM t", database="test") == [(done,)]
    assert daemon.post(EVENT, payloads[0]).response("row")["status"] is True
    return done


def test_the_bound_of_the_queue_in_entries(project, start, postgres):
    postgres.run("CREATE TABLE t (id text)", database="test")
    pg_account(project, postgres, pool={"connections": 1, "queue": 7, "timeout": "1m"})
    project.event(EVENT, [insert_into()], ANY)
    daemon = start(project)
    daemon.post(EVENT, {})
    postgres.run("TRUNCATE t", database="test")
    done = check_full_queue(daemon, postgres, [{"id": str(n)} for n in range(100)])
    assert 7 < done < 100


@pytest.mark.long_pass("each request to the server has 7 MB")
def test_the_bound_of_the_queue_in_bytes(project, start, postgres):
    """64 MiB of requests wait for one account half, whatever the number of entries allows."""
    postgres.run("CREATE TABLE t (id text)", database="test")
    pg_account(project, postgres, pool={"connections": 1, "timeout": "1m"})
    project.settings(limits={"memory": "1GiB", "request": "8MiB"})
    project.event(EVENT, [insert_into(payload={"id": "{text}" * 7})], ANY)
    daemon = start(project)
    daemon.post(EVENT, {"text": ""})
    postgres.run("TRUNCATE t", database="test")
    done = check_full_queue(daemon, postgres, [{"text": "x" * 1000000}] * 16)
    assert 8 < done < 14  # of 7 MB each, and a few that were sent


def test_up_to_connections_slow_rows_do_not_wait(project, start, postgres):
    postgres.run(SLEEP, database="test")
    pg_account(project, postgres, pool={"connections": 5})
    project.event(EVENT, [insert_into(ident=f"row{n}", payload={"id": "0.5"})
                          for n in range(5)], ANY)
    daemon = start(project)
    daemon.post(EVENT, {})
    reply = daemon.post(EVENT, {})
    assert 500 <= reply.json()["totalTimeMS"] < 950, reply.text
    assert postgres.run("SELECT count(*) FROM pg_stat_activity WHERE datname = 'test' AND "
                        "application_name = 'volley'") == [(5,)]


def test_the_timeout_of_a_pool_and_of_an_action(project, start, postgres):
    postgres.run(SLEEP, database="test")
    pg_account(project, postgres, pool={"timeout": "300ms"})
    project.event(EVENT, [insert_into(ident="short"), insert_into(ident="long", timeout="5s")], ANY)
    daemon = start(project)
    daemon.post(EVENT, {"id": "0"})
    reply = daemon.post(EVENT, {"id": "0.8"})
    assert reply.response("short")["responseCode"] == 504, reply.text
    assert reply.response("long")["status"] is True, reply.text
    # The given-up statement is rolled back by its own statement_timeout or ends by itself.
    wait_until(lambda: not sleeping(postgres), 10, "the end of the statements")


def test_statement_timeout_of_the_server(project, start, postgres):
    """57014: rolled back by the server, hence 504 and nothing stored."""
    postgres.run(SLEEP + "; ALTER DATABASE test SET statement_timeout = '0'", database="test")
    pg_account(project, postgres, pool={"timeout": "400ms"})
    project.event(EVENT, [insert_into(ident="task")], ANY)
    daemon = start(project)
    daemon.post(EVENT, {"id": "0"})
    answer = daemon.post(EVENT, {"id": "30"}).response("task")
    assert answer["responseCode"] == 504, answer
    wait_until(lambda: not sleeping(postgres), 10, "the server's own timeout")
    assert postgres.run("SELECT id FROM t", database="test") == [("0",)]
    assert daemon.post(EVENT, {"id": "0"}).response("task")["status"] is True


def test_a_terminated_backend(project, start, postgres):
    """57P01 after it was sent: 503, and the next one is served by a new connection."""
    postgres.run(SLEEP, database="test")
    pg_account(project, postgres)
    project.event(EVENT, [insert_into(ident="task")], ANY)
    daemon = start(project)
    daemon.post(EVENT, {"id": "0"})
    with Wire(daemon.port) as wire:
        wire.send(request_bytes(daemon, EVENT, b'{"id":"20"}'))
        wait_until(lambda: sleeping(postgres), 5, "the slow row")
        postgres.run("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE "
                     "query LIKE 'INSERT%' AND state = 'active'")
        answer = wire.reply().response("task")
    assert (answer["responseCode"], answer["responseDetail"]) == (503, "57P01"), answer
    assert daemon.post(EVENT, {"id": "0"}).response("task")["status"] is True


def test_idle_connections_are_closed(project, start, postgres, redis_):
    postgres.run("CREATE TABLE t (id text)", database="test")
    pg_account(project, postgres, pool={"idleTimeout": "300ms"})
    redis_account(project, redis_, pool={"idleTimeout": "300ms"})
    project.event(EVENT, [insert_into(), set_key(key="k", value="v")], ANY)
    daemon = start(project)
    reply = daemon.post(EVENT, {"id": "a"})
    assert reply.response("row")["status"] and reply.response("key")["status"]
    wait_until(lambda: postgres.run("SELECT count(*) FROM pg_stat_activity WHERE datname = "
                                    "'test'") == [(0,)], 10, "the end of the idle connections")
    wait_until(lambda: len(redis_.client().client_list()) <= 2, 10, "the same of Redis")
    reply = daemon.post(EVENT, {"id": "b"})
    assert reply.response("row")["status"] and reply.response("key")["status"]
