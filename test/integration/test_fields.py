"""
Every field of every account and template on a real server: not that it loads, but what it does.

A case is a row: the action, the fields that it proves, what was there before, the template, and what
is there afterwards. All cases of templates are events of one daemon. The last test compares the rows
with the connectors' own tables, so a new field without a row fails.
"""

import functools
import json
import os
import subprocess

import pytest

from actions import insert_into, redis_account, set_key
from harness import BUILD, Project, Volleyd
from servers import wait_until

MODEL = {"id": "String!", "text": "String", "number": "Number", "list": ["String"]}
PAYLOAD = {"text": "word", "number": 3, "list": ["a", "b"]}  # and `id`, the case's own


@functools.lru_cache
def reference():
    """(service, action or None for the account, field) of all that there are."""
    done = subprocess.run([os.path.join(BUILD, "reference"), "json"], check=True, text=True,
                          capture_output=True)
    found = set()
    for service in json.loads(done.stdout):
        found |= {(service["type"], None, field["name"]) for field in service["account"]}
        found |= {(service["type"], action["name"], field["name"])
                  for action in service["actions"] for field in action["fields"]}
    return found


def check_known(fields):
    unknown = fields - reference()
    if unknown:
        pytest.fail(f"the service has no such field: {unknown}", pytrace=False)


# ---- POSTGRESQL ----------------------------------------------------------------------------------
# @ is a name of the case's own. The table is made, with its two rows, in two databases.

HERE, THERE = "fields", "fields_there"
TABLE = "CREATE TABLE @ (id text PRIMARY KEY, v text); INSERT INTO @ VALUES ('a', '1'), ('word', '2')"
IS_WORD = [{"field": "id", "operator": "=", "value": "{text}"}]
FORMS = {
    "INSERT": ({"payload": {"id": "{number}", "v": "{text}"}},
               [("3", "word"), ("a", "1"), ("word", "2")]),
    "UPSERT": ({"payload": {"id": "{text}", "v": "{number}"}, "conflict": ["id"]},
               [("a", "1"), ("word", "3")]),
    "UPDATE": ({"payload": {"v": "{number}"}, "condition": IS_WORD}, [("a", "1"), ("word", "3")]),
    "DELETE": ({"condition": IS_WORD}, [("a", "1")]),
}
SQL = "UPDATE @ SET v = {number}::text || '{text}' WHERE id = '{text}' RETURNING v"


def postgresql_cases():
    """(action, fields, template, rows of the table afterwards, rows of the answer)"""
    for action, (form, after) in FORMS.items():
        yield action, " ".join(["table", *form]), {"table": "@", **form}, after, None
        yield action, "schema", {"schema": "@", "table": "t", **form}, after, None
        yield action, "database", {"database": THERE, "table": "@", **form}, after, None
    insert, rows = FORMS["INSERT"]
    yield "INSERT", "returning", {"table": "@", **insert, "returning": ["v"]}, rows, \
        [{"v": "word"}]
    upsert, rows = FORMS["UPSERT"]
    yield "INSERT", "onConflict", {"table": "@", "payload": upsert["payload"], "onConflict": {
        "columns": ["id"], "do": "update", "update": ["v"]}}, rows, None
    yield "UPSERT", "returning", {"table": "@", **upsert, "returning": "*"}, rows, \
        [{"id": "word", "v": "3"}]
    update, rows = FORMS["UPDATE"]
    yield "UPDATE", "returning", {"table": "@", **update, "returning": ["v"]}, rows, [{"v": "3"}]
    yield "UPDATE", "allRows", {"table": "@", "payload": update["payload"], "allRows": True}, \
        [("a", "3"), ("word", "3")], None
    delete, rows = FORMS["DELETE"]
    yield "DELETE", "returning", {"table": "@", **delete, "returning": ["v"]}, rows, [{"v": "2"}]
    yield "DELETE", "allRows", {"table": "@", "allRows": True}, [], None
    yield "QUERY", "sql", {"sql": SQL}, [("a", "1"), ("word", "3word")], [{"v": "3word"}]
    yield "QUERY", "database", {"database": THERE, "sql": SQL}, [("a", "1"), ("word", "3word")], \
        [{"v": "3word"}]


