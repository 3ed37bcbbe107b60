"""POSTGRESQL UPSERT, UPDATE and DELETE on a real server."""

import json

import pytest

from actions import ANY, EVENT, pg_account
from harness import cli

MODEL = ANY | {"tags": ["String"], "ints": ["Number"], "whens": ["Date"], "items": [{"id": "String"}]}
ROWS = """CREATE TABLE t (id text PRIMARY KEY, n numeric, value text DEFAULT 'default');
          INSERT INTO t VALUES ('a', 1, 'x'), ('b', 2, 'y'), ('c', 3, NULL), ('d', NULL, 'x_')"""


def act(verb, ident="row", **template):
    return {"id": ident, "type": "POSTGRESQL", "action": verb, "serviceAccountId": "pg",
            "template": {"table": "t", **template}}


def where(*conditions):
    """(field, operator[, value]) each."""
    return [dict(zip(("field", "operator", "value"), one)) for one in conditions]


@pytest.fixture
def run(project, start, postgres):
    """run(ddl, actions, payload, ...): the responses of the first action to each payload."""
    def run_them(ddl, actions, *payloads, **account):
        postgres.run(ddl, database="test")
        pg_account(project, postgres, **account)
        actions = actions if isinstance(actions, list) else [actions]
        project.event(EVENT, actions, MODEL)
        daemon = start(project)
        answers = []
        for payload in payloads:
            raw = payload if isinstance(payload, str) else json.dumps(payload)
            reply = daemon.post(EVENT, raw=raw)
            assert reply.status == 201, reply.text
            answers.append(reply.response(actions[0]["id"]) | {"text": reply.text})
        return answers if len(answers) > 1 else answers[0]
    return run_them


def ids(postgres, clause="TRUE"):
    return "".join(row[0] for row in postgres.run(
        f"SELECT id FROM t WHERE {clause} ORDER BY id", database="test"))


# ---- UPSERT --------------------------------------------------------------------------------------

def test_upsert(run, postgres):
    """201 and the row, whether it was there or not; what was left out stays."""
    action = act("UPSERT", payload={"id": "{id}", "n": "{number?}", "value": "{text?}"},
                 conflict=["id"], returning=["id", "n", "value"])
    new, changed, same = run(
        ROWS, action, {"id": "e", "number": 5}, {"id": "a", "text": "z"}, {"id": "b"})
    for answer, row in ((new, {"id": "e", "n": 5, "value": "default"}),
                        (changed, {"id": "a", "n": 1, "value": "z"}),
                        (same, {"id": "b", "n": 2, "value": "y"})):
        assert answer["responseCode"] == 201, answer
        assert answer["responsePayload"] == {"command": "INSERT", "rowCount": 1, "rows": [row]}
    assert ids(postgres) == "abcde"


def test_upsert_by_two_columns(run, postgres):
    ddl = "CREATE TABLE t (a text, b int, j jsonb, l int[], UNIQUE (a, b))"
    answers = run(ddl, act("UPSERT", conflict=["b", "a"], returning="*", payload={
        "a": "{id}", "b": "{number}", "j": "{value}", "l": "{ints}"}),
        {"id": "x", "number": 1, "value": {"k": [1.5]}, "ints": [1, None]},
        {"id": "x", "number": 1, "value": "text", "ints": []},
        {"id": "x", "number": 2, "value": None, "ints": [3]})
    assert [answer["responseCode"] for answer in answers] == [201] * 3, answers
    assert answers[0]["responsePayload"]["rows"] == [{"a": "x", "b": 1, "j": {"k": [1.5]},
                                                      "l": "{1,NULL}"}]
    assert postgres.run("SELECT b, j, l FROM t ORDER BY b", database="test") == [
        (1, "text", []), (2, None, [3])]


