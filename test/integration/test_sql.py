"""POSTGRESQL's UPSERT, UPDATE, DELETE and QUERY on a real server, and what is refused at load."""

import functools
import json
import re

import pytest

from actions import EVENT, pg_account
from harness import cli

MODEL = {"id": "String", "name": "String", "n": "Number", "flag": "Boolean",
         "any": "Any", "tags": ["String"], "numbers": ["Number"], "at": "Date", "ats": ["Date"],
         "obj": {"city": "String"}, "items": [{"price": "Number"}]}
WITH_KEY = MODEL | {"key": "String!"}


def action(kind, ident="row", **template):
    options = {name: template.pop(name) for name in ("timeout",) if name in template}
    return {"id": ident, "type": "POSTGRESQL", "action": kind, "serviceAccountId": "pg", **options,
            "template": template}


def where(operator, value=None, field="v"):
    term = {"field": field, "operator": operator}
    return [term if value is None else term | {"value": value}]


@pytest.fixture
def sql(run_insert):
    """sql(ddl, action, payload, ...): each payload's response, its text under "text"."""
    return functools.partial(run_insert, model=MODEL)


@pytest.fixture
def rows(postgres):
    def fetch(query="SELECT * FROM t ORDER BY 1"):
        return postgres.run(query, database="test")
    return fetch


# ---- conditions ----------------------------------------------------------------------------------

LONG = "123456789012345678901234567890123456789"

