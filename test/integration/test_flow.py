"""The flow of the documentation: one event, a slow PostgreSQL and a faster Redis, at once."""

import json
import statistics

from actions import MODEL, TABLE, insert, set_key, slow_table, two_accounts
from harness import log_action


def check_flow(daemon, events, make_payload, started_pairs):
    """Sends the events; the median total is the slowest task's, and all tasks start together."""
    ratios, together = [], 0
    for number in range(events):
        reply = daemon.post("customer.new", make_payload(number))
        assert reply.status == 201, reply.text
        tasks = [task["response"] for rule in reply.json()["match_rules"]
                 for task in rule["actions"]]
        assert all(task["status"] for task in tasks), reply.text
        slowest = max(task["responseTimeMS"] for task in tasks)
        ratios.append(reply.json()["totalTimeMS"] / slowest)
        starts = [task["startedMS"] for task in tasks]
        together += max(starts) - min(starts) < 2
    assert 1 <= statistics.median(ratios) <= 1.1, ratios
    assert together >= started_pairs, f"{together} of {events} started within 2 ms"


def test_total_is_the_slowest_action(project, postgres, redis_, start, proxy):
    slow_table(postgres, 0.12)
    slow_redis = proxy(redis_.port, delay=0.015)
    two_accounts(project, postgres, redis_, slow_redis.port)
    project.event("customer.new", [insert(), set_key()], MODEL)
    daemon = start(project)
    daemon.post("customer.new", {"id": "first"})  # opens the pools

    check_flow(daemon, 20, lambda n: {"id": f"c{n}", "name": "Ana"}, 18)

    reply = daemon.post("customer.new", {"id": "last"})
    assert reply.response("row")["responseTimeMS"] >= 120
    assert 15 <= reply.response("key")["responseTimeMS"] < 120
    assert postgres.run("SELECT count(*) FROM customers", database="test") == [(22,)]
    assert len(redis_.client().keys("customer:*")) == 22


def test_twenty_actions_in_five_filters(project, postgres, redis_, start, proxy):
    slow_table(postgres, 0.12)
    slow_redis = proxy(redis_.port, delay=0.015)
    two_accounts(project, postgres, redis_, slow_redis.port, pool={"connections": 20})
    filters = []
    for number in range(5):
        actions = [insert(f"row{number}{which}", id=f"{{id}}-{number}{which}", name="{name}")
                   for which in "abc"]
        actions.append(set_key(f"key{number}", key=f"{{id}}:{number}", value="{name}"))
        filters.append({"id": f"filter{number}", "condition": "name = 'Ana'", "actions": actions})
    project.event("customer.new", filters, MODEL)
    daemon = start(project)
    daemon.post("customer.new", {"id": "first", "name": "Ana"})

    check_flow(daemon, 20, lambda n: {"id": f"c{n}", "name": "Ana"}, 18)
    assert postgres.run("SELECT count(*) FROM customers", database="test") == [(21 * 15,)]
    assert len(redis_.client().keys("*")) == 21 * 5


def test_live_and_test_keys_reach_different_databases(project, postgres, redis_, start):
    for database in ("live", "test"):
        postgres.run(TABLE, database=database)
    two_accounts(project, postgres, redis_)
    project.event("customer.new", [insert(), set_key()], MODEL)
    daemon = start(project)

    assert daemon.post("customer.new", {"id": "t"}, "test").json()["environment"] == "test"
    assert daemon.post("customer.new", {"id": "l"}, "live").json()["environment"] == "live"

    assert postgres.run("SELECT id FROM customers", database="test") == [("t",)]
    assert postgres.run("SELECT id FROM customers", database="live") == [("l",)]
    assert redis_.client(0).keys() == [b"customer:t"]
    assert redis_.client(1).keys() == [b"customer:l"]