def check_postgresql(world, case):
    template = case.template
    table = "@.t" if "schema" in template else "@"
    ddl = TABLE.replace("@", table)
    if table != "@":
        ddl = "CREATE SCHEMA @; " + ddl
    for database in (HERE, THERE):
        world.postgres.run(ddl.replace("@", case.name), database=database)
    after, answered = case.expected
    answer = world.send(case)
    assert answer["status"] is True, answer
    if answered is not None:
        assert answer["responsePayload"]["rows"] == answered
    select = f"SELECT id, v FROM {table} ORDER BY id".replace("@", case.name)
    untouched = [("a", "1"), ("word", "2")]
    for database in (HERE, THERE):
        used = database == template.get("database", HERE)
        assert world.postgres.run(select, database=database) == (after if used else untouched)


# ---- REDIS ---------------------------------------------------------------------------------------

def state(client, key):
    """What a key holds, by its type; a stream as the fields of its entries."""
    readers = {
        b"none": lambda: None,
        b"string": lambda: client.get(key),
        b"list": lambda: client.lrange(key, 0, -1),
        b"set": lambda: client.smembers(key),
        b"hash": lambda: client.hgetall(key),
        b"zset": lambda: dict(client.zrange(key, 0, -1, withscores=True)),
        b"stream": lambda: [list(fields.items()) for _, fields in client.xrange(key)],
    }
    return readers[client.type(key)]()


JSON = b'["a","b"]'
LIST = {"value": "{list}", "stringify": True}

# (action, fields, commands before, template beside the key, the key's state afterwards)
# In the commands @ is the key; in place of a state may stand a function of client, key and answer.
REDIS = [
    ("SET", "key value", [], {"value": "<{text}>"}, b"<word>"),
    ("SET", "stringify", [], LIST, JSON),
    ("SET", "ttl", [], {"value": "v", "ttl": "90s"},
     lambda client, key, _: 80000 < client.pttl(key) <= 90000),
    ("SETNX", "key value", [], {"value": "<{text}>"}, b"<word>"),
    ("SETNX", "key", [("SET", "@", "old")], {"value": "new"}, b"old"),
    ("SETNX", "stringify", [], LIST, JSON),
    ("RPUSH", "key value", [("RPUSH", "@", "x")], {"value": "<{text}>"}, [b"x", b"<word>"]),
    ("RPUSH", "stringify", [("RPUSH", "@", "x")], LIST, [b"x", JSON]),
    ("LPUSH", "key value", [("RPUSH", "@", "x")], {"value": "<{text}>"}, [b"<word>", b"x"]),
    ("LPUSH", "stringify", [("RPUSH", "@", "x")], LIST, [JSON, b"x"]),
    ("SADD", "key value", [("SADD", "@", "x")], {"value": "<{text}>"}, {b"x", b"<word>"}),
    ("SADD", "stringify", [("SADD", "@", "x")], LIST, {b"x", JSON}),
    ("SREM", "key value", [("SADD", "@", "x", "<word>")], {"value": "<{text}>"}, {b"x"}),
    ("SREM", "stringify", [("SADD", "@", "x", JSON)], LIST, {b"x"}),
    ("HSET", "key field value", [("HSET", "@", "f", "x")], {"field": "{text}", "value": "{number}"},
     {b"f": b"x", b"word": b"3"}),
    ("HSET", "stringify", [], {"field": "f", **LIST}, {b"f": JSON}),
    ("HSETNX", "key field value", [("HSET", "@", "f", "x")],
     {"field": "{text}", "value": "{number}"}, {b"f": b"x", b"word": b"3"}),
    ("HSETNX", "field", [("HSET", "@", "word", "x")], {"field": "{text}", "value": "new"},
     {b"word": b"x"}),
    ("HSETNX", "stringify", [], {"field": "f", **LIST}, {b"f": JSON}),
    ("DEL", "key", [("SET", "@", "x")], {}, None),
    ("INCR", "key", [("SET", "@", "41")], {}, b"42"),
    ("RPOP", "key", [("RPUSH", "@", "x", "y")], {}, [b"x"]),
    ("LPOP", "key", [("RPUSH", "@", "x", "y")], {}, [b"y"]),
    ("HDEL", "key field", [("HSET", "@", "f", "x", "word", "y")], {"field": "{text}"}, {b"f": b"x"}),
    ("INCRBY", "key value", [("SET", "@", "4")], {"value": "{number}"}, b"7"),
    ("INCRBYFLOAT", "key value", [("SET", "@", "4")], {"value": "{number}.5"}, b"7.5"),
    ("HINCRBY", "key field value", [("HSET", "@", "f", "1", "word", "4")],
     {"field": "{text}", "value": "{number}"}, {b"f": b"1", b"word": b"7"}),
    ("HINCRBYFLOAT", "key field value", [("HSET", "@", "f", "1", "word", "4")],
     {"field": "{text}", "value": "{number}.5"}, {b"f": b"1", b"word": b"7.5"}),
    ("ZADD", "key score member", [("ZADD", "@", "1", "x")],
     {"score": "{number}.5", "member": "{text}"}, {b"x": 1, b"word": 3.5}),
    ("ZINCRBY", "key score member", [("ZADD", "@", "1", "x", "4", "word")],
     {"score": "{number}", "member": "{text}"}, {b"x": 1, b"word": 7}),
    ("XADD", "key fields", [], {"fields": {"z": "{text}", "a": "<{number}>"}},
     [[(b"z", b"word"), (b"a", b"<3>")]]),
    ("XADD", "maxLen", [("XADD", "@", "1-1", "f", "x"), ("XADD", "@", "1-2", "f", "y")],
     {"fields": {"f": "{text}"}, "maxLen": 2}, [[(b"f", b"y")], [(b"f", b"word")]]),
    ("COMMAND", "args", [("SET", "@", "x")], {"args": ["APPEND", "{id}", "<{text}>"]}, b"x<word>"),
]

