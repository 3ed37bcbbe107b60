"""The Event API: who may send what, in which order that is looked at, and what comes back."""

import base64
import json
import re
import signal
import time

import pytest

from harness import Wire, basic, cli, log_action, request_bytes
from servers import wait_until
from test_flow import MODEL, insert, set_key, two_accounts

EVENT = "customer.new"
TABLE = "CREATE TABLE customers (id text PRIMARY KEY, name text, amount numeric)"
UUID = r"[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}"


def slow_table(postgres, seconds, databases=("test",)):
    """A row takes as long as its name says, or `seconds`."""
    for database in databases:
        postgres.run(f"""{TABLE};
            CREATE FUNCTION take_time() RETURNS trigger LANGUAGE plpgsql AS
            $$ BEGIN PERFORM pg_sleep({seconds}); RETURN NEW; END $$;
            CREATE TRIGGER slow BEFORE INSERT ON customers FOR EACH ROW
            EXECUTE FUNCTION take_time();""", database=database)


@pytest.fixture
def daemon(project, start):
    project.event(EVENT, [log_action()], {"id": "String!"})
    project.event("other.event", [log_action()])
    return start(project)


def check_problem(reply, status, *fragments):
    assert reply.status == status, reply.text
    assert reply.headers["content-type"] == "application/problem+json"
    problem = reply.json()
    assert set(problem) <= {"type", "title", "status", "detail", "message", "errors"}
    assert problem["status"] == status and problem["title"]
    assert problem["message"] == problem["detail"]
    for fragment in fragments:
        assert fragment in problem["message"], problem["message"]
    return problem


# ---- credentials -------------------------------------------------------------------------------

def send_with(daemon, headers, event=EVENT):
    return daemon.request("POST", f"/event/{event}", b'{"id":"1"}', headers)


def test_credentials_that_are_right(daemon):
    key, secret = daemon.project.credentials["test"]
    for headers in ({"client_key": key, "client_secret": secret},
                    {"CLIENT_KEY": key, "Client_Secret": secret},
                    {"Client_key": f"  {key}\t", "client_secret": secret},
                    basic(key, secret),
                    {"authorization": "bASIC   " + basic(key, secret)["Authorization"][6:]},
                    {"client_key": key, "client_secret": secret, "Authorization": "Basic xxx"},
                    {"client_key": key, "client_secret": secret, "namespace": "default",
                     "Accept-Encoding": "gzip"}):
        reply = send_with(daemon, headers)
        assert reply.status == 201, (headers, reply.text)


def wrong_credentials(project):
    key, secret = project.credentials["test"]
    live_key, live_secret = project.credentials["live"]
    yield "none", {}
    yield "no secret", {"client_key": key}
    yield "no key", {"client_secret": secret}
    yield "empty", {"client_key": "", "client_secret": ""}
    yield "empty secret", {"client_key": key, "client_secret": ""}
    yield "unknown key", {"client_key": "vk_test_unknown", "client_secret": secret}
    yield "wrong secret", {"client_key": key, "client_secret": secret + "x"}
    yield "shorter secret", {"client_key": key, "client_secret": secret[:-1]}
    yield "another key's secret", {"client_key": key, "client_secret": live_secret}
    yield "swapped", {"client_key": secret, "client_secret": key}
    yield "the hash as secret", {"client_key": key,
                                 "client_secret": project.keys[0]["secretHash"][7:]}
    yield "dashes", {"client-key": key, "client-secret": secret}
    yield "key in other letters", {"client_key": key.upper(), "client_secret": secret}
    yield "Basic, wrong secret", basic(key, secret[:-1])
    yield "Basic, no colon", {"Authorization": "Basic " + base64.b64encode(
        key.encode()).decode()}
    yield "Basic, no base64", {"Authorization": "Basic !!!!"}
    yield "Basic, empty", {"Authorization": "Basic "}
    yield "Basic without blank", {"Authorization": "Basic" + basic(key, secret)[
        "Authorization"][6:]}
    yield "Bearer", {"Authorization": f"Bearer {secret}"}
    yield "wrong headers win over right Basic", {"client_key": key, "client_secret": "x",
                                                 **basic(key, secret)}
    yield "half in headers, right Basic", {"client_key": live_key, **basic(key, secret)}


