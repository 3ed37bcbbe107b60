"""What a QUERY leaves in its session does not reach other tasks."""

import pytest

from actions import ANY, EVENT, insert_into, pg_account
from servers import wait_until

SHOW = "SELECT current_user AS who, current_setting('TimeZone') AS zone, " \
       "current_setting('statement_timeout') AS timeout"


def query(sql, ident):
    return {"id": ident, "type": "POSTGRESQL", "action": "QUERY", "serviceAccountId": "pg",
            "template": {"sql": sql}}


@pytest.mark.parametrize("prepare", [True, False])
@pytest.mark.parametrize("sql", [
    "DO $$ BEGIN SET TimeZone = 'Asia/Tokyo'; SET statement_timeout = 1; "
    "SET ROLE pg_monitor; END $$",
    "SELECT set_config('TimeZone', {text}, false)",
    "CALL change()",
])
def test_settings(project, start, postgres, sql, prepare):
    postgres.run("CREATE PROCEDURE change() LANGUAGE plpgsql AS "
                 "$$ BEGIN SET TimeZone = 'Asia/Tokyo'; COMMIT; END $$", database="test")
    pg_account(project, postgres, pool={"connections": 1}, prepare=prepare)
    project.event(EVENT, [query(SHOW, "before"), query(sql, "change"), query(SHOW, "after")], ANY)
    daemon = start(project)
    for _ in range(2):
        reply = daemon.post(EVENT, {"text": "Asia/Tokyo"})
        assert reply.response("change")["responseCode"] == 200, reply.text
        before, after = (reply.response(ident)["responsePayload"] for ident in ("before", "after"))
        assert before == after


@pytest.mark.parametrize("sql", [
    "CREATE TEMPORARY TABLE t AS SELECT 'x'::text AS id",
    "SELECT 'x'::text AS id INTO TEMP t",
    "DO $$ BEGIN CREATE TEMP TABLE t (id text); END $$",
])
def test_temporary_tables(project, start, postgres, sql):
    """201 says that the row is in the table, not in another one of that name."""
    postgres.run("CREATE TABLE t (id text)", database="test")
    pg_account(project, postgres, pool={"connections": 1})
    project.event(EVENT, [query(sql, "change"), insert_into()], ANY)
    reply = start(project).post(EVENT, {"id": "a"})
    assert reply.response("change")["responseCode"] == 200, reply.text
    assert reply.response("row")["responseCode"] == 201
    assert postgres.run("SELECT id FROM t", database="test") == [("a",)]


def test_locks(run_insert, postgres):
    answer = run_insert(None, query("SELECT pg_advisory_lock(7)", "row"), {})
    assert answer["responseCode"] == 200
    wait_until(lambda: postgres.run("SELECT pg_try_advisory_lock(7)", database="test") == [(True,)])