# Type of the column, the rows in it, operator, value, payload; which rows are reached, or a code.
REACHED = [
    ("int", "1,2,3", "=", "{n}", '{"n":2}', "2"), ("int", "1,2,3", "=", "{id}", '{"id":"2"}', "2"),
    ("int", "1,2,3", "!=", "{n}", '{"n":2}', "1,3"), ("int", "1,2,3", "<>", 2, "{}", "1,3"),
    ("int", "1,2,3", "<", "{n}", '{"n":2}', "1"), ("int", "1,2,3", "<=", "{n}", '{"n":2}', "1,2"),
    ("int", "1,2,3", ">", "{n}", '{"n":2}', "3"), ("int", "1,2,3", ">=", "{n}", '{"n":2}', "2,3"),
    ("text", "ab,aB,cb", "LIKE", "a%", "{}", "aB,ab"),
    ("text", "ab,aB,cb", "like", "{id}b", '{"id":"a"}', "ab"),
    ("text", "ab,aB,cb", "ILIKE", "{id}", '{"id":"A_"}', "aB,ab"),
    ("text", "a,NULL", "IS NULL", None, "{}", None), ("text", "a,NULL", "IS NOT NULL", None, "{}", "a"),
    # lists written out, and lists of the payload
    ("int", "1,2,3", "IN", ["{n}", 3, "{id}"], '{"n":1,"id":"9"}', "1,3"),
    ("int", "1,2,3", "NOT IN", [1, "{n}"], '{"n":2}', "3"),
    ("int", "1,2,3", "IN", "{numbers}", '{"numbers":[1,3,4]}', "1,3"),
    ("int", "1,2,3", "IN", "{tags}", '{"tags":["1","3"]}', "1,3"),
    ("int", "1,2,3", "NOT IN", "{numbers}", '{"numbers":[1,3]}', "2"),
    ("int", "1,2,3", "IN", "{any}", '{"any":[1,"2"]}', "1,2"),
    ("numeric", "1.5,2", "IN", "{items.price}", '{"items":[{"price":1.50}]}', "1.5"),
    ("text", "a,{b,'c", "IN", "{tags}", json.dumps({"tags": ["{b", "'c", '"', "\\"]}), "'c,{b"),
    ("varchar(9)", "a,b", "IN", "{tags}", '{"tags":["a"]}', "a"),
    ("bigint", "9007199254740993,9007199254740992", "=", "{n}", '{"n":9007199254740993}',
     "9007199254740993"),
    ("numeric", f"{LONG}0,{LONG}1", "IN", "{numbers}", f'{{"numbers":[{LONG}1]}}', f"{LONG}1"),
    ("boolean", "true,false", "=", "{flag}", '{"flag":false}', "false"),
    ("color", "red,blue", "IN", "{tags}", '{"tags":["red"]}', "red"),
    ("color", "red,blue", "=", "{any}", '{"any":"blue"}', "blue"),
    ("uuid", "0193572e-0000-7000-8000-000000000000", "IN", "{tags}",
     '{"tags":["0193572E-0000-7000-8000-000000000000"]}', "0193572e-0000-7000-8000-000000000000"),
    # an empty list matches nothing, and fails under NOT IN
    ("int", "1,2", "IN", [], "{}", ""), ("int", "1,2", "IN", "{numbers}", '{"numbers":[]}', ""),
    ("int", "1,2", "NOT IN", [], "{}", 422),
    ("int", "1,2", "NOT IN", "{numbers}", '{"numbers":[]}', 422),
    # nothing absent, null or NUL widens anything
    ("int", "1,2", "=", "{n}", "{}", 422), ("int", "1,2", "!=", "{n}", '{"n":null}', 422),
    ("int", "1,2", "=", "{n?}", "{}", 422), ("int", "1,2", "=", "{n|2}", "{}", "2"),
    ("int", "1,2", "IN", [1, "{n}"], "{}", 422), ("int", "1,2", "NOT IN", [1, "{n}"], "{}", 422),
    ("int", "1,2", "NOT IN", "{numbers}", '{"numbers":[1,null]}', 422),
    ("int", "1,2", "IN", "{numbers}", "{}", 422), ("int", "1,2", "IN", "{any}", '{"any":1}', 422),
    ("text", "a,b", "LIKE", "{id}%", "{}", 422), ("text", "a,b", "=", "{id}", '{"id":"a\\u0000"}', 422),
    ("text", "a,b", "IN", "{tags}", '{"tags":["a\\u0000"]}', 422),
    # a value is a value
    ("text", "a,b", "=", "{id}", json.dumps({"id": "' OR '1'='1"}), ""),
    ("text", "a,b", "IN", "{tags}", json.dumps({"tags": ["a'); DROP TABLE t; --"]}), ""),
    ("int", "1,2", "=", "{id}", '{"id":"1 OR 1=1"}', 400), ("int", "1,2", "=", "{n}", '{"n":1.5}', 400),
    # json, arrays, moments
    ("jsonb", '{"a": 1}', "=", "{any}", '{"any":{"a":1.0}}', '{"a": 1}'),
    ("jsonb", '{"a": 1}', "IN", "{any}", '{"any":[{"a":1},5]}', '{"a": 1}'),
    ("jsonb", '{"city": "K"}', "=", {"city": "{id}"}, '{"id":"K"}', '{"city": "K"}'),
    ("text[]", "{a}", "=", "{tags}", '{"tags":["a"]}', "{a}"),
    ("timestamptz", "2026-01-02 03:04:05+00", "=", "{at}", '{"at":"2026-01-02T03:04:05"}',
     "2026-01-02 03:04:05+00"),
    ("timestamptz", "2026-01-02 03:04:05+00", "IN", "{ats}", '{"ats":["2026-01-02T03:04:05"]}',
     "2026-01-02 03:04:05+00"),
    ("timestamptz", "2026-01-02 03:04:05+00", "IN", ["{at}"], '{"at":"2026-01-02T04:04:05+01:00"}',
     "2026-01-02 03:04:05+00"),
    ("date", "2026-01-02,2026-01-03", "<=", "{at}", '{"at":"2026-01-02"}', "2026-01-02"),
]