def test_credentials_that_are_wrong(daemon):
    """Every 401 is the same, so that it never says which half was wrong."""
    answers = set()
    for name, headers in wrong_credentials(daemon.project):
        reply = send_with(daemon, headers)
        assert reply.status == 401, (name, reply.text)
        assert "Basic" in reply.headers["www-authenticate"]
        check_problem(reply, 401)
        answers.add(reply.text)
    assert len(answers) == 1
    assert send_with(daemon, {}, event="no.such").text in answers
    assert daemon.request("GET", "/run/0193572e-0000-7000-8000-000000000000").text in answers


def test_doubled_credentials_are_wrong(daemon):
    key, secret = daemon.project.credentials["test"]
    for extra in (("client_key", key), ("client_secret", secret), ("client_key", "x"),
                  ("Client_Secret", "x")):
        with Wire(daemon.port) as wire:
            wire.send(request_bytes(daemon, EVENT, b'{"id":"1"}', headers=[extra]))
            assert wire.reply().status == 401
    with Wire(daemon.port) as wire:
        header = ("Authorization", basic(key, secret)["Authorization"])
        wire.send(request_bytes(daemon, EVENT, b'{"id":"1"}', [header] * 2, credentials=False))
        assert wire.reply().status == 401


def test_a_key_for_some_events(project, start):
    project.event(EVENT, [log_action()])
    project.event("other.event", [log_action()])
    key, secret = project.key("test", "narrow", events=["other.event"])
    daemon = start(project)
    mine = {"client_key": key, "client_secret": secret}
    assert send_with(daemon, mine, "other.event").status == 201
    check_problem(send_with(daemon, mine), 403, EVENT)
    # 403 comes before 404: the key learns nothing about what else there is.
    check_problem(send_with(daemon, mine, "no.such"), 403)
    check_problem(send_with(daemon, daemon.credentials(), "no.such"), 404, "no.such")
    # nor does it see runs of other events
    ident = daemon.post(EVENT).json()["id"]
    assert daemon.run(ident).status == 200
    assert daemon.request("GET", f"/run/{ident}", None, mine).status == 404


# ---- statuses, and the order of the checks -----------------------------------------------------

def test_paths_and_methods(daemon):
    mine = daemon.credentials()
    for path in ("/", "/event", "/event/", "/events/x", "/event/a/b", "/run", "/run/", "/healthz",
                 "/EVENT/" + EVENT, "/event/customer.new/x/"):
        check_problem(daemon.request("POST", path, b"{}", mine), 404)
    for method in ("GET", "PUT", "DELETE", "PATCH", "OPTIONS"):
        reply = daemon.request(method, f"/event/{EVENT}", None, mine)
        check_problem(reply, 405, method)
        assert reply.headers["allow"] == "POST"
    reply = daemon.request("POST", "/run/0193572e-0000-7000-8000-000000000000", b"{}", mine)
    assert reply.status == 405 and reply.headers["allow"] == "GET"
    assert daemon.post(EVENT + "/", {"id": "1"}).status == 201
    assert daemon.post(EVENT + "?a=b", {"id": "1"}).status == 201
    assert daemon.post("%63ustomer.new", {"id": "1"}).status == 201