def test_upsert_without_its_index(run):
    answer = run("CREATE TABLE t (id text)", act("UPSERT", payload={"id": "{id}"}, conflict=["id"]),
                 {"id": "a"})
    assert answer["responseCode"] == 400 and answer["responseDetail"] == "42P10"


# ---- UPDATE and DELETE ---------------------------------------------------------------------------

def test_update(run, postgres):
    action = act("UPDATE", payload={"n": "{number?}", "value": "{text?}"}, returning="*",
                 condition=where(("id", "=", "{id}")))
    both, one, none, nothing = run(
        ROWS, action, {"id": "a", "number": 10, "text": "z"}, {"id": "b", "number": 20},
        {"id": "q", "number": 1}, {"id": "c"})
    assert both["responseCode"] == 200
    assert both["responsePayload"] == {"command": "UPDATE", "rowCount": 1,
                                       "rows": [{"id": "a", "n": 10, "value": "z"}]}
    assert one["responsePayload"]["rows"] == [{"id": "b", "n": 20, "value": "y"}]
    assert none["status"] and none["responsePayload"] == {"command": "UPDATE", "rowCount": 0,
                                                          "rows": []}
    assert nothing["responseCode"] == 422 and "nothing to set" in nothing["responseMessage"]
    assert postgres.run("SELECT n, value FROM t WHERE id = 'c'", database="test") == [(3, None)]


def test_delete(run, postgres):
    answer = run(ROWS, act("DELETE", condition=where(("value", "=", "{text}"), ("n", "<", 5)),
                           returning=["id"]), {"text": "x"})
    assert answer["responseCode"] == 200
    assert answer["responsePayload"] == {"command": "DELETE", "rowCount": 1, "rows": [{"id": "a"}]}
    assert ids(postgres) == "bcd"


def test_without_returning(run):
    answer = run(ROWS, act("DELETE", condition=where(("n", "IS NOT NULL"))), {})
    assert answer["responsePayload"] == {"command": "DELETE", "rowCount": 3}


@pytest.mark.parametrize("verb", ["UPDATE", "DELETE"])
def test_all_rows(run, postgres, verb):
    payload = {"payload": {"n": 7}} if verb == "UPDATE" else {}
    answer = run(ROWS, act(verb, allRows=True, **payload), {})
    assert answer["responsePayload"] == {"command": verb, "rowCount": 4}
    assert ids(postgres, "n = 7") == ("abcd" if verb == "UPDATE" else "")


# Condition, and the rows that it deletes, or (the code of the failure,).
CONDITIONS = [
    (where(("n", "=", 2)), "b"), (where(("n", "!=", 2)), "ac"), (where(("n", "<>", "2.0")), "ac"),
    (where(("n", "<", 2)), "a"), (where(("n", "<=", "{number}")), "ab"), (where(("n", ">", 2)), "c"),
    (where(("n", ">=", 2)), "bc"), (where(("value", "LIKE", "x%")), "ad"),
    (where(("value", "like", "{text}")), "a"), (where(("value", "LIKE", "X%")), ""),
    (where(("value", "ilike", "X%")), "ad"), (where(("value", "LIKE", "x\\_")), "d"),
    (where(("id", "IN", ["a", "{text}", "c"])), "ac"), (where(("n", " not   in ", [1, 2])), "c"),
    (where(("id", "IN", "{tags}")), "ab"), (where(("id", "NOT IN", "{tags}")), "cd"),
    (where(("n", "IN", "{ints}")), "bc"), (where(("id", "IN", "{items.id}")), "cd"),
    (where(("id", "in", "{value.ids}")), "d"), (where(("id", "IN", [])), ""),
    (where(("value", "IS NULL")), "c"), (where(("value", "is not null")), "abd"),
    (where(("id", "IN", "{tags}"), ("n", ">", 1), ("value", "=", "y")), "b"),
    (where(("{text}", "=", "a")), (400,)), (where(("id", "=", "{when}")), (422,)),
    (where(("id", "!=", "{when?}")), (422,)), (where(("id", "NOT IN", "{value.none}")), (422,)),
    (where(("id", "NOT IN", ["{when}"])), (422,)), (where(("id", "NOT IN", "{value.empty}")), (422,)),
    (where(("id", "NOT IN", [])), (422,)), (where(("id", "NOT IN", "{value.nulls}")), (422,)),
    (where(("id", "LIKE", "%{when?}%")), (422,)), (where(("n", "=", "{text}")), (400,)),
    (where(("id", "!=", "' OR 1=1; DROP TABLE t; --")), "abcd"),
    (where(('id" = id OR "id', "=", "a")), (400,)),
]
EVERYTHING = {"number": 2, "text": "x", "tags": ["a", "b"], "ints": [2, 3],
              "items": [{"id": "c"}, {"id": "d"}],
              "value": {"ids": ["d"], "empty": [], "nulls": ["a", None]}}