@pytest.mark.parametrize("prepare", [True, False])
def test_conditions(project, start, postgres, prepare):
    """Each row of the table above, as a DELETE in a table of its own; zones far from UTC."""
    postgres.run("ALTER DATABASE test SET timezone = 'Asia/Tokyo'; "
                 "CREATE TYPE color AS ENUM ('red', 'blue')", database="test")
    pg_account(project, postgres, prepare=prepare)
    for number, (kind, values, operator, value, _, _) in enumerate(REACHED):
        array = values.split(",") if kind not in ("jsonb", "text[]") else [values]
        postgres.run(f"CREATE TABLE t{number} (v {kind}); "
                     + "".join(f"INSERT INTO t{number} VALUES ({quoted(v)});" for v in array),
                     database="test")
        project.event(f"c.e{number}", [action("DELETE", table=f"t{number}", returning=["v"],
                                              condition=where(operator, value))], MODEL)
    daemon = start(project)
    failures = []
    for number, (kind, values, operator, value, payload, expected) in enumerate(REACHED):
        before = postgres.run(f"SELECT count(*) FROM t{number}", database="test")[0][0]
        answer = daemon.post(f"c.e{number}", raw=payload).response("row")
        left = postgres.run("SET timezone = 'UTC'; SELECT COALESCE(v::text, 'NULL') "
                            f"FROM t{number}", database="test")
        gone = before - len(left)
        if isinstance(expected, int):
            good = answer["responseCode"] == expected and gone == 0
        else:
            wanted = [] if expected == "" else ["NULL"] if expected is None else split(kind, expected)
            kept = sorted(row[0] for row in left)
            everything = ["NULL" if v == "NULL" else v for v in split(kind, values)]
            good = answer["status"] and answer["responseCode"] == 200 and gone == len(wanted) and \
                answer["responsePayload"]["rowCount"] == gone and \
                kept == sorted(v for v in everything if v not in wanted)
        if not good:
            failures.append(f"{kind} {operator} {value} {payload}: {answer}, left {left}")
    assert not failures, "\n".join(failures)


def split(kind, values):
    return [values] if kind in ("jsonb", "text[]") else values.split(",")


def quoted(text):
    return "NULL" if text == "NULL" else "'" + text.replace("'", "''") + "'"


def test_terms_are_joined_by_and(sql, rows):
    answer = sql('CREATE TABLE t (a int, "B c" text); INSERT INTO t VALUES (1,\'x\'), (1,\'y\'), (2,\'x\')',
                 action("DELETE", table="t", condition=where("=", "{n}", "a") + where("=", "{id}",
                                                                                      "B c")),
                 {"n": 1, "id": "x"})
    assert answer["responsePayload"] == {"command": "DELETE", "rowCount": 1}
    assert rows() == [(1, "y"), (2, "x")]


def test_a_field_through_a_wildcard_is_one_identifier(sql, rows):
    good, none, injected = sql(
        'CREATE TABLE t (a int); INSERT INTO t VALUES (1), (2)',
        action("DELETE", table="t", condition=where("=", 1, "{id}")),
        {"id": "a"}, {}, {"id": 'a" = 1 OR "a'})
    assert good["status"] is True and none["responseCode"] == 422
    assert "wildcard {id} in condition.field: no value" in none["responseMessage"]
    assert injected["responseDetail"] == "42703" and rows() == [(2,)]


def test_one_statement_for_lists_of_all_lengths(project, start, postgres):
    postgres.run("CREATE TABLE t (v int)", database="test")
    pg_account(project, postgres, pool={"connections": 1})
    project.event(EVENT, [action("DELETE", table="t", condition=where("IN", "{numbers}"))], MODEL)
    project.event("look.up", [action("QUERY", sql="SELECT count(*) FROM pg_prepared_statements "
                                     "WHERE statement LIKE 'DELETE%'")], MODEL)
    daemon = start(project)
    for length in range(5):
        answer = daemon.post(EVENT, {"numbers": list(range(length))}).response("row")
        assert answer["status"] is True, answer
    assert daemon.post("look.up").response("row")["responsePayload"]["rows"] == [{"count": 1}]


# ---- UPDATE and DELETE ---------------------------------------------------------------------------