@pytest.mark.parametrize("kind, status", [
    ("application/json", 201), ("APPLICATION/JSON; charset=utf-8", 201), ("text/plain", 201),
    ("application/json;charset=UTF-8", 201), ('application/json; charset="utf-8"', 201),
    ("application/x-www-form-urlencoded", 201), ("application/vnd.api+json", 201), ("", 201),
    ("application/json; charset=latin1", 415), ("text/html", 415), ("application/xml", 415),
    ("multipart/form-data; boundary=x", 415), ("application/jsonx", 415), ("json", 415),
])
def test_content_types(daemon, kind, status):
    reply = daemon.post(EVENT, {"id": "1"}, headers={"Content-Type": kind})
    assert reply.status == status, reply.text


def test_content_encodings(daemon):
    assert daemon.post(EVENT, {"id": "1"}, headers={"Content-Encoding": "identity"}).status == 201
    for encoding in ("gzip", "deflate", "br", "identity, gzip"):
        check_problem(daemon.post(EVENT, {"id": "1"}, headers={"Content-Encoding": encoding}),
                      415)


def test_bodies(daemon):
    check_problem(daemon.post("other.event", raw=b"[1 2]"), 400, "offset 3")
    for raw in (b"[]", b"1", b'"x"', b"null", b"true"):
        problem = check_problem(daemon.post("other.event", raw=raw), 422)
        assert [set(error) for error in problem["errors"]] == [{"path", "message"}]
    assert daemon.post("other.event", raw=b"").status == 201
    assert daemon.request("POST", "/event/other.event", None, daemon.credentials()).status == 201
    problem = check_problem(daemon.post(EVENT, raw=b""), 422)
    assert problem["errors"] == [{"path": "id", "message": problem["errors"][0]["message"]}]


def test_idempotency_key_is_refused(daemon):
    """Unserved it would be unsafe: a repeat would be processed again."""
    check_problem(daemon.post(EVENT, {"id": "1"}, headers={"Idempotency-Key": "a"}), 501,
                  "Idempotency-Key")
    check_problem(daemon.post(EVENT, {"id": 1}, headers={"Idempotency-Key": "a"}), 422)
    assert "noted" not in daemon.log()


def test_order_of_the_checks(project, start):
    """One request with every mistake; each correction brings the next answer."""
    project.settings(limits={"body": 60, "inflight": 1})
    project.event(EVENT, [log_action()], {"id": "String!"})
    narrow = project.key("test", "narrow", events=["no.such"])
    daemon = start(project)
    mine = dict(zip(("client_key", "client_secret"), narrow))
    good = daemon.credentials()
    long_body = b"[" * 70
    odd = {"Content-Type": "text/html", "Idempotency-Key": "a"}
    steps = [
        ("POST", "/nowhere", long_body, {**odd}, 404),
        ("PUT", f"/event/{EVENT}", long_body, {**odd}, 405),
        ("POST", f"/event/{EVENT}", long_body, {**odd}, 401),
        ("POST", f"/event/{EVENT}", long_body, {**odd, **mine}, 403),
        ("POST", "/event/no.such", long_body, {**odd, **mine}, 404),
        ("POST", f"/event/{EVENT}", long_body, {**odd, **good}, 415),
        ("POST", f"/event/{EVENT}", long_body, {"Idempotency-Key": "a", **good}, 413),
        ("POST", f"/event/{EVENT}", b"[", {"Idempotency-Key": "a", **good}, 400),
        ("POST", f"/event/{EVENT}", b"[]", {"Idempotency-Key": "a", **good}, 422),
        ("POST", f"/event/{EVENT}", b"{}", {"Idempotency-Key": "a", **good}, 422),
        ("POST", f"/event/{EVENT}", b'{"id":"1"}', {"Idempotency-Key": "a", **good}, 501),
        ("POST", f"/event/{EVENT}", b'{"id":"1"}', good, 201),
    ]
    for method, path, body, headers, status in steps:
        reply = daemon.request(method, path, body, headers)
        assert reply.status == status, (path, headers, reply.text)


# ---- the reply ---------------------------------------------------------------------------------

def is_milliseconds(value):
    return isinstance(value, (int, float)) and not isinstance(value, bool) and value >= 0