# (fields, template, what the channel's subscriber gets)
PUBLISH = [("channel value", {"value": "<{text}>"}, b"<word>"), ("stringify", LIST, JSON)]


def redis_cases():
    for action, fields, before, template, after in REDIS:
        key = {} if action == "COMMAND" else {"key": "{id}"}
        yield action, fields, {**key, **template}, before, after
    for fields, template, message in PUBLISH:
        yield "PUBLISH", fields, {"channel": "{id}", **template}, None, message


def check_publish(world, case):
    subscriber = world.redis.client().pubsub(ignore_subscribe_messages=True)
    subscriber.subscribe(case.name)
    subscriber.get_message(timeout=5)
    assert world.send(case)["responsePayload"] == 1
    message = subscriber.get_message(timeout=5)
    subscriber.close()
    assert message["data"] == case.expected[1]


def check_redis(world, case):
    before, after = case.expected
    if case.action == "PUBLISH":
        return check_publish(world, case)
    client = world.redis.client()
    client.delete(case.name)
    for command in before:
        client.execute_command(*(case.name if word == "@" else word for word in command))
    answer = world.send(case)
    assert answer["status"] is True, answer
    if callable(after):
        assert after(client, case.name, answer)
    else:
        assert state(client, case.name) == after
    return None


# ---- LOG -----------------------------------------------------------------------------------------

# (fields, template, members of the line)
LOG = [("message", {"message": "<{text}>"}, {"level": "info", "msg": "<word>"}),
       ("fields", {"message": "m", "fields": {"one": "{text}", "two": "{list}"}},
        {"one": "word", "two": '["a","b"]'}),
       ("level", {"message": "m", "level": "warn"}, {"level": "warn", "msg": "m"})]


def log_cases():
    for fields, template, members in LOG:
        yield "WRITE", fields, template, members, None


def check_log(world, case):
    before = len(world.daemon.log_lines())
    assert world.send(case)["status"] is True
    wait_until(lambda: any(case.expected[0].items() <= line.items()
                           for line in world.daemon.log_lines()[before:]), 5, "the line")


# ---- all cases of templates ----------------------------------------------------------------------

class Case:
    """One row, with a name of its own: the event's, the key's, the table's."""

    def __init__(self, number, service, action, fields, template, *expected):
        self.name = f"case{number}"
        self.service, self.action, self.fields = service, action, fields.split()
        self.template = json.loads(json.dumps(template).replace("@", self.name))
        self.expected = expected

    def names(self):
        return {(self.service, self.action, field) for field in self.fields}

    def __str__(self):
        return " ".join([self.service, self.action, *self.fields])


CHECKS = {"POSTGRESQL": (postgresql_cases, check_postgresql), "REDIS": (redis_cases, check_redis),
          "LOG": (log_cases, check_log)}
ROWS = [(service, *row) for service, (cases, _) in CHECKS.items() for row in cases()]
CASES = [Case(number, *row) for number, row in enumerate(ROWS)]


