"""POSTGRESQL QUERY on a real server: rows, parameters, what is refused, and what leaves no trace."""

import json

import pytest

from actions import EVENT, insert_into, pg_account
from harness import Wire, cli, request_bytes

MODEL = {"id": "String", "text": "String", "number": "Number", "flag": "Boolean", "when": "Date",
         "list": "Array", "tags": ["String"], "meta": "Object", "value": "Any",
         "items": [{"price": "Number"}]}


def query(sql, ident="row", account="pg", **template):
    options = {name: template.pop(name) for name in ("timeout", "retry") if name in template}
    return {"id": ident, "type": "POSTGRESQL", "action": "QUERY", "serviceAccountId": account,
            **options, "template": {"sql": sql, **template}}


@pytest.fixture
def serve(project, start, postgres):
    """serve(ddl, action, ...): a daemon with an event of these actions."""
    def make(ddl, *actions, **account):
        if ddl:
            postgres.run(ddl, database="test")
        pg_account(project, postgres, **account)
        project.event(EVENT, list(actions), MODEL)
        return start(project)
    return make


@pytest.fixture
def run(serve):
    """run(ddl, sql, payload, ...): the response to each payload, with the reply's text."""
    def make(ddl, sql, *payloads, **account):
        daemon = serve(ddl, query(sql), **account)
        answers = []
        for payload in payloads:
            reply = daemon.post(EVENT, payload)
            assert reply.status == 201, reply.text
            answers.append(reply.response("row") | {"text": reply.text})
        return answers if len(answers) > 1 else answers[0]
    return make


def rows_of(answer):
    assert answer["status"] is True, answer
    return answer["responsePayload"]["rows"]


# ---- rows ----------------------------------------------------------------------------------------

def test_rows_and_their_types(run):
    """Numbers with their digits, json as JSON, booleans and nulls as such, the rest as text."""
    answer = run(None, """
        SELECT 9007199254740993 AS big, 12345678901234567890.10 AS exact, 0.1::float8 AS real8,
               'NaN'::float8 AS nan, true AS yes, NULL AS nothing, '{"a": 1.50}'::json AS js,
               '[1, null]'::jsonb AS jb, '{a,b}'::text[] AS list, '\\x00ff'::bytea AS bytes,
               'é'::text AS text, timestamptz '2026-01-02T03:04:05Z' AS at, 7::oid AS oid
        UNION ALL SELECT 2, 2, 2, 2, false, 'x', 'null', '1', '{}', '', '', now(), 8
        """, {})
    assert answer["responseCode"] == 200 and '"serviceAction":"QUERY"' in answer["text"]
    payload = answer["responsePayload"]
    assert (payload["command"], payload["rowCount"], len(payload["rows"])) == ("SELECT", 2, 2)
    row = payload["rows"][0]
    assert '"big":9007199254740993' in answer["text"]
    assert '"exact":12345678901234567890.10' in answer["text"] and '"a":1.50' in answer["text"]
    assert row["real8"] == 0.1 and row["nan"] == "NaN" and row["yes"] is True
    assert row["nothing"] is None and row["jb"] == [1, None] and row["list"] == "{a,b}"
    assert row["bytes"] == "\\x00ff" and row["text"] == "é" and row["oid"] == 7
    assert row["at"] == "2026-01-02 03:04:05+00"
    assert payload["rows"][1]["js"] is None and payload["rows"][1]["yes"] is False


def test_no_rows(run):
    answer = run(None, "SELECT 1 AS x WHERE {flag}", {"flag": False})
    assert answer["responsePayload"] == {"command": "SELECT", "rowCount": 0, "rows": []}
    assert "truncated" not in answer


def test_columns_with_one_name(run):
    assert rows_of(run(None, "SELECT 1 AS a, 2 AS b, 3 AS a", {})) == [{"a": 3, "b": 2}]


def test_another_database(project, start, postgres):
    pg_account(project, postgres)
    project.event(EVENT, [query("SELECT current_database() AS name", database="live")], MODEL)
    assert rows_of(start(project).post(EVENT, {}).response("row")) == [{"name": "live"}]