def check_task(task):
    """The members of one action's entry, exactly."""
    assert set(task) == {"id", "action", "response"}
    assert re.fullmatch(UUID, task["id"])
    assert set(task["action"]) == {"id", "name", "serviceAccountId", "serviceAction"}
    response = task["response"]
    required = {"status", "state", "responseTimeMS", "responseCode", "responsePayload",
                "startedMS", "attempts"}
    optional = {"truncated", "encoding", "responseMessage", "responseDetail"}
    assert required <= set(response) <= required | optional
    states = {"done": True, "failed": False, "retrying": False, "pending": None}
    assert response["status"] is states[response["state"]]
    assert is_milliseconds(response["startedMS"]) and response["attempts"] == 1
    if response["state"] in ("done", "failed"):
        assert is_milliseconds(response["responseTimeMS"])
        assert isinstance(response["responseCode"], int)
    assert ("responseMessage" in response) == (response["state"] in ("failed", "retrying"))
    return response


def check_reply(reply, event, environment, filters):
    """The whole document; its tasks by action id."""
    document = reply.json()
    assert set(document) == {"id", "event_name", "environment", "match", "match_rules",
                             "totalTimeMS"}
    assert re.fullmatch(UUID, document["id"])
    assert document["event_name"] == event and document["environment"] == environment
    matches = len(document["match_rules"])
    assert document["match"] == {"status": matches > 0, "total_rules": filters,
                                 "total_matches": matches}
    assert is_milliseconds(document["totalTimeMS"])
    assert not re.search(r'MS":\d+\.\d{4,}', reply.text), reply.text
    tasks = {}
    for rule in document["match_rules"]:
        assert set(rule) == {"id", "condition", "actions"}
        for task in rule["actions"]:
            tasks[task["action"]["id"]] = check_task(task)
    return tasks


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
    assert "noted" not in daemon.log()


def test_environments(project, start):
    project.event(EVENT, [{"id": "one", "condition": None,
                           "actions": [log_action(message="{$environment} {$event.name}")]}])
    daemon = start(project)
    for environment in ("live", "test"):
        assert check_reply(daemon.post(EVENT, {}, environment), EVENT, environment, 1)
    assert f"live {EVENT}" in daemon.log() and f"test {EVENT}" in daemon.log()


# ---- Prefer, look-ups, timeouts ----------------------------------------------------------------

@pytest.fixture
def slow(project, start, postgres, redis_):
    """An event with a row of 400 ms, and a Redis key beside it."""
    slow_table(postgres, 0.4)
    two_accounts(project, postgres, redis_, pool={"connections": 20})
    project.event(EVENT, [insert(), set_key()], MODEL)
    daemon = start(project)
    daemon.post(EVENT, {"id": "first"})
    return daemon


def settled(daemon, ident, seconds=10):
    """The look-up of a run once nothing of it is pending."""
    found = []

    def is_settled():
        found[:] = [daemon.run(ident)]
        assert found[0].status == 200, found[0].text
        return '"pending"' not in found[0].text
    wait_until(is_settled, seconds, "the run's end")
    return found[0]


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
    reply = slow.post(EVENT, {"id": "c"}, headers={"Prefer": "wait=1000"})
    assert reply.status == 201 and reply.headers["preference-applied"] == "wait=15"
    for number, nonsense in enumerate(("wait=x", "wait=-1", "wait", "return=minimal", "", "=",
                                       "wait=1.5", "wait=99999999999999999999")):
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


# ---- room --------------------------------------------------------------------------------------