def test_update(sql, rows):
    """A member left out leaves its column, null sets NULL, and nothing left to set fails."""
    ddl = "CREATE TABLE t (id text, name text, n numeric); INSERT INTO t VALUES ('a','old',1), ('b','old',1)"
    full, part, null, none = sql(
        ddl, action("UPDATE", table="t", payload={"name": "{name?}", "n": "{n?}"},
                    condition=where("=", "{id}", "id"), returning=["id", "n"]),
        '{"id":"a", "name":"new", "n":1234567890123456789012345678901234567890}', {"id": "b", "n": 2},
        {"id": "b", "name": None, "n": 3}, {"id": "b"})
    assert full["responseCode"] == 200 and full["responsePayload"]["rowCount"] == 1
    assert '"n":1234567890123456789012345678901234567890' in full["text"]
    assert part["responsePayload"]["rows"] == [{"id": "b", "n": 2}]
    assert null["status"] is True
    assert none["responseCode"] == 422 and "nothing to set" in none["responseMessage"]
    assert rows("SELECT id, name, n::text FROM t ORDER BY 1") == [
        ("a", "new", "1234567890123456789012345678901234567890"), ("b", "old", "3")]


def test_update_sets_null_and_typed_values(sql, rows):
    answer = sql("CREATE TABLE t (id int, j jsonb, js json, ints int[], words text[], at timestamptz, d date,"
                 " gone text); INSERT INTO t (id, gone) VALUES (1, 'x')",
                 action("UPDATE", table="t", condition=where("=", 1, "id"), returning="*", payload={
                     "j": "{any}", "js": {"a": ["{n}",
                                                "{name}"]}, "ints": "{numbers}", "words": "{tags}",
                     "at": "{at}", "d": "{at}", "gone": "{name}"}),
                 {"any": {"x": [1]}, "n": 1, "numbers": [1, 2], "tags": ["a,b", None, '"'],
                  "at": "2026-01-02T03:04:05"})
    row = answer["responsePayload"]["rows"][0]
    assert answer["status"] is True and row["j"] == {"x": [1]} and row["js"] == {"a": [1, None]}
    assert row["at"] == "2026-01-02 03:04:05+00" and row["d"] == "2026-01-02"
    assert rows("SELECT ints, words, gone FROM t") == [([1, 2], ["a,b", None, '"'], None)]


def test_no_row_is_a_success(sql):
    answer = sql("CREATE TABLE t (v int)", action("UPDATE", table="t", payload={"v": 1},
                 condition=where("=", 5), returning="*"), {})
    assert answer["responsePayload"] == {"command": "UPDATE", "rowCount": 0, "rows": []}


@pytest.mark.parametrize("kind", ["UPDATE", "DELETE"])
def test_all_rows(sql, rows, kind):
    payload = {"payload": {"v": 7}} if kind == "UPDATE" else {}
    answer = sql("CREATE TABLE t (v int); INSERT INTO t VALUES (1), (2)",
                 action(kind, table="t", allRows=True, returning="*", **payload), {})
    assert answer["responsePayload"]["rowCount"] == 2 and len(answer["responsePayload"]["rows"]) == 2
    assert rows() == ([(7,), (7,)] if kind == "UPDATE" else [])


