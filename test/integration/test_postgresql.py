"""POSTGRESQL INSERT on a real server: the statement, its result, and its errors."""

import re
import time

import pytest

from actions import ANY, EVENT, insert_into, pg_account
from harness import Wire, request_bytes


# ---- the statement and its result ----------------------------------------------------------------

def test_returning_all(run_insert):
    """Numbers with their digits, json as JSON, booleans and nulls as such, the rest as text."""
    answer = run_insert(
        """CREATE TABLE t (id text, big bigint DEFAULT 9007199254740993,
           exact numeric DEFAULT 12345678901234567890.10, real8 float8 DEFAULT 0.1,
           nan float8 DEFAULT 'NaN', yes boolean DEFAULT true, nothing text,
           js json DEFAULT '{"a": 1.50}', jb jsonb DEFAULT '[1, null]', list text[] DEFAULT '{a,b}',
           at timestamptz DEFAULT '2026-01-02T03:04:05Z', day date DEFAULT '2026-01-02',
           bytes bytea DEFAULT '\\x00ff', uid uuid DEFAULT '0193572e-0000-7000-8000-000000000000')
        """, insert_into(returning="*"), {"id": "é\n"})
    assert answer["responseCode"] == 201
    assert set(answer["responsePayload"]) == {"command", "rowCount", "rows"}
    assert answer["responsePayload"]["rowCount"] == 1
    row = answer["responsePayload"]["rows"][0]
    assert row["id"] == "é\n" and row["yes"] is True and row["nothing"] is None
    assert '"big":9007199254740993' in answer["text"]
    assert '"exact":12345678901234567890.10' in answer["text"]
    assert '"real8":0.1' in answer["text"] and row["nan"] == "NaN"
    assert row["js"] == {"a": 1.5} and "1.50" in answer["text"] and row["jb"] == [1, None]
    assert row["list"] == "{a,b}" and row["day"] == "2026-01-02"
    assert row["at"] == "2026-01-02 03:04:05+00"
    assert row["bytes"] == "\\x00ff" and row["uid"].startswith("0193572e")


def test_returning_columns(run_insert):
    answer = run_insert('CREATE TABLE t (id text, n serial, "Odd Name" int DEFAULT 7)',
                        insert_into(returning=["n", "Odd Name"]), {"id": "a"})
    assert answer["responsePayload"] == {"command": "INSERT", "rowCount": 1,
                                         "rows": [{"n": 1, "Odd Name": 7}]}


def test_without_returning(run_insert):
    answer = run_insert("CREATE TABLE t (id text)", insert_into(), {"id": "a"})
    assert answer["responsePayload"] == {"command": "INSERT", "rowCount": 1}
    assert answer["responseCode"] == 201 and "responseDetail" not in answer


def test_schema_and_table(project, start, postgres):
    postgres.run('CREATE SCHEMA "S.p"; CREATE TABLE "S.p".t (id text); CREATE SCHEMA s;'
                 'CREATE TABLE s.t (id text); CREATE TABLE "Ta ble" (id text)', database="test")
    pg_account(project, postgres)
    project.event(EVENT, [insert_into("s.t"), insert_into("t", ident="b", schema="S.p"),
                          insert_into("Ta ble", ident="c"),
                          insert_into("{text}", ident="d", schema="s")], ANY)
    daemon = start(project)
    reply = daemon.post(EVENT, {"id": "a", "text": "t"})
    for action in ("row", "b", "c", "d"):
        assert reply.response(action)["status"], reply.text
    count = "SELECT (SELECT count(*) FROM s.t), (SELECT count(*) FROM \"S.p\".t), " \
            "(SELECT count(*) FROM \"Ta ble\")"
    assert postgres.run(count, database="test") == [(2, 1, 1)]


def test_another_database(project, start, postgres):
    postgres.run("CREATE TABLE t (id text)", database="live")
    pg_account(project, postgres)
    project.event(EVENT, [insert_into(database="live")], ANY)
    daemon = start(project)
    assert daemon.post(EVENT, {"id": "a"}).response("row")["status"] is True
    assert postgres.run("SELECT id FROM t", database="live") == [("a",)]


CONFLICT = "CREATE TABLE t (id text PRIMARY KEY, value text, text text); " \
           "INSERT INTO t VALUES ('a', 'old', 'old')"
BOTH = {"id": "{id}", "value": "{value}", "text": "{text}"}