# ---- parameters ----------------------------------------------------------------------------------

TYPES = """CREATE TABLE t (id int, exact numeric, words text[], ints int[], doc jsonb, docs jsonb[],
                           at timestamptz, flag boolean, text text, any_ jsonb, anys text[])"""
EVERY = """INSERT INTO t VALUES ({number}, {number|12345678901234567890.50}, {tags}, {items.price},
                                 '{meta}', {list}, {when}, '{flag}', {text}, {value}, {value?})
           RETURNING id, exact, words, ints, doc, docs, at, flag, text, any_, anys"""


def test_parameters_of_every_type(run, postgres):
    answer = run(TYPES, EVERY, {
        "number": 7, "tags": ["a b", "c,d", None, "\"'\\"], "items": [{"price": 1}, {"price": 2}],
        "meta": {"a": [1.50]}, "list": [{"x": 1}, "s"], "when": "2026-01-02T03:04:05",
        "flag": True, "text": "é'\\", "value": ["p", "q"]})
    assert answer["responseCode"] == 200 and answer["responsePayload"]["command"] == "INSERT"
    row = rows_of(answer)[0]
    assert row["id"] == 7 and row["doc"] == {"a": [1.5]} and row["at"] == "2026-01-02 03:04:05+00"
    assert row["flag"] is True and row["text"] == "é'\\" and row["any_"] == ["p", "q"]
    stored = postgres.run("SELECT words, ints, docs::text[], anys FROM t", database="test")
    assert stored == [(["a b", "c,d", None, "\"'\\"], [1, 2], ['{"x": 1}', '"s"'], ["p", "q"])]


def test_numbers_digit_for_digit(serve):
    daemon = serve("CREATE TABLE t (n numeric)", query("INSERT INTO t VALUES ({number}) RETURNING n"))
    reply = daemon.post(EVENT, raw='{"number": 12345678901234567890.123456789000}')
    assert '"n":12345678901234567890.123456789000' in reply.text


def test_absent_and_null_are_null(run):
    sql = "SELECT {id}::text AS a, {id?}::text AS b, '{id|none}' AS c, '{number}'::int AS d"
    for answer in run(None, sql, {}, {"id": None, "number": None}):
        assert rows_of(answer) == [{"a": None, "b": None, "c": "none", "d": None}]


def test_whole_literals_and_casts(run):
    answer = run("CREATE TABLE t (id int, name text); INSERT INTO t VALUES (1, 'a'), (2, 'b')",
                 "SELECT name, '{number}' + 1 AS n, {number}::text AS t, E'{text}' AS e "
                 "FROM t WHERE id = '{number}'", {"number": 2, "text": "\\n'"})
    assert rows_of(answer) == [{"name": "b", "n": 3, "t": "2", "e": "\\n'"}]


def test_patterns(run):
    answers = run("CREATE TABLE t (name text); INSERT INTO t VALUES ('Anna'), ('Bob')",
                  "SELECT name FROM t WHERE name LIKE '%' || {text} || '%'",
                  {"text": "nn"}, {"text": "' OR true --"})
    assert [rows_of(answer) for answer in answers] == [[{"name": "Anna"}], []]


def test_braces_that_are_text(run):
    answer = run(None, """SELECT '{"a": {"b": [1]}}'::jsonb AS j, '{1,2}'::int[] AS l,
                          '\\{id}' AS e, ('{"k":7}'::jsonb) #> '\\{k}' AS p, 'a{2}' AS q""", {})
    assert rows_of(answer) == [{"j": {"a": {"b": [1]}}, "l": "{1,2}", "e": "{id}", "p": 7,
                                "q": "a{2}"}]


ATTACKS = ["'; DROP TABLE t; --", "' OR '1'='1", "\\'; DROP TABLE t; --", "$$; DROP TABLE t; $$",
           "{number}", "$1", "*/ DROP TABLE t /*", "\u02bc; DROP TABLE t", "') RETURNING (SELECT 1"]