def test_schema_table_and_database(project, start, postgres):
    """Each action finds schema.table, schema beside table, and another database."""
    for database in ("test", "live"):
        postgres.run('CREATE SCHEMA "S p"; CREATE TABLE "S p".t (id text PRIMARY KEY, v text)',
                     database=database)
    pg_account(project, postgres)
    key = {"condition": where("=", "{id}", "id")}
    forms = [("a", {"table": "S p.t"}), ("b", {"schema": "S p", "table": "t"}),
             ("c", {"schema": "{name}", "table": "t", "database": "live"})]
    for ident, form in forms:
        project.event(f"do.upsert-{ident}", [action("UPSERT", payload={"id": "{id}", "v": "1"},
                                                    conflict=["id"], **form)], MODEL)
        project.event(f"do.update-{ident}", [action("UPDATE", payload={"v": "2"}, **key, **form)],
                      MODEL)
        project.event(f"do.delete-{ident}", [action("DELETE", **key, **form)], MODEL)
    project.event("do.query", [action("QUERY", database="live",
                                      sql="SELECT current_database() AS db")], MODEL)
    daemon = start(project)
    for ident, form in forms:
        for kind, left in (("upsert", [(ident, "1")]), ("update", [(ident, "2")]), ("delete", [])):
            answer = daemon.post(f"do.{kind}-{ident}", {"id": ident, "name": "S p"}).response("row")
            assert answer["responseCode"] == (201 if kind == "upsert" else 200), answer
            assert postgres.run('SELECT * FROM "S p".t', database=form.get("database", "test")) == left
    assert daemon.post("do.query").response("row")["responsePayload"]["rows"] == [{"db": "live"}]


# ---- UPSERT --------------------------------------------------------------------------------------

def test_upsert(sql, rows):
    new, again, part = sql("CREATE TABLE t (id text PRIMARY KEY, name text, n int DEFAULT 9)",
                           action("UPSERT", table="t", payload={"id": "{id}", "name": "{name?}",
                                                                "n": "{n?}"},
                                  conflict=["id"], returning="*"),
                           {"id": "a", "name": "x"}, {"id": "a", "name": "y", "n": 1}, {"id": "a"})
    assert [answer["responseCode"] for answer in (new, again, part)] == [201, 201, 201]
    assert new["responsePayload"] == {"command": "INSERT", "rowCount": 1,
                                      "rows": [{"id": "a", "name": "x", "n": 9}]}
    for answer in (again, part):
        assert answer["responsePayload"]["rows"] == [{"id": "a", "name": "y", "n": 1}]
    assert rows() == [("a", "y", 1)]


def test_upsert_of_nothing_but_the_key(sql, rows):
    """The row that is there is counted and returned."""
    for answer in sql("CREATE TABLE t (a int, b int, c int DEFAULT 5, UNIQUE (a, b))",
                      action("UPSERT", table="t", payload={"a": 1, "b": "{n}"}, conflict=["a", "b"],
                             returning=["c"]), {"n": 2}, {"n": 2}):
        assert answer["responsePayload"] == {"command": "INSERT", "rowCount": 1, "rows": [{"c": 5}]}
    assert rows() == [(1, 2, 5)]


# ---- QUERY ---------------------------------------------------------------------------------------