@pytest.mark.parametrize("conflict, expected", [
    ({"columns": ["id"], "do": "nothing"}, ("old", "old")),
    ({"do": "nothing"}, ("old", "old")),
    ({"columns": ["id"], "do": "update"}, ("new", "fresh")),
    ({"columns": ["id"], "do": "update", "update": ["value"]}, ("new", "old")),
])
def test_on_conflict(run_insert, postgres, conflict, expected):
    answer = run_insert(CONFLICT, insert_into(payload=BOTH, onConflict=conflict),
                        {"id": "a", "value": "new", "text": "fresh"})
    assert answer["status"] is True and answer["responseCode"] == 201
    assert answer["responsePayload"]["rowCount"] == (conflict["do"] == "update")
    assert postgres.run("SELECT value, text FROM t", database="test") == [expected]


@pytest.mark.parametrize("table", ["{text}", "x{text}"])
def test_no_identifier(run_insert, table):
    empty, null, absent = run_insert("CREATE TABLE x (id text)", insert_into(table),
                                     {"text": ""}, {"text": None}, {})
    assert [answer["responseCode"] for answer in (null, absent)] == [422, 422]
    assert empty["responseCode"] == (422 if table == "{text}" else 201)


def test_a_large_value_and_a_large_statement(run_insert, postgres):
    fits, too_large = run_insert(
        "CREATE TABLE t (id text)", insert_into(payload={"id": "{text}{text}{text}"}),
        {"text": "x" * 300000}, {"text": "x" * 500000},
        settings={"limits": {"request": "1MiB"}})
    assert fits["status"] is True
    assert too_large["responseCode"] == 422 and "larger" in too_large["responseMessage"]
    assert postgres.run("SELECT length(id) FROM t", database="test") == [(900000,)]


# ---- errors --------------------------------------------------------------------------------------

RAISE = """CREATE TABLE t (id text);
CREATE FUNCTION raise_it() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
  RAISE EXCEPTION USING ERRCODE = NEW.id, MESSAGE = 'this is ' || NEW.id,
    DETAIL = 'the detail', HINT = 'the hint'; END $$;
CREATE TRIGGER raise BEFORE INSERT ON t FOR EACH ROW EXECUTE FUNCTION raise_it()"""

# SQLSTATE -> responseCode, row by row of the manual's table.
CODES = {"23505": 409, "23514": 409, "23P01": 409, "22012": 400, "22P02": 400, "42703": 400,
         "42P01": 400, "42501": 403, "P0001": 500, "XX000": 500, "0A000": 500, "25006": 500,
         "40001": 503, "40P01": 503, "55P03": 503, "53100": 503, "53200": 503, "53300": 503,
         "58030": 503, "57014": 504, "57000": 503, "57P01": 503, "57P02": 503, "57P03": 503,
         "08006": 503, "08000": 503}


def test_sqlstates(run_insert):
    """Each error's class gives the code; DETAIL and HINT stay inside, and the pool goes on."""
    answers = run_insert(RAISE, insert_into(), *({"id": state} for state in CODES))
    failures = []
    for (state, code), answer in zip(CODES.items(), answers):
        if (answer["status"], answer["state"], answer["responseCode"]) != (False, "failed", code) \
                or answer["responseDetail"] != state \
                or f"this is {state}" not in answer["responseMessage"] \
                or answer["responsePayload"] is not None:
            failures.append(f"{state}: {answer['responseCode']} {answer.get('responseDetail')} "
                            f"{answer['responseMessage']}, not {code}")
        if re.search("the (detail|hint)|raise_it", answer["text"]):
            failures.append(f"{state}: tells too much: {answer['responseMessage']}")
    assert not failures, "\n".join(failures)


def test_details_when_they_are_asked_for(run_insert):
    answer = run_insert(RAISE, insert_into(), {"id": "23505"},
                        settings={"replies": {"detail": "full"}})
    lines = answer["responseMessage"].split("\n")
    assert "this is 23505" in lines[0]
    assert "the detail" in lines[1] and "the hint" in lines[2] and "raise_it" in lines[3]
    assert answer["responseDetail"] == "23505"


def test_a_long_detail_is_cut(run_insert):
    """In the midst of no character, and what follows it is still told."""
    answer = run_insert(RAISE.replace("'the detail'", "'x' || repeat('é', 50000)"), insert_into(),
                        {"id": "23505"}, settings={"replies": {"detail": "full"}})
    lines = answer["responseMessage"].split("\n")
    assert lines[1] == "x" + "é" * 4095 + "..." and "the hint" in lines[2]
    assert "raise_it" in lines[3]


