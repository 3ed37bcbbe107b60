"""
What one task's QUERY does to its connection is no other task's trouble: transactions, settings and
COPY are refused when the folder is read, and what only shows at run time stays where it was.
"""

import pytest

from actions import EVENT, insert_into, pg_account
from harness import Wire, cli, request_bytes

MODEL = {"id": "String", "text": "String"}


def query(sql, ident="query", **options):
    return {"id": ident, "type": "POSTGRESQL", "action": "QUERY", "serviceAccountId": "pg",
            **options, "template": {"sql": sql}}


# ---- refused at load -----------------------------------------------------------------------------

WORDS = ["BEGIN", "START TRANSACTION", "COMMIT", "END", "ROLLBACK", "ABORT", "SAVEPOINT s",
         "RELEASE SAVEPOINT s", "PREPARE p AS SELECT 1", "EXECUTE p", "DEALLOCATE ALL",
         "DECLARE c CURSOR FOR SELECT 1", "SET search_path TO x", "SET LOCAL statement_timeout = 0",
         "RESET ALL", "DISCARD ALL", "LISTEN l", "UNLISTEN *", "COPY t FROM STDIN", "LOCK TABLE t"]
DISGUISES = ["begin", "  CoMmIt ;", "/* SELECT */ COMMIT", "/* a /* nested */ one */BEGIN",
             "-- SELECT 1\nROLLBACK", "\n\t-- x\r\n /**/ SET a.b = 1", ";COMMIT",
             " ; ; COPY t TO STDOUT"]
SEVERAL = ["SELECT 1; COMMIT", "SELECT ';'; SELECT 2", "INSERT INTO t VALUES ({id});;BEGIN",
           "SELECT $$;$$ ; /* ; */ SELECT 2", "SELECT 1 /* ; */; -- ;\n COMMIT"]


@pytest.mark.parametrize("sql", WORDS + DISGUISES + SEVERAL)
def test_refused_at_load(project, sql):
    """The message stands at the action's file, under the text of the statement."""
    project.account("pg", "POSTGRESQL", test={"url": "postgresql://127.0.0.1/x"})
    project.event(EVENT, [query(sql)], MODEL)
    done = cli("test", project=project.folder)
    assert done.returncode == 1, done.stdout + done.stderr
    told = done.stdout + done.stderr
    assert f"{EVENT}.yaml:" in told and ": error: " in told, told


@pytest.mark.parametrize("sql", [
    "SELECT 1;", "SELECT 'COMMIT; BEGIN'", "SELECT 1 /* ; COMMIT */", "SELECT $x$; COMMIT$x$",
    'SELECT 1 AS "begin;"', "WITH x AS (SELECT 1) SELECT * FROM x -- ; BEGIN",
    "SELECT E'\\\\'; -- COMMIT", "VALUES (1)", "(SELECT 1)"])
def test_served_although_it_looks_like_one(project, start, postgres, sql):
    answer = begin(project, start, postgres, [query(sql)]).post(EVENT, {}).response("query")
    assert answer["status"] is True and answer["responseCode"] == 200, answer


# ---- at run time ---------------------------------------------------------------------------------

TABLES = """CREATE TABLE t (id text, path text DEFAULT current_setting('search_path'),
  zone text DEFAULT current_setting('TimeZone'),
  wait text DEFAULT current_setting('statement_timeout'),
  isolation text DEFAULT current_setting('transaction_isolation'));
CREATE FUNCTION copy_out() RETURNS int LANGUAGE plpgsql AS
$$ BEGIN EXECUTE 'COPY t TO STDOUT'; RETURN 1; END $$;
CREATE PROCEDURE commit_it() LANGUAGE plpgsql AS
$$ BEGIN INSERT INTO t VALUES ('by the procedure'); COMMIT; END $$;
CREATE PROCEDURE roll_it_back() LANGUAGE plpgsql AS
$$ BEGIN INSERT INTO t VALUES ('rolled back'); ROLLBACK; END $$"""


def begin(project, start, postgres, actions, connections=1):
    postgres.run(TABLES, database="test")
    pg_account(project, postgres, pool={"connections": connections})
    project.event(EVENT, actions, MODEL)
    project.event("plain.event", [insert_into()], MODEL)
    return start(project)