# The statement, the payload, its only row's values; or the code of a failure.
QUERIES = [
    ("SELECT 1 AS a", "{}", [1]),
    ("SELECT {id} AS a, {id}::text AS b", '{"id":"x"}', ["x", "x"]),
    ("SELECT {id}::int + {n}::int AS a", '{"id":"40","n":2}', [42]),
    ("SELECT {n}::int AS a, length({n}::text) AS b", '{"n":123}', [123, 3]),
    ("SELECT '{id}' || {name} AS a", json.dumps({"id": "'; DROP TABLE t; --", "name": "$1"}),
     ["'; DROP TABLE t; --$1"]),
    ("SELECT count(*) AS a FROM t WHERE name='{name}'", '{"name":"it\'s"}', [1]),
    ("SELECT name AS a FROM t WHERE name LIKE '%' || {id} || '%'", '{"id":"t\'"}', ["it's"]),
    ("SELECT n AS a FROM t WHERE n = {id}", '{"id":"7"}', [7]),
    ("SELECT n AS a FROM t WHERE n = ANY({numbers})", '{"numbers":[7,8]}', [7]),
    ("SELECT n AS a FROM t WHERE n = ANY({any}) LIMIT {n}", '{"any":["7"],"n":1}', [7]),
    ("SELECT {id} AS a, {name?} AS b, {n|5}::int AS c", "{}", [None, None, 5]),
    ("SELECT {obj}::jsonb->>'city' AS a", '{"obj":{"city":"K"}}', ["K"]),
    ("SELECT {any}::jsonb AS a", '{"any":"text"}', ["text"]),
    ("SELECT {any}::text AS a", '{"any":"text"}', ["text"]),
    ("SELECT {tags}::jsonb AS a, {tags}::text[] AS b", '{"tags":["x",null]}', [["x", None],
                                                                               "{x,NULL}"]),
    ("SELECT {items.price}::numeric[] AS a", '{"items":[{"price":1.50},{}]}', ["{1.50,NULL}"]),
    ("SELECT {at}::timestamptz AS a, '{at}'::timestamptz = {at} AS b", '{"at":"2026-01-02T03:04:05"}',
     ["2026-01-02 03:04:05+00", True]),
    ("SELECT '{\"a\":1}'::jsonb AS a, '{1,2}'::int[] AS b, '\\{id}' AS c", "{}", [{"a": 1}, "{1,2}",
                                                                                  "{id}"]),
    ("SELECT 'it''s $1' AS a, E'it\\'s' AS b, {id} AS c, \"x\".\"$1'\" AS d FROM (SELECT 3 AS \"$1'\") \"x\"",
     '{"id":"x"}', ["it's $1", "it's", "x", 3]),
    ("SELECT U&'\\0061' AS a, B'01'::text AS b, X'1F'::text AS c, E'\\\\' AS d, '\\' AS e, {id} AS f",
     '{"id":"x"}', ["a", "01", "00011111", "\\", "\\", "x"]),
    ("SELECT $$it's $1 ;$$ AS a, $a$ $$ $b$ $a$ AS b, {id} AS c", '{"id":"x"}', ["it's $1 ;",
                                                                                 " $$ $b$ ", "x"]),
    ("/* ' /* \" */ $1 */ SELECT 1 AS a -- ' $1\n, {id} AS b ; -- done", '{"id":"x"}', [1, "x"]),
    ("(SELECT'{id}'AS a)", '{"id":"x"}', ["x"]),
    ("SELECT {$event.name} AS a, '{$environment}' AS b", "{}", [EVENT, "test"]),
    ("WITH made AS (INSERT INTO other VALUES ({id}) RETURNING id) SELECT id AS a FROM made",
     '{"id":"x"}', ["x"]),
    ("SELECT {id}::int AS a", '{"id":"x"}', 400), ("SELECT {id} AS a", '{"id":"a\\u0000"}', 422),
    ("SELECT nothing", "{}", 400), ("SELECT 1/{n}::int AS a", '{"n":0}', 400),
    ("SELECT {numbers}::int[] AS a", '{"numbers":[]}', ["{}"]),
    ("SELECT {n}::numeric::text AS a", '{"n":1234567890123456789012345678901234567890.10}',
     ["1234567890123456789012345678901234567890.10"]),
]


@pytest.mark.parametrize("prepare", [True, False])
def test_queries(project, start, postgres, prepare):
    postgres.run("CREATE TABLE t (n int, name text); INSERT INTO t VALUES (7, 'it''s'); "
                 "CREATE TABLE other (id text)", database="test")
    postgres.run("ALTER DATABASE test SET timezone = 'UTC'")
    pg_account(project, postgres, prepare=prepare)
    for number, (text, _, _) in enumerate(QUERIES):
        project.event(f"q.e{number}", [action("QUERY", sql=text)], MODEL)
    daemon = start(project)
    failures = []
    for number, (text, payload, expected) in enumerate(QUERIES):
        answer = daemon.post(f"q.e{number}", raw=payload).response("row")
        if isinstance(expected, int):
            good = answer["responseCode"] == expected
        else:
            expected = [f"q.e{number}" if value == EVENT else value for value in expected]
            good = answer["responseCode"] == 200 and answer["responsePayload"]["rowCount"] == 1 and \
                list(answer["responsePayload"]["rows"][0].values()) == expected
        if not good:
            failures.append(f"{text}: {answer}, not {expected}")
    assert not failures, "\n".join(failures)