def test_values_never_become_sql(run, postgres):
    answers = run("CREATE TABLE t (v text)",
                  "INSERT INTO t SELECT x FROM (VALUES ({text}), ('{id}'), (E'{value}')) AS v (x) "
                  "RETURNING v",
                  *({"text": attack, "id": attack, "value": attack} for attack in ATTACKS))
    for attack, answer in zip(ATTACKS, answers):
        assert rows_of(answer) == [{"v": attack}] * 3
    assert postgres.run("SELECT count(*) FROM t", database="test") == [(3 * len(ATTACKS),)]


def test_a_nul_and_a_value_that_does_not_fit(run):
    nul, array = run("CREATE TABLE t (l int[])", "INSERT INTO t VALUES ({list?}), ({value?})",
                     {"value": "a\0b"}, {"list": [[1], [2, 3]]})
    assert nul["responseCode"] == 422 and "{value?} in sql" in nul["responseMessage"], nul
    assert array["status"] is False and "differ in length" in array["responseMessage"], array


# ---- statements ----------------------------------------------------------------------------------

def test_with_and_update_and_call(serve, postgres):
    ddl = """CREATE TABLE t (id text PRIMARY KEY, n int); CREATE TABLE log (id text);
             CREATE FUNCTION twice(n int) RETURNS int LANGUAGE sql AS 'SELECT 2 * n';
             CREATE PROCEDURE note(id text) LANGUAGE sql AS 'INSERT INTO log VALUES (id)'"""
    daemon = serve(
        ddl,
        query("WITH new AS (INSERT INTO t VALUES ({id}, {number}) RETURNING id), noted AS "
              "(INSERT INTO log SELECT id FROM new) SELECT id FROM new;", ident="row"),
        query("UPDATE t SET n = n + 1 WHERE id = 'nobody'", ident="update"),
        query("SELECT twice({number}) AS n", ident="function"),
        query("CALL note('called ' || {id})", ident="call"),
        query("DO $$ BEGIN INSERT INTO log VALUES ('\\{done}'); END $$", ident="do"),
        query("-- in the end\nVALUES (1), (2);\n", ident="values"))
    reply = daemon.post(EVENT, {"id": "a", "number": 21})
    assert rows_of(reply.response("row")) == [{"id": "a"}]
    assert reply.response("update")["responsePayload"] == {"command": "UPDATE", "rowCount": 0}
    assert rows_of(reply.response("function")) == [{"n": 42}]
    assert reply.response("call")["responsePayload"]["command"] == "CALL"
    assert reply.response("do")["responsePayload"] == {"command": "DO", "rowCount": None}
    assert rows_of(reply.response("values")) == [{"column1": 1}, {"column1": 2}]
    assert sorted(postgres.run("SELECT id FROM log", database="test")) == [
        ("a",), ("called a",), ("{done}",)]


@pytest.mark.parametrize("sql, code, state", [
    ("SELECT * FROM nowhere", 400, "42P01"),
    ("SELECT {text}::int", 400, "22P02"),
    ("SELECT 1 / {number}::int", 400, "22012"),
    ("SELEC 1", 400, "42601"),
    ("SELECT { text }", 400, "42601"),
    ("SELECT raise('P0001', {text})", 500, "P0001"),
    ("SELECT raise('23505', {text})", 409, "23505"),
    ("SELECT raise('40001', {text})", 503, "40001"),
    ("SELECT raise('42501', {text})", 403, "42501"),
])
def test_errors_of_the_server(run, sql, code, state):
    answer = run("CREATE FUNCTION raise(state text, message text) RETURNS int LANGUAGE plpgsql AS "
                 "$$ BEGIN RAISE EXCEPTION USING ERRCODE = state, MESSAGE = message; END $$",
                 sql, {"text": "word", "number": 0})
    assert (answer["responseCode"], answer["responseDetail"]) == (code, state), answer
    assert answer["status"] is False and answer["responsePayload"] is None