# What leaves nothing behind by PostgreSQL's own rules, or must be kept from it; its possible codes.
BAD = {
    "a function that copies": ("SELECT copy_out()", {500}),
    "a block that copies": ("DO $$ BEGIN EXECUTE 'COPY t TO STDOUT'; END $$", {500}),
    "a block that begins": ("DO $$ BEGIN EXECUTE 'BEGIN'; END $$", {500}),
    "a block that commits": ("DO $$ BEGIN COMMIT; END $$", {200, 500}),
    "a procedure that commits": ("CALL commit_it()", {200, 500}),
    "a procedure that rolls back": ("CALL roll_it_back()", {200, 500}),
    "a setting of the transaction": ("SELECT set_config('search_path', 'nowhere', true)", {200}),
    "an isolation of the transaction": (
        "SELECT set_config('transaction_isolation', 'serializable', true)", {200, 500}),
    "a setting in a block": (
        "DO $$ BEGIN SET LOCAL TimeZone TO 'Asia/Tokyo'; SET LOCAL statement_timeout = 1; END $$",
        {200}),
    "a failure in a block that sets": (
        "DO $$ BEGIN SET search_path TO nowhere; RAISE EXCEPTION 'x'; END $$", {500}),
    "no transaction": ("VACUUM t", {200, 500}),
    "an explanation": ("EXPLAIN ANALYZE SELECT 1", {200}),
}


@pytest.mark.parametrize("name", BAD)
def test_nothing_is_left_behind(project, start, postgres, name):
    """On the same connection, in the same turn: the others' rows, each once, in a sane session."""
    sql, codes = BAD[name]
    daemon = begin(project, start, postgres, [query(sql)])
    assert daemon.post("plain.event", {"id": "before"}).response("row")["status"] is True
    idents = [f"{number}" for number in range(40)]
    with Wire(daemon.port) as wire:
        wire.send(b"".join(
            request_bytes(daemon, "plain.event", b'{"id":"%s"}' % ident.encode()) +
            (request_bytes(daemon, EVENT) if number % 10 == 5 else b"")
            for number, ident in enumerate(idents)))
        replies = [wire.reply(30) for _ in range(44)]
    for reply in replies:
        task = reply.json()["match_rules"][0]["actions"][0]
        expected = {201} if task["action"]["id"] == "row" else codes
        assert task["response"]["responseCode"] in expected, task
    rows = postgres.run("SELECT id, path, zone, isolation FROM t WHERE id NOT LIKE 'by%'",
                        database="test")
    assert sorted(row[0] for row in rows) == sorted(["before", *idents])
    assert {row[1:] for row in rows} == {('"$user", public', "UTC", "read committed")}
    assert len(postgres.run("SELECT DISTINCT wait FROM t", database="test")) == 1


@pytest.mark.parametrize("sql", ["DO $$ BEGIN COMMIT; END $$", "CALL commit_it()",
                                 "DO $$ BEGIN ROLLBACK; END $$", "CALL roll_it_back()"])
def test_no_group_is_ended_from_within(project, start, postgres, sql):
    """
    DO and CALL may end the transaction behind the others' backs: what was before them would be
    committed and sent again, or be told to be there and be gone. With `group: true` they are
    refused at load, or they go alone all the same.
    """
    postgres.run(TABLES, database="test")
    pg_account(project, postgres, pool={"connections": 1})
    project.event(EVENT, [insert_into(), query(sql, group=True),
                          query("SELECT 1 / {id}::int", "bad", group=True)], MODEL)
    tested = cli("test", project=project.folder)
    if tested.returncode == 1:
        assert "group" in tested.stdout + tested.stderr
        return
    daemon = start(project)
    with Wire(daemon.port) as wire:
        wire.send(b"".join(request_bytes(daemon, EVENT, b'{"id":"%d"}' % (number // 10))
                           for number in range(30)))
        for number in range(30):
            reply = wire.reply(30)
            assert reply.response("row")["responseCode"] == 201, reply.text
            assert reply.response("bad")["responseCode"] == (200 if number >= 10 else 400)
    rows = [row[0] for row in postgres.run("SELECT id FROM t WHERE id !~ ' '", database="test")]
    assert sorted(rows) == sorted(str(number // 10) for number in range(30))