def test_a_query_without_rows(sql, rows):
    answer = sql("CREATE TABLE t (v text)", action("QUERY",
                                                   sql="INSERT INTO t SELECT unnest({tags}::text[])"),
                 {"tags": ["a", "b"]})
    assert answer["responsePayload"]["command"] == "INSERT" and answer["responsePayload"]["rowCount"] == 2
    assert answer["responseCode"] == 200 and rows() == [("a",), ("b",)]


# ---- what is refused at load ---------------------------------------------------------------------

def messages(project):
    done = cli("test", "--json", project=project.folder)
    return done.returncode, json.loads(done.stdout)["messages"]


# The action, a fragment of the only error, and of its hint.
REFUSED = [
    (action("DELETE", table="t"), "every row", "allRows"),
    (action("UPDATE", table="t", payload={"v": 1}, condition=[]), "every row", "allRows"),
    (action("UPDATE", table="t", payload={"v": 1}, condition=None, allRows=False), "every row",
     "allRows"),
    (action("DELETE", table="t", allRows=True, condition=where("=", 1)), "contradict", "one of them"),
    (action("DELETE", table="t", condition=where("=")), "wants a 'value'", ""),
    (action("DELETE", table="t", condition=where("IS NULL", 1)), "takes no value", ""),
    (action("DELETE", table="t", condition=where("IN", "{id}")), "wants a list", r"\[\"{id}\"\]"),
    (action("DELETE", table="t", condition=where("~", "x")), "no operator '~'", "ILIKE"),
    (action("DELETE", table="t", condition=where("LIKEE", "x")), "no operator", "LIKE"),
    (action("DELETE", table="t", condition=[{"field": "v", "operator": "=", "value": None}]),
     "null", "IS NULL"),
    (action("DELETE", table="t", condition=where("=", "{idd}")), "idd", "id"),
    (action("UPSERT", table="t", payload={"a": 1}), "conflict", ""),
    (action("UPSERT", table="t", payload={"a": 1}, conflict=["b"]), "no column 'b'", ""),
    (action("UPDATE", table="t", payload={}, allRows=True), "nothing to set", ""),
    (action("UPDATE", table="a.b", schema="c", payload={"v": 1}, allRows=True), "schema", ""),
    (action("DELETE", table="t", database="{id}", allRows=True), "database", ""),
    (action("QUERY", sql=""), "no statement", ""), (action("QUERY"), "sql", ""),
    (action("QUERY", sql="SELECT 1", table="t"), "unknown field 'table'", ""),
]


@pytest.mark.parametrize("wanted, fragment, hint", REFUSED)
def test_templates_that_are_refused(project, wanted, fragment, hint):
    project.account("pg", "POSTGRESQL", test={"url": "host=/tmp"}, live={"url": "host=/tmp"})
    project.event(EVENT, [wanted], MODEL)
    code, found = messages(project)
    errors = [message for message in found if message["severity"] == "error"]
    assert code == 1 and len(errors) == 1, found
    assert fragment in errors[0]["message"] and re.search(hint, errors[0].get("hint") or ""), errors