def test_inflight(project, start, postgres, redis_):
    slow_table(postgres, 1)
    two_accounts(project, postgres, redis_)
    project.settings(limits={"inflight": 2})
    project.event(EVENT, [insert()], MODEL)
    project.event("other.event", [log_action()])
    daemon = start(project)
    with Wire(daemon.port) as one, Wire(daemon.port) as two:
        one.send(request_bytes(daemon, EVENT, b'{"id":"a"}'))
        two.send(request_bytes(daemon, EVENT, b'{"id":"b"}'))
        wait_until(lambda: daemon.post("other.event").status == 503, 5, "the limit")
        reply = daemon.post("other.event")
        check_problem(reply, 503, "inflight")
        assert int(reply.headers["retry-after"]) >= 1
        assert daemon.request("POST", "/event/other.event", b"{}").status == 401  # comes first
        assert daemon.run("0193572e-0000-7000-8000-000000000000").status == 404  # look-ups go on
        assert one.reply().status == two.reply().status == 201
    assert daemon.post("other.event").status == 201


def test_inflight_ends_with_the_reply(project, start, postgres, redis_):
    """An async task does not hold a place."""
    slow_table(postgres, 1)
    two_accounts(project, postgres, redis_)
    project.settings(limits={"inflight": 1})
    project.event(EVENT, [insert() | {"async": True}], MODEL)
    daemon = start(project)
    assert [daemon.post(EVENT, {"id": str(n)}).status for n in range(5)] == [201] * 5


def test_memory(project, start, postgres, redis_):
    """Living runs hold their payloads; beyond limits.memory new events wait outside."""
    slow_table(postgres, 1)
    two_accounts(project, postgres, redis_, pool={"connections": 20})
    project.settings(limits={"memory": "4MiB"})
    project.event(EVENT, [insert()], MODEL)
    project.event("other.event", [log_action()])
    daemon = start(project)
    body = json.dumps({"id": "ID", "filler": "x" * 900000})
    wires = [Wire(daemon.port) for _ in range(6)]
    for number, wire in enumerate(wires):
        wire.send(request_bytes(daemon, EVENT, body.replace("ID", str(number)).encode()))
    wait_until(lambda: daemon.post("other.event").status == 503, 5, "the limit")
    check_problem(daemon.post("other.event"), 503, "memory")
    statuses = sorted(wire.reply().status for wire in wires)
    assert statuses[0] == 201 and set(statuses) <= {201, 503}
    for wire in wires:
        wire.socket.close()
    wait_until(lambda: daemon.post("other.event").status == 201, 5, "room again")


# ---- the end of the daemon ---------------------------------------------------------------------

def test_sigterm_drains(project, start, postgres, redis_):
    """A slow run's client gets its reply, new clients are not taken, and the exit code is 0."""
    slow_table(postgres, 1)
    two_accounts(project, postgres, redis_)
    project.event(EVENT, [insert()], MODEL)
    daemon = start(project)
    with Wire(daemon.port) as wire, Wire(daemon.port) as idle, Wire(daemon.port) as half:
        half.send(request_bytes(daemon, EVENT, b'{"id":"half"}')[:-4])
        wire.send(request_bytes(daemon, EVENT, b'{"id":"a"}'))
        wait_until(lambda: postgres.run("SELECT count(*) FROM pg_stat_activity WHERE "
                                        "query LIKE 'INSERT%' AND state = 'active'")[0][0],
                   10, "the slow INSERT")
        daemon.process.send_signal(signal.SIGTERM)
        idle.end()
        with pytest.raises(OSError):
            wait_until(lambda: Wire(daemon.port).socket.close(), 5, "closed listener")
        reply = wire.reply()
        assert reply.status == 201 and reply.response("row")["status"] is True
        wire.end()
    daemon.stop()
    assert postgres.run("SELECT id FROM customers", database="test") == [("a",)]


def test_sigterm_waits_for_async_tasks(project, start, postgres, redis_):
    slow_table(postgres, 0.7)
    two_accounts(project, postgres, redis_)
    project.event(EVENT, [insert() | {"async": True}], MODEL)
    daemon = start(project)
    assert daemon.post(EVENT, {"id": "a"}).status == 201
    daemon.stop()
    assert postgres.run("SELECT id FROM customers", database="test") == [("a",)]