@pytest.mark.parametrize("ddl, payload, code, state", [
    ("CREATE TABLE t (id text NOT NULL)", {"id": "{value}"}, 409, "23502"),
    ("CREATE TABLE t (id int)", {"id": "{text}"}, 400, "22P02"),
    ("CREATE TABLE t (id smallint)", {"id": "{number}"}, 400, "22003"),
    ("CREATE TABLE t (id json)", {"id": "{text}"}, 400, "22P02"),
    ("CREATE TABLE t (id text CHECK (id <> 'word'))", {"id": "{text}"}, 409, "23514"),
    ("CREATE TABLE t (other text)", {"id": "{text}"}, 400, "42703"),
    ("CREATE TABLE other (id text)", {"id": "{text}"}, 400, "42P01"),
    ("CREATE TABLE p (id text PRIMARY KEY); CREATE TABLE t (id text REFERENCES p)",
     {"id": "{text}"}, 409, "23503"),
    ("CREATE TABLE p (id text PRIMARY KEY); CREATE TABLE t (id text REFERENCES p "
     "DEFERRABLE INITIALLY DEFERRED)", {"id": "{text}"}, 409, "23503"),
    ("CREATE VIEW t AS SELECT 'x' || 'y' AS id", {"id": "{text}"}, 500, "55000"),
])
def test_errors_of_the_server(run_insert, postgres, ddl, payload, code, state):
    """The real ones, among them one that comes only at the commit; nothing is stored."""
    answer = run_insert(ddl, insert_into(payload=payload), {"text": "word", "number": 40000})
    assert (answer["responseCode"], answer["responseDetail"]) == (code, state), answer
    if "CREATE TABLE t" in ddl:
        assert postgres.run("SELECT count(*) FROM t", database="test") == [(0,)]


def test_permission_denied(project, start, postgres):
    postgres.run("CREATE TABLE t (id text); DROP ROLE IF EXISTS guest; "
                 "CREATE ROLE guest LOGIN PASSWORD 'guest'", database="test")
    project.account("pg", "POSTGRESQL", test={"url": postgres.url("test").replace(
        "volley:secret", "guest:guest")}, live={"url": postgres.url("live")})
    project.event(EVENT, [insert_into()], ANY)
    answer = start(project).post(EVENT, {"id": "a"}).response("row")
    assert (answer["responseCode"], answer["responseDetail"]) == (403, "42501")


def test_a_bad_row_costs_no_other(project, start, postgres):
    """Many at once over few connections, some of them bad: exactly the bad ones fail."""
    postgres.run("CREATE TABLE t (id text PRIMARY KEY, value int)", database="test")
    pg_account(project, postgres, pool={"connections": 2})
    project.event(EVENT, [insert_into(payload={"id": "{id}", "value": "{value}"})], ANY)
    daemon = start(project)
    with Wire(daemon.port) as wire:
        wire.send(b"".join(request_bytes(
            daemon, EVENT, b'{"id":"%d","value":%s}' % (n, b'"bad"' if n % 7 == 0 else b"1"))
            for n in range(300)))
        answers = [wire.reply().response("row") for _ in range(300)]
    for number, answer in enumerate(answers):
        assert answer["responseCode"] == (400 if number % 7 == 0 else 201), (number, answer)
    good = sum(number % 7 != 0 for number in range(300))
    assert postgres.run("SELECT count(*) FROM t", database="test") == [(good,)]


def test_a_big_answer_of_postgresql(project, start, postgres):
    """Beyond responseLimit rows are dropped and it says so; the connection serves on."""
    postgres.run("CREATE TABLE t (id text)", database="test")
    pg_account(project, postgres, pool={"responseLimit": "1KiB", "connections": 1})
    project.event(EVENT, [insert_into(payload={"id": "{text}"}, returning="*")], ANY)
    daemon = start(project)
    small, big, again = (daemon.post(EVENT, {"text": "x" * size}).response("row")
                         for size in (100, 5000, 100))
    assert small["responsePayload"]["rows"] == [{"id": "x" * 100}] and "truncated" not in small
    assert big["status"] is True and big["truncated"] is True
    assert big["responsePayload"]["rows"] == [] and big["responsePayload"]["rowCount"] == 1
    assert again["responsePayload"] == small["responsePayload"]
    assert postgres.run("SELECT count(*) FROM t", database="test") == [(3,)]