def test_an_unanswered_query_is_not_repeated(serve, postgres):
    """It was sent and may have been done: no second attempt, although retries are allowed."""
    daemon = serve("CREATE SEQUENCE tries; CREATE FUNCTION die() RETURNS int LANGUAGE plpgsql AS "
                   "$$ BEGIN PERFORM nextval('tries'); PERFORM pg_terminate_backend("
                   "pg_backend_pid()); PERFORM pg_sleep(5); RETURN 1; END $$",
                   query("SELECT die()", retry={"attempts": 3, "delay": "10ms"}))
    answer = daemon.post(EVENT, {}).response("row")
    assert answer["responseCode"] == 503 and answer.get("attempts", 1) == 1, answer
    assert postgres.run("SELECT last_value FROM tries", database="test") == [(1,)]


def test_prepared_once(serve, postgres):
    daemon = serve(None, query("SELECT {text} AS t, (SELECT count(*) FROM pg_prepared_statements) "
                               "AS n"), pool={"connections": 1})
    seen = [rows_of(daemon.post(EVENT, {"text": str(n)}).response("row"))[0] for n in range(5)]
    assert [row["t"] for row in seen] == ["0", "1", "2", "3", "4"]
    assert {row["n"] for row in seen} == {1}


def test_prepare_false(run):
    answers = run(TYPES, EVERY, *({"number": 7, "tags": ["a"], "meta": {}, "list": [1]},) * 3,
                  prepare=False)
    assert [rows_of(answer)[0]["words"] for answer in answers] == ["{a}"] * 3


# ---- many rows -----------------------------------------------------------------------------------

def test_more_rows_than_fit(serve):
    """What fits is there, the count is of all, and the connection serves on."""
    daemon = serve(None, query("SELECT n, repeat('x', 90) AS x FROM "
                               "generate_series(1, {number}::int) AS n"),
                   query("SELECT pg_backend_pid() AS pid", ident="pid"),
                   pool={"responseLimit": "2KiB", "connections": 1})
    small, big, again = (daemon.post(EVENT, {"number": count}) for count in (3, 1000, 3))
    assert len(rows_of(small.response("row"))) == 3 and "truncated" not in small.response("row")
    answer = big.response("row")
    assert answer["status"] is True and answer["truncated"] is True
    assert answer["responsePayload"]["rowCount"] == 1000
    assert [row["n"] for row in rows_of(answer)] == list(range(1, len(rows_of(answer)) + 1))
    assert 10 <= len(rows_of(answer)) <= 20
    assert rows_of(again.response("row")) == rows_of(small.response("row"))
    assert rows_of(again.response("pid")) == rows_of(small.response("pid"))


def test_far_more_rows_than_fit(serve):
    """Beyond 64 times the limit the connection is closed; the next event has another one."""
    daemon = serve(None, query("SELECT n, repeat('x', 90) AS x FROM "
                               "generate_series(1, {number}::int) AS n"),
                   pool={"responseLimit": "2KiB", "connections": 1})
    answer = daemon.post(EVENT, {"number": 1000000}).response("row")
    assert answer["status"] is False and answer["responseCode"] == 503, answer
    assert "64 times the responseLimit" in answer["responseMessage"]
    assert len(rows_of(daemon.post(EVENT, {"number": 3}).response("row"))) == 3


@pytest.mark.long_pass("libpq takes in a row of 64 MiB as a whole")
def test_one_row_that_is_far_too_large(serve):
    """The connection is closed, at the latest when all of it has come."""
    daemon = serve(None, query("SELECT repeat('x', {number}::int) AS x"),
                   pool={"responseLimit": "16KiB", "connections": 1})
    assert len(rows_of(daemon.post(EVENT, {"number": 8}).response("row"))[0]["x"]) == 8
    answer = daemon.post(EVENT, {"number": 500_000}).response("row")
    assert answer["status"] is True and answer["truncated"] is True
    answer = daemon.post(EVENT, {"number": 60_000_000}).response("row")
    assert answer["status"] is False and answer["responseCode"] == 503, answer
    assert "64 times the responseLimit" in answer["responseMessage"]
    assert len(rows_of(daemon.post(EVENT, {"number": 8}).response("row"))[0]["x"]) == 8


# ---- what leaves no trace ------------------------------------------------------------------------