@pytest.mark.parametrize("prepare", [True, False])
def test_conditions(project, start, postgres, prepare):
    postgres.run(ROWS, database="test")
    pg_account(project, postgres, prepare=prepare)
    for number, (condition, _) in enumerate(CONDITIONS):
        project.event(f"c.n{number}", [act("DELETE", condition=condition)], MODEL)
    daemon = start(project)
    failures = []
    for number, (condition, expected) in enumerate(CONDITIONS):
        answer = daemon.post(f"c.n{number}", EVERYTHING).response("row")
        left = ids(postgres)
        gone = "".join(letter for letter in "abcd" if letter not in left)
        postgres.run(f"DROP TABLE t; {ROWS}", database="test")
        got = gone if answer["status"] else (answer["responseCode"],)
        if got != expected or (not answer["status"] and gone):
            failures.append(f"{condition}: {got} {gone}, not {expected}: {answer}")
    assert not failures, "\n".join(failures)


# Type, JSON of `value`, the same as SQL where it differs: UPDATE and UPSERT write it, and conditions
# find it.
TYPES = [
    ("numeric", "1234567890123456789012345678901234567890.0123", None),
    ("numeric", "1e400", None), ("bigint", "9223372036854775807", None),
    ("jsonb", '{"a": [1.50, null], "b": "é"}', """'{"a": [1.50, null], "b": "é"}'"""),
    ("jsonb", '"text"', "'\"text\"'"), ("jsonb", "[1, 2]", "'[1, 2]'"), ("jsonb", "{}", "'{}'"),
    ("int[]", "[1, 2, 3]", "'{1,2,3}'"), ("text[]", '["a,b", "c\\"d"]', "'{\"a,b\",\"c\\\"d\"}'"),
    ("text", '"\\"; DROP TABLE t; --"', "'\"; DROP TABLE t; --'"), ("boolean", "false", "false"),
    ("uuid", '"0193572e-0000-7000-8000-000000000000"', "'0193572e-0000-7000-8000-000000000000'"),
    ("color", '"red"', "'red'"), ("bytea", '"\\\\x00ff"', "'\\x00ff'"),
]