def test_a_request_during_the_drain_is_503(project, start, postgres, redis_):
    slow_table(postgres, 1)
    two_accounts(project, postgres, redis_)
    project.event(EVENT, [insert()], MODEL)
    daemon = start(project)
    with Wire(daemon.port) as wire, Wire(daemon.port) as late:
        wire.send(request_bytes(daemon, EVENT, b'{"id":"a"}'))
        late.send(request_bytes(daemon, EVENT, b'{"id":"late"}')[:50])
        wait_until(lambda: postgres.run("SELECT count(*) FROM pg_stat_activity WHERE "
                                        "query LIKE 'INSERT%' AND state = 'active'")[0][0],
                   10, "the slow INSERT")
        daemon.process.send_signal(signal.SIGTERM)
        wait_until(lambda: "draining" in daemon.log(), 5, "the drain")
        late.send(request_bytes(daemon, EVENT, b'{"id":"late"}')[50:])
        reply = late.reply()
        check_problem(reply, 503)
        assert "retry-after" in reply.headers
        assert wire.reply().status == 201
    daemon.stop()


def test_shutdown_timeout(project, start, postgres, redis_):
    slow_table(postgres, 20)
    two_accounts(project, postgres, redis_)
    project.settings(shutdownTimeout="300ms")
    project.event(EVENT, [insert()], MODEL)
    daemon = start(project)
    with Wire(daemon.port) as wire:
        wire.send(request_bytes(daemon, EVENT, b'{"id":"a"}'))
        wait_until(lambda: postgres.run("SELECT count(*) FROM pg_stat_activity WHERE "
                                        "query LIKE 'INSERT%' AND state = 'active'")[0][0],
                   10, "the slow INSERT")
        began = time.monotonic()
        daemon.stop()
        assert time.monotonic() - began < 10
    assert "shutdownTimeout" in daemon.log()


@pytest.mark.parametrize("second", [signal.SIGTERM, signal.SIGINT])
def test_a_second_signal_ends_at_once(project, start, postgres, redis_, second):
    slow_table(postgres, 20)
    two_accounts(project, postgres, redis_)
    project.event(EVENT, [insert()], MODEL)
    daemon = start(project)
    with Wire(daemon.port) as wire:
        wire.send(request_bytes(daemon, EVENT, b'{"id":"a"}'))
        wait_until(lambda: postgres.run("SELECT count(*) FROM pg_stat_activity WHERE "
                                        "query LIKE 'INSERT%' AND state = 'active'")[0][0],
                   10, "the slow INSERT")
        daemon.process.send_signal(signal.SIGTERM)
        wait_until(lambda: "draining" in daemon.log(), 5, "the drain")
        assert daemon.process.poll() is None
        daemon.process.send_signal(second)
        daemon.process.wait(10)
    daemon.stop()


# ---- the log -----------------------------------------------------------------------------------

NASTY = ("line\nbreak\r\n", "tab\t", "\x1b[31mred\x1b[0m", 'quote " back \\ slash', "\x7f\x00\x01",
         "\x85\x9b", "\u2028", "a=b c=d", "level=error msg=\"x\"", "😀 é", "", " ", "{id}", "%s")


