"""Replies: their shape, when they come (Prefer, timeouts), and look-ups of runs."""

import time

import pytest

from actions import MODEL, TABLE, big_event, insert, set_key, slow_table, two_accounts
from harness import SANITIZED, log_action, resident_kib
from replies import check_problem, check_reply, settled
from servers import wait_until

EVENT = "customer.new"


# ---- shape ---------------------------------------------------------------------------------------

def test_the_shape_of_a_reply(project, start, postgres, redis_):
    postgres.run(TABLE, database="test")
    two_accounts(project, postgres, redis_)
    project.event(EVENT, [
        {"id": "always", "name": "Always", "condition": None, "actions": [
            insert() | {"name": "Save it"}, set_key(), log_action()]},
        {"id": "empty-condition", "condition": "", "actions": []},
        {"id": "rich", "condition": "amount > 100.50", "actions": [log_action("rich-note")]},
        {"id": "poor", "condition": 'amount <= 100.50 OR name = "x"', "actions": [
            insert("again"), log_action("off", enabled=False)]},
    ], MODEL)
    daemon = start(project)
    reply = daemon.post(EVENT, {"id": "c1", "name": "Ana", "amount": 12.5})
    assert reply.status == 201 and reply.headers["content-type"] == "application/json"
    assert "location" not in reply.headers
    tasks = check_reply(reply, EVENT, "test", 4)
    document = reply.json()
    assert [rule["id"] for rule in document["match_rules"]] == ["always", "empty-condition",
                                                                "poor"]
    assert [rule["condition"] for rule in document["match_rules"]][0] is None
    assert document["match_rules"][2]["condition"] == 'amount <= 100.50 OR name = "x"'
    row, key, note = (task["action"] for task in document["match_rules"][0]["actions"])
    assert row == {"id": "row", "name": "Save it", "serviceAccountId": "pg",
                   "serviceAction": "INSERT"}
    assert key["serviceAccountId"] == "redis" and key["serviceAction"] == "SET"
    assert note["serviceAccountId"] is None and note["serviceAction"] == "WRITE"
    assert tasks["key"]["responsePayload"] == "OK" and tasks["key"]["responseCode"] == 201
    assert tasks["note"]["responsePayload"] is None and tasks["note"]["responseCode"] == 200
    assert set(tasks) == {"row", "key", "note", "again"}
    # The two INSERTs of one primary key ran at once: one of them is the duplicate.
    codes = sorted((tasks["row"]["responseCode"], tasks["again"]["responseCode"]))
    assert codes == [201, 409]
    won, lost = sorted((tasks["row"], tasks["again"]), key=lambda task: task["responseCode"])
    assert won["responsePayload"] == {"command": "INSERT", "rowCount": 1}
    assert lost["state"] == "failed" and lost["responseDetail"] == "23505"
    assert "duplicate key" in lost["responseMessage"]
    ids = [task["id"] for rule in document["match_rules"] for task in rule["actions"]]
    assert len(set(ids + [document["id"]])) == len(ids) + 1


def test_an_event_that_matches_nothing(project, start):
    project.event(EVENT, [{"id": "never", "condition": "id = 'x'", "actions": [log_action()]}],
                  {"id": "String!"})
    project.event("empty.event", [])
    daemon = start(project)
    for event, filters in ((EVENT, 1), ("empty.event", 0)):
        reply = daemon.post(event, {"id": "1"})
        assert reply.status == 201
        assert check_reply(reply, event, "test", filters) == {}
        assert reply.json()["match_rules"] == []
        assert daemon.run(reply.json()["id"]).json()["id"] == reply.json()["id"]
    daemon.stop()
    assert "noted" not in daemon.log()


def test_environments(project, start):
    project.event(EVENT, [{"id": "one", "condition": None,
                           "actions": [log_action(message="{$environment} {$event.name}")]}])
    daemon = start(project)
    for environment in ("live", "test"):
        assert check_reply(daemon.post(EVENT, {}, environment), EVENT, environment, 1)
    daemon.stop()
    assert f"live {EVENT}" in daemon.log() and f"test {EVENT}" in daemon.log()


# ---- Prefer and timeouts -------------------------------------------------------------------------

@pytest.fixture
def slow(project, start, postgres, redis_):
    """An event with a row of 400 ms, and a Redis key beside it."""
    slow_table(postgres, 0.4)
    two_accounts(project, postgres, redis_, pool={"connections": 20})
    project.event(EVENT, [insert(), set_key()], MODEL)
    daemon = start(project)
    daemon.post(EVENT, {"id": "first"})
    return daemon