class World:
    """The servers, and one daemon that has every case as an event."""

    def __init__(self, folder, postgres, redis_):
        self.postgres, self.redis = postgres, redis_
        project = Project(folder)
        for database in (HERE, THERE):
            postgres.run(f"DROP DATABASE IF EXISTS {database} WITH (FORCE)")
            postgres.run(f"CREATE DATABASE {database}")
        project.account("pg", "POSTGRESQL", test={"url": postgres.url(HERE)})
        redis_account(project, redis_)
        accounts = {"POSTGRESQL": {"serviceAccountId": "pg"},
                    "REDIS": {"serviceAccountId": "redis"}, "LOG": {}}
        for case in CASES:
            if case.names() <= reference():  # else its own test says so
                project.event(f"field.{case.name}", [
                    {"id": "it", "type": case.service, "action": case.action,
                     **accounts[case.service], "template": case.template}], MODEL)
        self.daemon = Volleyd(project)

    def send(self, case):
        return self.daemon.post(f"field.{case.name}", {"id": case.name, **PAYLOAD}).response("it")


@pytest.fixture(scope="module")
def world(tmp_path_factory, postgres_server, redis_server):
    made = World(tmp_path_factory.mktemp("fields"), postgres_server, redis_server)
    yield made
    made.daemon.stop()


@pytest.mark.parametrize("case", CASES, ids=str)
def test_template(world, case):
    check_known(case.names())
    CHECKS[case.service][1](world, case)


# ---- accounts ------------------------------------------------------------------------------------

SESSION = "CREATE TABLE t (id text, name text DEFAULT current_setting('application_name'), " \
          "timeout text DEFAULT current_setting('statement_timeout'))"


def session(run_insert, **account):
    """What an account's session says of itself: (application_name, statement_timeout)."""
    answer = run_insert(SESSION, insert_into(returning="*"), {"id": "x"}, account=account)
    row = answer["responsePayload"]["rows"][0]
    return row["name"], row["timeout"]


def pg_url(take):
    assert session(take("run_insert"),
                   url=take("postgres").url("test") + "?application_name=fields") == \
        ("fields", "10s")


def pg_prepare(take):
    assert session(take("run_insert"), prepare=False) == ("volley", "0")


def set_through(take, half, database=0):
    """An account whose half is this sets a key in that database."""
    project, redis_ = take("project"), take("redis_")
    project.account("redis", "REDIS", test=half)
    project.event("service.event", [set_key(key="fields", value="there")])
    daemon = take("start")(project)
    answer = daemon.post("service.event").response("key")
    assert answer["status"] is True, answer
    assert redis_.client(database).get("fields") == b"there"


def redis_url(take):
    set_through(take, {"url": take("redis_").url(7)}, 7)


def redis_password(take):
    url = f"redis://:wrong@127.0.0.1:{take('redis_').port}"
    set_through(take, {"url": url, "password": "secret"})


def redis_username(take):
    """Nobody but ann has this password."""
    redis_ = take("redis_")
    redis_.client().execute_command("ACL", "SETUSER", "ann", "on", ">of-ann", "~*", "+@all")
    try:
        set_through(take, {"url": f"redis://127.0.0.1:{redis_.port}", "username": "ann",
                           "password": "of-ann"})
    finally:
        redis_.client().execute_command("ACL", "DELUSER", "ann")


def redis_tls(take):
    """The authority that only this account knows: without it the certificate would be refused."""
    from tls_servers import Certificates, TlsProxy
    certificates = Certificates(take("tmp_path_factory").mktemp("certificates"))
    proxy = TlsProxy(take("redis_").port, certificates.good)
    try:
        set_through(take, {"url": f"rediss://:secret@127.0.0.1:{proxy.port}",
                           "tls": {"ca": certificates.ca}})
    finally:
        proxy.close()


ACCOUNTS = {
    ("POSTGRESQL", "url"): pg_url,
    ("POSTGRESQL", "prepare"): pg_prepare,
    ("REDIS", "url"): redis_url,
    ("REDIS", "username"): redis_username,
    ("REDIS", "password"): redis_password,
    ("REDIS", "tls"): redis_tls,
}


@pytest.mark.parametrize("service, field", ACCOUNTS)
def test_account(request, service, field):
    check_known({(service, None, field)})
    ACCOUNTS[service, field](request.getfixturevalue)


# ---- completeness --------------------------------------------------------------------------------

def test_every_field_has_a_case():
    cases = set().union(*(case.names() for case in CASES),
                        {(service, None, field) for service, field in ACCOUNTS})
    assert reference() - cases == set(), "fields without a case"
    assert cases - reference() == set(), "cases without a field"