@pytest.mark.parametrize("form", ["logfmt", "json"])
def test_log_lines_can_be_parsed(project, start, form):
    """Each line is one line with the values as they were; control characters are escaped."""
    project.settings(log={"format": form, "level": "debug"})
    project.event(EVENT, [{"id": "note", "type": "LOG", "action": "WRITE", "template": {
        "message": "it is {text}", "level": "warn",
        "fields": {"text": "{text}", "msg": "{text}", "number": "{number}", "all": "{$payload}",
                   "odd key": "x", "missing": "{missing?}", "list": ["{text}", 1]}}}],
        {"text": "String!", "number": "Number", "missing": "String"})
    daemon = start(project)
    for text in NASTY:
        reply = daemon.post(EVENT, {"text": text, "number": 1.5})
        assert reply.response("note")["status"] is True, reply.text
        assert daemon.post(text.encode("utf-8").hex() + "." + "x", {}).status == 404
    assert daemon.request("GET", "/" + "%0a%1b%5b".join("abc")).status == 404
    daemon.stop()
    log = daemon.log()
    assert not re.search("[\x00-\x09\x0b-\x1f\x7f\x80-\x9f]", log)
    lines = [line for line in daemon.log_lines() if line["msg"].startswith("it is ")]
    assert [line["text"] for line in lines] == list(NASTY)
    for line, text in zip(lines, NASTY):
        assert line["msg"] == "it is " + text and line["msg_"] == text
        assert line["level"] == "warn" and line["number"] == "1.5" and line["odd key"] == "x"
        assert "missing" not in line
        assert json.loads(line["all"])["text"] == text
        assert re.fullmatch(UUID, line["run"]) and line["event"] == EVENT
    assert {line["level"] for line in daemon.log_lines()} <= {"debug", "info", "warn", "error"}
    assert all(re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", line["time"])
               for line in daemon.log_lines())


def test_log_level(project, start):
    project.settings(log={"level": "error"})
    project.event(EVENT, [log_action(), {"id": "bad", "type": "LOG", "action": "WRITE",
                                         "template": {"message": "serious", "level": "error"}}])
    daemon = start(project)
    assert daemon.post(EVENT).status == 201
    daemon.stop()
    assert [line["msg"] for line in daemon.log_lines()] == ["serious"]


def test_secrets_are_never_logged(project, start, postgres, redis_):
    """Not by the daemon at debug with everything failing, nor in replies, nor by volley test."""
    project.settings(log={"level": "debug"})
    project.account("pg", "POSTGRESQL", test={
        "url": postgres.url("test").replace("secret", "hunter2hunter2")})
    project.account("redis", "REDIS", test={"url": redis_.url().replace("secret", "swordfish77")})
    project.event(EVENT, [insert(), set_key()], MODEL)
    done = cli("test", project=project.folder)
    daemon = start(project)
    secret = project.credentials["test"][1]
    reply = daemon.post(EVENT, {"id": "a"})
    assert reply.response("row")["responseCode"] == reply.response("key")["responseCode"] == 403
    daemon.request("POST", f"/event/{EVENT}", b"{}", {"client_key": "vk_test_x",
                                                      "client_secret": secret})
    daemon.request("POST", f"/event/{EVENT}", b"{", daemon.credentials())
    daemon.request("POST", f"/event/{EVENT}", b"{", basic(*project.credentials["test"]))
    daemon.stop()
    for text in (daemon.log(), reply.text, done.stdout, done.stderr):
        for word in ("hunter2", "swordfish", secret, secret[8:], "postgresql://", "redis://",
                     basic(*project.credentials["test"])["Authorization"][6:]):
            assert word not in text, word


def test_failures_are_logged(project, start, redis_):
    project.account("redis", "REDIS", test={"url": redis_.url()}, live={"url": redis_.url(1)})
    project.event(EVENT, [set_key(key="k{name}", value="x")], MODEL)
    daemon = start(project)
    ident = daemon.post(EVENT, {"id": "a"}).json()["id"]
    daemon.stop()
    line = next(line for line in daemon.log_lines() if line.get("run") == ident)
    assert line["action"] == "key" and line["account"] == "redis" and line["code"] == "422"
    assert line["level"] == "warn" and "{name}" in line["error"]


def test_the_start_and_the_end_are_logged(daemon):
    daemon.stop()
    messages = [line["msg"] for line in daemon.log_lines()]
    assert "volleyd started" in messages and messages[-1] == "volleyd ended"
    assert [line["address"] for line in daemon.log_lines() if line["msg"] == "listening"] == [
        f"127.0.0.1:{daemon.port}"]