def test_respond_async(slow):
    for prefer in ("respond-async", "Respond-Async", "foo, respond-async;x=y", "wait=0",
                   "respond-async, wait=0"):
        reply = slow.post(EVENT, {"id": prefer}, headers={"Prefer": prefer})
        assert reply.status == 202, (prefer, reply.text)
        applied = reply.headers["preference-applied"]
        assert applied == ("wait=0" if "wait" in prefer else "respond-async")
        tasks = check_reply(reply, EVENT, "test", 1)
        assert {task["state"] for task in tasks.values()} == {"pending"}
        assert all(task["responseTimeMS"] is None and task["responseCode"] is None and
                   task["responsePayload"] is None for task in tasks.values())
        ident = reply.json()["id"]
        assert reply.headers["location"] == f"/run/{ident}"
        living = slow.run(ident)
        assert living.status == 200 and living.json()["id"] == ident
        check_reply(living, EVENT, "test", 1)
        done = settled(slow, ident)
        tasks = check_reply(done, EVENT, "test", 1)
        assert tasks["row"]["responseTimeMS"] >= 400 > tasks["key"]["responseTimeMS"]
        assert {task["state"] for task in tasks.values()} == {"done"}


def test_wait(slow):
    reply = slow.post(EVENT, {"id": "a"}, headers={"Prefer": "wait=10"})
    assert reply.status == 201 and reply.headers["preference-applied"] == "wait=10"
    reply = slow.post(EVENT, {"id": "b"}, headers={"Prefer": "respond-async, wait=10"})
    assert reply.status == 201, "beside respond-async, wait decides"
    assert reply.headers["preference-applied"] == "wait=10"
    for number, long in enumerate(("wait=1000", "wait = 1000", "wait=99999999999999999999")):
        reply = slow.post(EVENT, {"id": f"c{number}"}, headers={"Prefer": long})
        assert reply.status == 201 and reply.headers["preference-applied"] == "wait=15"
    for number, nonsense in enumerate(("wait=x", "wait=-1", "wait", "return=minimal", "", "=",
                                       "wait=1.5")):
        reply = slow.post(EVENT, {"id": f"d{number}"}, headers={"Prefer": nonsense})
        assert reply.status == 201, nonsense
        assert "preference-applied" not in reply.headers, nonsense


def test_wait_ends_before_the_slow_task(project, start, postgres, redis_):
    slow_table(postgres, 2.5)
    two_accounts(project, postgres, redis_)
    project.event(EVENT, [insert(), set_key()], MODEL)
    daemon = start(project)
    began = time.monotonic()
    reply = daemon.post(EVENT, {"id": "a"}, headers={"Prefer": "wait=1"})
    assert 0.95 <= time.monotonic() - began < 2.4
    assert reply.status == 202 and reply.headers["preference-applied"] == "wait=1"
    assert reply.headers["location"] == "/run/" + reply.json()["id"]
    tasks = check_reply(reply, EVENT, "test", 1)
    assert tasks["row"]["state"] == "pending" and tasks["key"]["state"] == "done"
    done = settled(daemon, reply.json()["id"])
    assert check_reply(done, EVENT, "test", 1)["row"]["state"] == "done"
    assert done.json()["totalTimeMS"] >= 2500


def test_respond_timeout(project, start, postgres, redis_):
    slow_table(postgres, 1.5)
    two_accounts(project, postgres, redis_)
    project.settings(respondTimeout="300ms")
    project.event(EVENT, [insert(), set_key()], MODEL)
    daemon = start(project)
    reply = daemon.post(EVENT, {"id": "a"})
    assert reply.status == 202 and 285 <= reply.json()["totalTimeMS"] < 1500
    assert check_reply(reply, EVENT, "test", 1)["row"]["state"] == "pending"
    reply = daemon.post(EVENT, {"id": "b"}, headers={"Prefer": "wait=5"})
    assert reply.status == 202
    assert reply.headers["preference-applied"] == "wait=0"  # 300 ms in whole seconds
    assert check_reply(settled(daemon, reply.json()["id"]), EVENT, "test", 1)["row"][
        "state"] == "done"