@pytest.mark.parametrize("text, marked, fragment", [
    ("SELECT '%{id}%'", "{id}", "inside a longer literal"), ('SELECT "{id}" FROM t', "{id}", "in a name"),
    ("SELECT 1 /* {id} */", "{id}", "comment"), ("SELECT 1 -- {id}", "{id}", "comment"),
    ("DO $$ {id} $$", "{id}", "dollar quotes"), ("SELECT a, $1", "$1", "numbered"),
    ("SELECT 1; DROP TABLE t", "DROP TABLE t", "second statement"), ("  commit", "commit",
                                                                     "transaction"),
    ("SELECT {idd}", "idd", "idd"), ("COPY t TO STDOUT", "COPY", "own data"),
])
@pytest.mark.parametrize("block", [False, True])
def test_the_caret_of_a_query(project, text, marked, fragment, block):
    """In quotes on one line, and below another line of a block scalar."""
    project.account("pg", "POSTGRESQL", test={"url": "host=/tmp"}, live={"url": "host=/tmp"})
    head = (f"id: {EVENT}\nmodel: {{ id: String }}\nfilters:\n  - id: f\n    actions:\n"
            "      - id: row\n        type: POSTGRESQL\n        action: QUERY\n"
            "        serviceAccountId: pg\n        template:\n")
    if block:
        head += "          sql: |\n            -- it's here:\n"
    quoted_text = "'" + text.replace("'", "''") + "'"
    line = f"              {text}" if block else f"          sql: {quoted_text}"
    project.write(f"events/{EVENT}.yaml", head + line + "\n")
    done = cli("test", project=project.folder)
    output = done.stdout + done.stderr
    assert done.returncode == 1 and fragment in output, output
    number, column = head.count("\n") + 1, line.index(marked) + 1
    assert f"events/{EVENT}.yaml:{number}:{column}: error:" in output, output


def test_warnings_of_optional_properties(project):
    """UPDATE and UPSERT would write NULL; INSERT, and whoever says ?, a default or !, is not warned."""
    project.account("pg", "POSTGRESQL", test={"url": "host=/tmp"}, live={"url": "host=/tmp"})
    payload = {"a": "{key}", "b": "{name?}", "c": "{id|x}", "d": "{name}"}
    project.event(EVENT, [action("UPDATE", "u", table="t", payload=payload, condition=where("=",
                                                                                            "{id}")),
                          action("UPSERT", "v", table="t", payload=payload, conflict=["a"]),
                          action("INSERT", "w", table="t", payload=payload)], WITH_KEY)
    code, found = messages(project)
    assert code == 0 and len(found) == 2, found
    for message in found:
        assert message["severity"] == "warning" and "optional" in message["message"]
        assert "{name?}" in message["hint"]


def test_files_of_the_original_platform(project):
    """The shapes that its CLI writes load without a word."""
    project.account("pg", "POSTGRESQL", test={"url": "host=/tmp"}, live={"url": "host=/tmp"})
    condition = [{"field": "id", "operator": ">", "value": "{key}"},
                 {"field": "id", "operator": "<=", "value": 5}]
    project.event(EVENT, [
        {"id": "u", "async": False, "type": "POSTGRES", "action": "UPDATE", "operation": None,
         "serviceAccountId": "pg", "template": {"database": "d", "table": "t", "condition": condition,
                                                "payload": {"a": "{key}"}}},
        {"id": "d", "type": "POSTGRESQL", "action": "DELETE", "serviceAccountId": "pg",
         "template": {"database": "d", "table": "t", "condition": condition}}], WITH_KEY)
    assert messages(project) == (0, [])


@pytest.mark.parametrize("value", ["%{text?}%", ["{id}", "x{text?}"]], ids=["pattern", "list"])
def test_an_absent_part_never_widens_a_condition(project, start, postgres, value):
    postgres.run("CREATE TABLE t (id text PRIMARY KEY); INSERT INTO t VALUES ('a'), ('x')",
                 database="test")
    pg_account(project, postgres)
    project.event(EVENT, [{"id": "row", "type": "POSTGRESQL", "action": "DELETE",
                           "serviceAccountId": "pg", "template": {
                               "table": "t", "condition": [{
                                   "field": "id", "value": value,
                                   "operator": "IN" if isinstance(value, list) else "LIKE"}]}}],
                  {"id": "String", "text": "String"})
    answer = start(project).post(EVENT, {"id": "a"}).response("row")
    assert answer["responseCode"] == 422 and "{text?}" in answer["responseMessage"], answer
    assert postgres.run("SELECT count(*) FROM t", database="test") == [(2,)]