def test_a_missing_half_fails_the_task_and_never_falls_back(project, redis_, start):
    project.account("redis", "REDIS", test={"url": redis_.url()})
    project.event("customer.new", [set_key(), log_action()], MODEL)
    daemon = start(project)

    reply = daemon.post("customer.new", {"id": "l"}, "live")
    assert reply.status == 201
    assert reply.response("key")["status"] is False
    assert reply.response("key")["responseCode"] == 422
    assert "redis" in reply.response("key")["responseMessage"]
    assert "live" in reply.response("key")["responseMessage"]
    assert reply.response("note")["status"] is True
    assert redis_.client().keys() == []


HOSTILE = [
    "'; DROP TABLE customers; --", "\" OR \"1\"=\"1", "$1", "{id}", "{$payload}", "\\'; SELECT 1",
    "a\r\nSET stolen 1\r\n", "*3\r\n$3\r\nSET\r\n", "\x01\x7f", "\u2028 \ufeff \U0001f600",
    '","injected":"', "\\", "\\u0022", "%s%n%x", "../../etc/passwd", "NULL", "", " ",
    "x" * 10000, "${HOME}", "$$; DELETE FROM customers; $$",
]


def test_hostile_values_arrive_as_plain_values(project, postgres, redis_, start):
    postgres.run(TABLE, database="test")
    two_accounts(project, postgres, redis_)
    project.event("customer.new",
                  [insert(), set_key(key="plain:{id}", value="{name}"),
                   set_key("json", key="json:{id}", stringify=True,
                           value={"name": "{name}", "text": "<{name}>"})], MODEL)
    daemon = start(project)
    for number, value in enumerate(HOSTILE):
        reply = daemon.post("customer.new", {"id": str(number), "name": value})
        assert reply.status == 201
        assert reply.json()["match"]["total_matches"] == 1
        for action in ("row", "key", "json"):
            assert reply.response(action)["status"] is True, (value, reply.text)
        row = postgres.run("SELECT name FROM customers WHERE id = %s", (str(number),), "test")
        assert row == [(value,)]
        assert redis_.client().get(f"plain:{number}") == value.encode()
        assert json.loads(redis_.client().get(f"json:{number}")) == {"name": value,
                                                                      "text": f"<{value}>"}
    assert sorted(redis_.client().keys("stolen")) == []
    assert postgres.run("SELECT count(*) FROM customers", database="test") == [(len(HOSTILE),)]


def test_hostile_identifiers_stay_one_identifier(project, postgres, redis_, start):
    two_accounts(project, postgres, redis_)
    action = insert()
    action["template"] = {"table": "t_{name}", "payload": {"id": "{id}"}}
    project.event("customer.new", [action], MODEL)
    daemon = start(project)
    for name in ('a"; DROP TABLE x; --', "a.b", 'q""q', "Ünïcode", "public.customers"):
        quoted = "t_" + name
        postgres.run('CREATE TABLE "%s" (id text)' % quoted.replace('"', '""'), database="test")
        reply = daemon.post("customer.new", {"id": "1", "name": name})
        assert reply.response("row")["status"] is True, reply.text
        rows = postgres.run('SELECT id FROM "%s"' % quoted.replace('"', '""'), database="test")
        assert rows == [("1",)]


def test_numbers_arrive_digit_for_digit(project, postgres, redis_, start):
    postgres.run(TABLE, database="test")
    two_accounts(project, postgres, redis_)
    project.event("customer.new", [insert(), set_key(key="{id}", value="{amount}")], MODEL)
    daemon = start(project)
    digits = ["12345678901234567890.10", "0.1", "-0.000000000000000000001", "1e3", "100",
              "9" * 300 + "." + "1" * 300]
    for number, text in enumerate(digits):
        reply = daemon.post("customer.new", raw='{"id": "%d", "amount": %s}' % (number, text))
        assert reply.response("row")["status"] is True, reply.text
        stored = postgres.run("SELECT amount::text FROM customers WHERE id = %s", (str(number),),
                              "test")[0][0]
        assert stored == ("1000" if text == "1e3" else text)
        assert redis_.client().get(str(number)) == text.encode()