TRIES = """CREATE TABLE t (id text);
CREATE PROCEDURE committing(x text) LANGUAGE plpgsql AS
$$ BEGIN INSERT INTO t VALUES (x); COMMIT; INSERT INTO t VALUES (x); END $$;
CREATE FUNCTION committing_function() RETURNS int LANGUAGE plpgsql AS
$$ BEGIN COMMIT; RETURN 1; END $$;"""


@pytest.mark.parametrize("sql, code", [
    ("DO $$ BEGIN COMMIT; END $$", 200),
    ("DO $$ BEGIN ROLLBACK; END $$", 200),
    ("DO $$ BEGIN INSERT INTO t VALUES ('kept'); COMMIT; END $$", 200),
    ("CALL committing({text})", 200),
    ("SELECT committing_function()", 500),
    ("DO $$ BEGIN EXECUTE 'BEGIN'; END $$", 500),
    ("DO $$ BEGIN EXECUTE 'COPY t TO STDOUT'; END $$", 500),
    ("DO $$ BEGIN SET LOCAL search_path = nowhere; END $$", 200),
    ("SELECT set_config('search_path', 'nowhere', true)", 200),
    ("SELECT 1 / 0", 400),
    ("EXPLAIN ANALYZE INSERT INTO t VALUES ({text})", 200),
])
def test_the_next_one_is_not_harmed(project, start, postgres, sql, code):
    """Whatever a statement tries with its transaction: the next one on the connection is whole."""
    postgres.run(TRIES, database="test")
    pg_account(project, postgres, pool={"connections": 1})
    project.event(EVENT, [query(sql)], MODEL)
    project.event("next.event", [
        insert_into(payload={"id": "next"}),
        query("SELECT count(*) AS n, current_setting('search_path') AS path FROM t "
              "WHERE id = 'next'", ident="count")], MODEL)
    daemon = start(project)
    for number in range(1, 3):
        answer = daemon.post(EVENT, {"text": "x"}).response("row")
        assert (answer["responseCode"], answer["status"]) == (code, code == 200), answer
        reply = daemon.post("next.event", {})
        assert reply.response("row")["responseCode"] == 201, reply.text
        assert rows_of(reply.response("count"))[0]["path"] == '"$user", public'
        assert postgres.run("SELECT count(*) FROM t WHERE id = 'next'", database="test") == [
            (number,)]
    assert not postgres.run("SELECT 1 FROM pg_stat_activity WHERE datname = 'test' AND "
                            "state LIKE 'idle in transaction%'")


def test_beside_inserts(project, start, postgres):
    """QUERYs that end transactions or fail, among INSERTs that share some: each has its own fate."""
    postgres.run("CREATE TABLE t (id text PRIMARY KEY)", database="test")
    pg_account(project, postgres, pool={"connections": 1})
    project.event(EVENT, [
        insert_into(ident="a", payload={"id": "{id}a"}),
        query("DO $$ BEGIN COMMIT; END $$", ident="commit"),
        insert_into(ident="b", payload={"id": "{id}b"}),
        query("SELECT 1 / 0", ident="fails"),
        insert_into(ident="c", payload={"id": "{id}c"}),
        query("SELECT count(*) AS n FROM t WHERE id LIKE {id} || '%'", ident="row")], MODEL)
    daemon = start(project)
    with Wire(daemon.port) as wire:
        wire.send(b"".join(request_bytes(daemon, EVENT, b'{"id":"x%d"}' % n) for n in range(5)))
        replies = [wire.reply() for _ in range(5)]
    for reply in replies:
        codes = {ident: reply.response(ident)["responseCode"]
                 for ident in ("a", "commit", "b", "fails", "c", "row")}
        assert codes == {"a": 201, "commit": 200, "b": 201, "fails": 400, "c": 201, "row": 200}
    assert postgres.run("SELECT count(*) FROM t", database="test") == [(15,)]


# ---- what is refused -----------------------------------------------------------------------------