def test_values_of_every_type(project, start, postgres):
    """As a payload's value, as a condition's, and as one of IN."""
    postgres.run("CREATE TYPE color AS ENUM ('red', 'blue')", database="test")
    columns = ", ".join(f"v{number} {kind}" for number, (kind, _, _) in enumerate(TYPES))
    postgres.run(f"CREATE TABLE t (id int PRIMARY KEY, found int, {columns}); "
                 "INSERT INTO t (id) VALUES (1), (2)", database="test")
    pg_account(project, postgres)
    for number in range(len(TYPES)):
        name = f"v{number}"
        project.event(f"set.{name}", [act("UPDATE", payload={name: "{value}"},
                                          condition=where(("id", "=", 1)))], ANY)
        project.event(f"put.{name}", [act("UPSERT", payload={"id": 1, name: "{value}"},
                                          conflict=["id"])], ANY)
        project.event(f"one.{name}", [act("UPDATE", payload={"found": 1},
                                          condition=where((name, "=", "{value}")))], ANY)
        project.event(f"in.{name}", [act("UPDATE", payload={"found": 2},
                                         condition=where((name, "IN", ["{value}"])))], ANY)
        project.event(f"of.{name}", [act("UPDATE", payload={"found": 3},
                                         condition=where((name, "IN", "{value}")))], ANY)
    daemon = start(project)
    failures = []
    for number, (kind, value, literal) in enumerate(TYPES):
        for event in ("set", "put", "one", "in", "of"):
            if event == "of" and kind.endswith("[]"):
                continue  # PostgreSQL has no arrays of arrays
            raw = f'{{"value":[{value}]}}' if event == "of" else f'{{"value":{value}}}'
            if event == "put":
                postgres.run(f"UPDATE t SET v{number} = NULL", database="test")
            answer = daemon.post(f"{event}.v{number}", raw=raw).response("row")
            held = postgres.run(f"SELECT count(*) FROM t WHERE v{number} = {literal or value}",
                                database="test")
            if not answer["status"] or answer["responsePayload"]["rowCount"] != 1 or held != [(1,)]:
                failures.append(f"{event} {value} {kind}: {held} {answer}")
    assert not failures, "\n".join(failures)


def test_dates_without_a_zone(run, postgres):
    postgres.run("ALTER DATABASE test SET timezone = 'Asia/Tokyo'")
    ddl = "CREATE TABLE t (id text, at timestamptz, note text); INSERT INTO t VALUES " \
          "('a', '2026-01-02T03:04:05Z'), ('b', '2026-01-02T03:04:06Z')"
    actions = [act("UPDATE", payload={"note": "{when}"}, condition=where(("at", "=", "{when}"))),
               act("UPDATE", "in", payload={"id": "found"}, condition=where(("at", "IN", "{whens}")))]
    answer = run(ddl, actions, {"when": "2026-01-02T03:04:05", "whens": ["2026-01-02T03:04:06"]},
                 prepare=False)
    assert answer["responsePayload"]["rowCount"] == 1, answer
    assert postgres.run("SELECT id, note FROM t ORDER BY at", database="test") == [
        ("a", "2026-01-02T03:04:05Z"), ("found", None)]


def test_schemas_and_databases(run, postgres):
    for database in ("test", "live"):
        postgres.run('CREATE SCHEMA s; CREATE SCHEMA "S.p"; CREATE TABLE s.t (id text PRIMARY KEY); '
                     'CREATE TABLE "S.p".t (id text PRIMARY KEY); '
                     "INSERT INTO s.t VALUES ('a'), ('b'); INSERT INTO \"S.p\".t VALUES ('a')",
                     database=database)
    first = where(("id", "=", "{id}"))
    actions = [act("DELETE", condition=first, table="s.t"),
               act("DELETE", "b", condition=first, schema="S.p"),
               act("UPDATE", "c", condition=first, table="{text}.t", database="live",
                   payload={"id": "new"}),
               act("UPSERT", "d", schema="S.p", database="live", payload={"id": "up"},
                   conflict=["id"])]
    run("SELECT 1", actions, {"id": "a", "text": "s"})
    count = "SELECT (SELECT string_agg(id, ',' ORDER BY id) FROM s.t), " \
            '(SELECT string_agg(id, \',\' ORDER BY id) FROM "S.p".t)'
    assert postgres.run(count, database="test") == [("b", None)]
    assert postgres.run(count, database="live") == [("b,new", "a,up")]


ATTACKS = ['t"; DROP TABLE t; --', "t'; DROP TABLE t; --", "$1", "t$$", "\\'; DROP TABLE t", 't" t2, "t',
           "pg_catalog.pg_class", "{id}", "*/ DROP TABLE t; /*", "' OR ''='"]