def test_a_changed_table_is_prepared_again(project, start, postgres):
    postgres.run("CREATE TABLE t (id text)", database="test")
    pg_account(project, postgres, pool={"connections": 1})
    project.event(EVENT, [insert_into(returning="*")], ANY)
    daemon = start(project)
    assert daemon.post(EVENT, {"id": "a"}).response("row")["status"] is True
    postgres.run("ALTER TABLE t ADD COLUMN extra int DEFAULT 5", database="test")
    answer = daemon.post(EVENT, {"id": "b"}).response("row")
    assert answer["responsePayload"]["rows"] == [{"id": "b", "extra": 5}], answer
    postgres.run("DROP TABLE t; CREATE TABLE t (id varchar(10))", database="test")
    assert daemon.post(EVENT, {"id": "c"}).response("row")["status"] is True


@pytest.mark.parametrize("before, after, value, expected", [
    ("text[]", "json USING to_json(v)", ["c"], '["c"]'),
    ("json", "text[] USING NULL", ["c"], "{c}"),
    ("int", "text", "word", "word"), ("int", "bigint", 3000000000, "3000000000"),
])
def test_a_changed_type_is_seen_by_nobody(project, start, postgres, before, after, value, expected):
    """Parameters keep the types that they were prepared with, until one of them does not fit."""
    postgres.run(f"CREATE TABLE t (v {before})", database="test")
    pg_account(project, postgres, pool={"connections": 1})
    project.event(EVENT, [insert_into(payload={"v": "{value}"})], ANY)
    daemon = start(project)
    first = {"value": 1 if before == "int" else ["a"]}
    assert daemon.post(EVENT, first).response("row")["status"] is True
    time.sleep(1.1)  # so long a value that does not fit is only a bad value
    postgres.run(f"ALTER TABLE t ALTER v TYPE {after}", database="test")
    for _ in range(2):
        answer = daemon.post(EVENT, {"value": value}).response("row")
        assert answer["status"] is True, answer
    rows = postgres.run("SELECT v::text FROM t OFFSET 1", database="test")
    assert rows == [(expected,), (expected,)]


@pytest.mark.parametrize("before", ["none", "good", "bad"])
def test_one_text_of_two_events(project, start, postgres, before):
    """
    The same SQL, once with values that need no type of a column and then with some that do, on one
    connection: whatever the first one came to.
    """
    postgres.run("CREATE TABLE t (v text[], j jsonb)", database="test")
    pg_account(project, postgres, pool={"connections": 1})
    model = {"a": "String", "b": "String", "list": ["String"], "any": "Any"}
    project.event("plain.event", [insert_into(payload={"v": "{a}", "j": "{b}"})], model)
    project.event("typed.event", [insert_into(payload={"v": "{list}", "j": "{any}"})], model)
    daemon = start(project)
    if before != "none":
        answer = daemon.post("plain.event", {"a": "{x}" if before == "good" else "x", "b": "1"})
        assert answer.response("row")["responseCode"] == (201 if before == "good" else 400)
    for _ in range(2):
        answer = daemon.post("typed.event", {"list": ["a", "b"], "any": "word"}).response("row")
        assert answer["status"] is True, answer
    assert daemon.post("plain.event", {"a": "{y}", "b": "2"}).response("row")["status"] is True
    rows = postgres.run("SELECT v, j FROM t", database="test")
    assert rows == [(["x"], 1)] * (before == "good") + [(["a", "b"], "word")] * 2 + [(["y"], 2)]


def test_prepare_false(run_insert, postgres):
    answers = run_insert("CREATE TABLE t (id text, v jsonb, l text[])", insert_into(
        payload={"id": "{id}", "v": "{value}", "l": "{value.l}"}),
        *({"id": str(n), "value": {"l": ["a"]}} for n in range(3)), account={"prepare": False})
    assert all(answer["status"] for answer in answers), answers
    assert postgres.run("SELECT count(*) FROM t WHERE l = '{a}'", database="test") == [(3,)]


def test_forms_of_the_url(project, start, postgres):
    postgres.run("CREATE TABLE t (id text)", database="test")
    urls = [f"host=127.0.0.1 port={postgres.port} user=volley password=secret dbname=test",
            f"postgres://volley:secret@localhost:{postgres.port}/test",
            f"host={postgres.folder} port={postgres.port} user=volley password='secret' dbname=test",
            f"postgresql://volley:s%65cret@127.0.0.1:{postgres.port}/test?application_name=x"]
    actions = []
    for number, url in enumerate(urls):
        project.account(f"pg{number}", "POSTGRESQL", test={"url": url}, live={"url": url})
        actions.append(insert_into(ident=f"row{number}", account=f"pg{number}"))
    project.event(EVENT, actions, ANY)
    reply = start(project).post(EVENT, {"id": "a"})
    for number in range(len(urls)):
        assert reply.response(f"row{number}")["status"] is True, reply.text