REFUSED = [
    ("SELECT 'a {text}'", "longer literal", "{text}", "'a ' || {text}"),
    ("SELECT LIKE '%{text}%'", "longer literal", "{text}", "'%' || {text} || '%'"),
    ('SELECT 1\n  AS "{text}"', "in a name", "{text}", "literal"),
    ("SELECT 1\n\n  -- {text}\n", "comment", "{text}", "remove"),
    ("SELECT $a$\n {text} $a$", "dollar quotes", "{text}", "parameter"),
    ("SELECT\n  $1", "not numbered", "$1", "{path}"),
    ("SELECT 1;\nSELECT 2", "second statement", "SELECT 2", "WITH"),
    ("SELECT\n  'é' || {txet}", "txet", "txet", "text"),
    ("SELECT\n  'it", "closing quote", "'it", None),
    ("SELECT 1 /* it", "*/", "/* it", None),
    ("SELECT * FROM tab_{text}", "glued", "{text}", "literal"),
    ("NOTIFY c,\n  '{text}'", "takes no values", "'{text}'", "pg_notify"),
] + [(f"/* first */ (\n {word.lower()} x", word, word.lower(), "") for word in (
    "BEGIN", "START", "COMMIT", "END", "ROLLBACK", "ABORT", "SAVEPOINT", "RELEASE", "PREPARE",
    "EXECUTE", "DEALLOCATE", "DECLARE", "SET", "RESET", "DISCARD", "LISTEN", "UNLISTEN", "COPY",
    "LOCK")]


def test_what_is_refused_at_load(project, postgres):
    """One event for each: `volley test` tells the place, in blocks of several lines too."""
    pg_account(project, postgres)
    places = {}
    for number, (sql, message, marked, hint) in enumerate(REFUSED):
        ident = f"refused.n{number}"
        block = "".join(f"\n            {line}" if line else "\n" for line in sql.split("\n"))
        text = f"""id: {ident}
eventGroup: refused
model: {{ text: String }}
filters:
  - id: f
    actions:
      - id: row
        type: POSTGRESQL
        action: QUERY
        serviceAccountId: pg
        template:
          sql: |{block}
"""
        project.write(f"events/{ident}.yaml", text)
        # The last one: words of the sql, the first of which may stand in a comment too.
        offset = text.rindex(marked)
        line = text.count("\n", 0, offset) + 1
        column = offset - text.rfind("\n", 0, offset)
        places[f"events/{ident}.yaml"] = (line, column, message, hint)
    done = cli("test", "--json", project=project.folder)
    found = {}
    for entry in json.loads(done.stdout)["messages"]:
        if entry["severity"] == "error":
            found.setdefault(entry["file"], []).append(entry)
    assert set(found) == set(places)
    for file, (line, column, message, hint) in places.items():
        entry, = found[file]
        assert (entry["line"], entry["column"]) == (line, column), (entry, line, column)
        assert message in entry["message"] and (not hint or hint in entry["hint"]), entry


def test_the_caret(project, postgres):
    pg_account(project, postgres)
    project.write("events/refused.one.yaml", """id: refused.one
eventGroup: refused
model: { text: String }
filters:
  - id: f
    actions:
      - { id: row, type: POSTGRESQL, action: QUERY, serviceAccountId: pg, template: {
          sql: "SELECT 1 FROM t WHERE x LIKE 'é%{text}%'" } }
""")
    done = cli("test", project=project.folder)
    lines = (done.stdout + done.stderr).split("\n")
    at = next(n for n, line in enumerate(lines) if "longer literal" in line)
    assert lines[at].startswith("events/refused.one.yaml:8:")
    assert lines[at + 2].index("^~~~~~") == lines[at + 1].index("{text}")
    assert lines[at + 3].strip() == "hint: write 'é%' || {text} || '%'"


def test_nothing_to_tell(project, postgres):
    """It is served: no warning, and no error where the text only looks like what is refused."""
    pg_account(project, postgres)
    project.event(EVENT, [query("SELECT 'a; COMMIT', {text} AS \"set\"; -- $1\n")], MODEL)
    done = cli("test", "--json", project=project.folder)
    assert done.returncode == 0 and json.loads(done.stdout)["messages"] == []