def test_injection(run, postgres):
    """Whatever a payload says is a value, or one identifier, and then there is no such thing."""
    actions = [act("DELETE", condition=where(("value", "=", "{text}"))),
               act("DELETE", "in", condition=where(("value", "IN", "{tags}"))),
               act("DELETE", "field", condition=where(("{text}", "IS NOT NULL"))),
               act("DELETE", "table", table="{text}", allRows=True),
               act("UPDATE", "set", payload={"value": "<{text}>"}, condition=where(("id", "=", "a"))),
               act("UPDATE", "back", payload={"n": 1}, allRows=True, returning=["{text}"])]
    postgres.run(ROWS, database="test")
    answers = run("SELECT 1", actions, *({"text": text, "tags": [text]} for text in ATTACKS))
    for text, answer in zip(ATTACKS, answers):
        reply = json.loads(answer["text"])
        by_id = {task["action"]["id"]: task["response"]
                 for task in reply["match_rules"][0]["actions"]}
        assert by_id["row"]["status"] and by_id["in"]["status"], reply
        for name in ("field", "table", "back"):
            assert by_id[name]["responseCode"] == 400, (text, by_id[name])
    assert postgres.run("SELECT value FROM t WHERE id = 'a'", database="test") == [
        (f"<{ATTACKS[-1]}>",)]
    assert ids(postgres) == "abcd"


# ---- the file ------------------------------------------------------------------------------------

def check(project, postgres, *actions):
    pg_account(project, postgres)
    project.event(EVENT, list(actions), {"id": "String!", "name": "String"})
    done = cli("test", project=project.folder)
    return done.returncode, done.stdout + done.stderr


def test_warnings(project, postgres):
    code, text = check(
        project, postgres,
        act("UPDATE", payload={"a": "{name}", "b": "{id}"}, condition=where(("id", "=", "{name}"))),
        act("UPSERT", "up", payload={"id": "{id}", "c": "{name}"}, conflict=["id"]),
        act("DELETE", "del", condition=where(("id", "=", "{name}"))))
    assert code == 0 and text.count("warning:") == 2, text
    assert text.count("becomes NULL") == 2 and "{name?}" in text, text
    assert "not served" not in text


@pytest.mark.parametrize("action, message, under", [
    (act("DELETE"), "would reach every row", None),
    (act("UPDATE", payload={"a": 1}), "would reach every row", None),
    (act("UPDATE", payload={"a": 1}, condition=[]), "would reach every row", None),
    (act("DELETE", condition=where(("a", "=", 1)), allRows=True), "contradict each other", "true"),
    (act("DELETE", condition=where(("a", "=", None))), "IS NULL", None),
    (act("DELETE", condition=where(("a", "IN", ["x", None]))), "IS NULL", None),
    (act("DELETE", condition=where(("a", "IS NULL", "x"))), "takes no value", "x"),
    (act("DELETE", condition=where(("a", "~", "x"))), "no operator '~'", "~"),
    (act("DELETE", condition=[{"field": "a", "value": 1}]), "lacks 'operator'", None),
    (act("DELETE", condition=where(("a", "=", "{nmae}"))), "did you mean 'name'", "nmae"),
    (act("DELETE", condition="id = 1"), "must be a list", None),
    (act("UPSERT", payload={"name": 1}, conflict=["nmae"]), "did you mean 'name'", "nmae"),
    (act("UPSERT", payload={"name": 1}), "lacks 'conflict'", None),
])
def test_load_errors(project, postgres, action, message, under):
    """With a caret under what is meant."""
    code, text = check(project, postgres, action)
    assert code == 1 and message in text and text.count("error:") == 1, text
    if under:
        lines = text.splitlines()
        at = next(i for i, line in enumerate(lines) if "error:" in line)
        caret = lines[at + 2]
        start = caret.index("^")
        assert lines[at + 1][start:start + caret.count("^") + caret.count("~")] == under, text