def test_an_async_action_is_not_waited_for(project, start, postgres, redis_):
    slow_table(postgres, 0.7)
    two_accounts(project, postgres, redis_)
    project.event(EVENT, [insert() | {"async": True}, set_key()], MODEL)
    project.event("only.async", [insert() | {"async": True}], MODEL)
    daemon = start(project)
    reply = daemon.post(EVENT, {"id": "a"})
    assert reply.status == 201 and "location" not in reply.headers
    assert reply.json()["totalTimeMS"] < 700
    tasks = check_reply(reply, EVENT, "test", 1)
    assert tasks["row"]["state"] == "pending" and tasks["key"]["state"] == "done"
    other = daemon.post("only.async", {"id": "b"})
    assert other.status == 201
    assert check_reply(other, "only.async", "test", 1)["row"]["state"] == "pending"
    for kept in (reply, other):
        done = settled(daemon, kept.json()["id"])
        assert done.response("row")["state"] == "done"
        assert done.response("row")["responseTimeMS"] >= 700
    assert postgres.run("SELECT count(*) FROM customers", database="test") == [(2,)]


def test_an_action_timeout(project, start, postgres, redis_):
    slow_table(postgres, 1.5)
    two_accounts(project, postgres, redis_)
    project.event(EVENT, [insert() | {"timeout": "200ms"}, set_key()], MODEL)
    daemon = start(project)
    daemon.post(EVENT, {"id": "opens the pool"})
    reply = daemon.post(EVENT, {"id": "a"})
    assert reply.status == 201
    tasks = check_reply(reply, EVENT, "test", 1)
    assert tasks["row"]["state"] == "failed" and tasks["row"]["responseCode"] == 504
    assert 190 <= tasks["row"]["responseTimeMS"] < 1500
    assert tasks["row"]["responseMessage"] and tasks["key"]["state"] == "done"


# ---- look-ups ------------------------------------------------------------------------------------

def test_look_ups(slow):
    ident = slow.post(EVENT, {"id": "a"}).json()["id"]
    found = slow.run(ident)
    assert found.status == 200 and found.headers["content-type"] == "application/json"
    check_reply(found, EVENT, "test", 1)
    check_problem(slow.run(ident, "live"), 404)
    for other in ("0193572e-0000-7000-8000-000000000000", "x", ident[:-1], ident + "0",
                  ident + "/x", "x" * 3000):
        check_problem(slow.run(other), 404)
    assert slow.run(ident + "/").status == 200
    check_problem(slow.request("GET", f"/run/{ident}"), 401)
    pending = slow.post(EVENT, {"id": "b"}, headers={"Prefer": "respond-async"}).json()["id"]
    check_problem(slow.run(pending, "live"), 404)
    settled(slow, pending)


def test_settled_runs_are_kept_within_bounds(project, start):
    project.settings(runs={"keep": 5})
    project.event(EVENT, [log_action()])
    daemon = start(project)
    idents = [daemon.post(EVENT).json()["id"] for _ in range(12)]
    assert [daemon.run(ident).status for ident in idents] == [404] * 7 + [200] * 5


def test_settled_runs_are_kept_within_64_mib(project, start):
    """Whatever runs.keep allows; the newest are there."""
    big_event(project, 4)
    daemon = start(project)
    replies = [daemon.post("customer.big", {"id": "1"}) for _ in range(320)]
    size = len(replies[0].text)
    assert size > 225000
    found = [daemon.run(reply.json()["id"]) for reply in replies]
    kept = sum(look_up.status == 200 for look_up in found)
    assert [look_up.status for look_up in found] == [404] * (320 - kept) + [200] * kept
    assert 60 << 20 < kept * size <= 64 << 20
    assert found[-1].json()["match_rules"] == replies[-1].json()["match_rules"]
    assert SANITIZED or resident_kib(daemon) < 120 * 1024


def test_settled_runs_are_kept_for_a_time(project, start):
    project.settings(runs={"for": "1s"})
    project.event(EVENT, [log_action()])
    daemon = start(project)
    ident = daemon.post(EVENT).json()["id"]
    assert daemon.run(ident).status == 200
    wait_until(lambda: daemon.run(ident).status == 404, 10, "the end of the kept run")


def test_no_settled_runs_are_kept(project, start):
    project.settings(runs={"keep": 0})
    project.event(EVENT, [log_action()])
    daemon = start(project)
    assert daemon.run(daemon.post(EVENT).json()["id"]).status == 404
