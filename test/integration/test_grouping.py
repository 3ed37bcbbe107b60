"""INSERTs that share a transaction: who does, who does not, and what becomes of those in a group."""

import pytest

from actions import EVENT, insert_into, pg_account

# Each row tells its transaction, when it was made, and by the trigger how often it was tried.
TABLE = """CREATE TABLE t (id text PRIMARY KEY, xid text DEFAULT pg_current_xact_id()::text,
                           at timestamptz DEFAULT now(), sleep float);
CREATE SEQUENCE tries;
CREATE FUNCTION work() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN PERFORM nextval('tries'); PERFORM pg_sleep(NEW.sleep); RETURN NEW; END $$;
CREATE TRIGGER work BEFORE INSERT ON t FOR EACH ROW EXECUTE FUNCTION work();"""


def many(count, **keys):
    """An event's INSERTs of the rows {id}0, {id}1, ..."""
    options = {name: keys.pop(name) for name in ("group", "timeout") if name in keys}
    return [{**insert_into(payload={"id": "{id}%d" % n, **keys}, ident=f"row{n}"), **options}
            for n in range(count)]


@pytest.fixture
def grouped(project, start, postgres):
    """grouped(actions): a daemon with one connection, that has served one event before."""
    postgres.run(TABLE, database="test")

    def make(actions, prepare=True, **pool):
        pg_account(project, postgres, prepare=prepare, pool={"connections": 1, **pool})
        project.event(EVENT, actions, {"id": "String!", "text": "String"})
        project.event("warm.up", [insert_into(payload={"id": "{id}"}, ident="row")],
                      {"id": "String!"})
        daemon = start(project)
        assert daemon.post("warm.up", {"id": "warm"}).response("row")["status"] is True
        return daemon
    return make


def transactions(postgres, like):
    """The rows' ids by the transaction that made them, and how many times they share."""
    rows = postgres.run(f"SELECT id, xid, at FROM t WHERE id LIKE '{like}%'", database="test")
    found = {}
    for ident, xid, at in rows:
        found.setdefault(xid, []).append((ident, at))
    return list(found.values())


def codes(reply):
    return [action["response"]["responseCode"]
            for match in reply.json()["match_rules"] for action in match["actions"]]


def test_waiting_inserts_share_a_transaction(grouped, postgres):
    daemon = grouped(many(10))
    reply = daemon.post(EVENT, {"id": "a"})
    assert codes(reply) == [201] * 10
    shared = transactions(postgres, "a")
    assert [len(rows) for rows in shared] == [10]
    assert len({at for _, at in shared[0]}) == 1


@pytest.mark.parametrize("payload", [{}, {"sleep": 0}], ids=["alone", "two statements"])
def test_group_false_opts_out(grouped, postgres, payload):
    daemon = grouped(many(4, group=False) + [insert_into(payload={"id": "{id}x", **payload},
                                                         ident="other")])
    assert codes(daemon.post(EVENT, {"id": "a"})) == [201] * 5
    assert [len(rows) for rows in transactions(postgres, "a")] == [1] * 5


def test_different_statements_share(grouped, postgres):
    daemon = grouped(many(3) + [insert_into(payload={"id": "{id}x", "sleep": 0}, ident="other")])
    assert codes(daemon.post(EVENT, {"id": "a"})) == [201] * 4
    assert [len(rows) for rows in transactions(postgres, "a")] == [4]


def test_only_the_failing_one_fails(grouped, postgres):
    daemon = grouped(many(10))
    postgres.run("INSERT INTO t (id) VALUES ('a4')", database="test")
    reply = daemon.post(EVENT, {"id": "a"})
    assert codes(reply) == [201] * 4 + [409] + [201] * 5
    answer = reply.response("row4")
    assert answer["responseDetail"] == "23505" and answer["attempts"] == 1
    assert [len(rows) for rows in transactions(postgres, "a")] == [1] * 10
    # Each of the first five ran in the group, then each of the ten alone; the manual says so.
    tries = postgres.run("SELECT last_value FROM tries", database="test")[0][0]
    assert tries == 1 + 1 + 5 + 10


def test_two_that_exclude_each_other(grouped, postgres):
    twice = [insert_into(payload={"id": "{id}"}, ident=name) for name in ("first", "second")]
    daemon = grouped(twice + many(2))
    reply = daemon.post(EVENT, {"id": "a"})
    assert sorted(codes(reply)) == [201, 201, 201, 409]
    assert reply.response("first")["responseCode"] == 201
    assert len(postgres.run("SELECT 1 FROM t WHERE id LIKE 'a%'", database="test")) == 3


def test_a_deferred_constraint_fails_its_own_row_only(grouped, postgres):
    postgres.run("CREATE TABLE parent (id text PRIMARY KEY); INSERT INTO parent VALUES ('p');"
                 "ALTER TABLE t ADD parent text REFERENCES parent DEFERRABLE INITIALLY DEFERRED",
                 database="test")
    rows = [insert_into(payload={"id": "{id}%d" % n, "parent": "none" if n == 2 else "p"},
                        ident=f"row{n}") for n in range(5)]
    daemon = grouped(rows)
    reply = daemon.post(EVENT, {"id": "a"})
    assert codes(reply) == [201, 201, 409, 201, 201]
    assert reply.response("row2")["responseDetail"] == "23503"
    ids = postgres.run("SELECT id FROM t WHERE id LIKE 'a%' ORDER BY id", database="test")
    assert [row[0] for row in ids] == ["a0", "a1", "a3", "a4"]


def test_a_group_has_at_most_64_rows(grouped, postgres):
    daemon = grouped(many(150))
    assert codes(daemon.post(EVENT, {"id": "a"})) == [201] * 150
    sizes = sorted(len(rows) for rows in transactions(postgres, "a"))
    assert max(sizes) == 64 and len(sizes) < 10


def test_a_group_has_at_most_256_kib(grouped, postgres):
    postgres.run("ALTER TABLE t ADD text text", database="test")
    daemon = grouped(many(10, text="{text}"))
    assert codes(daemon.post(EVENT, {"id": "a", "text": "x" * 60_000})) == [201] * 10
    sizes = [len(rows) for rows in transactions(postgres, "a")]
    assert max(sizes) == 4


def test_slow_rows_are_not_grouped_again(grouped, postgres):
    daemon = grouped(many(4, sleep=0.05))
    first = daemon.post(EVENT, {"id": "a"})
    second = daemon.post(EVENT, {"id": "b"})
    assert codes(first) + codes(second) == [201] * 8
    assert [len(rows) for rows in transactions(postgres, "b")] == [1] * 4


def test_failing_rows_make_groups_smaller(grouped, postgres):
    daemon = grouped(many(16))
    for n in range(3):
        postgres.run(f"INSERT INTO t (id) VALUES ('{n}-7')", database="test")
        assert codes(daemon.post(EVENT, {"id": f"{n}-"})).count(409) == 1
    assert codes(daemon.post(EVENT, {"id": "z"})) == [201] * 16
    sizes = [len(rows) for rows in transactions(postgres, "z")]
    assert max(sizes) <= 10 and len(sizes) < 16


def test_returning_in_a_group(grouped):
    rows = [insert_into(payload={"id": "{id}%d" % n}, ident=f"row{n}", returning=["id"])
            for n in range(5)]
    reply = grouped(rows).post(EVENT, {"id": "a"})
    for n in range(5):
        assert reply.response(f"row{n}")["responsePayload"] == {
            "command": "INSERT", "rowCount": 1, "rows": [{"id": f"a{n}"}]}


def test_the_servers_own_timeout_comes_first(grouped, postgres):
    """An action's timeout that is the pool's ends in the server, rolled back: 57014."""
    daemon = grouped(many(1, sleep=3), timeout="500ms")
    answer = daemon.post(EVENT, {"id": "a"}).response("row0")
    assert answer["responseCode"] == 504 and answer["responseDetail"] == "57014", answer
    assert 500 <= answer["responseTimeMS"] < 2500
    assert postgres.run("SELECT count(*) FROM t WHERE id LIKE 'a%'", database="test") == [(0,)]


def test_a_shorter_timeout_is_ours(grouped):
    daemon = grouped(many(1, sleep=2, timeout="300ms"))
    answer = daemon.post(EVENT, {"id": "a"}).response("row0")
    assert answer["responseCode"] == 504 and "responseDetail" not in answer, answer
    assert "sent, and no answer within 300ms" in answer["responseMessage"]
    assert 300 <= answer["responseTimeMS"] < 1500


def test_one_that_times_out_takes_no_other_along(grouped, postgres):
    rows = [insert_into(payload={"id": "{id}%d" % n, "sleep": 30 if n == 2 else 0},
                        ident=f"row{n}") for n in range(5)]
    daemon = grouped(rows, timeout="1s")
    reply = daemon.post(EVENT, {"id": "a"})
    slow = reply.response("row2")
    assert slow["responseCode"] == 504, slow
    ids = {row[0] for row in postgres.run("SELECT id FROM t WHERE id LIKE 'a%'", database="test")}
    for n in (0, 1, 3, 4):
        code = reply.response(f"row{n}")["responseCode"]
        # Behind the slow one the time may have been over for them, too.
        assert code in (201, 503) and (f"a{n}" in ids) == (code == 201), (n, reply.text)


def test_unnamed_statements_share_too(grouped, postgres):
    daemon = grouped(many(6), prepare=False)
    assert codes(daemon.post(EVENT, {"id": "a"})) == [201] * 6
    assert [len(rows) for rows in transactions(postgres, "a")] == [6]


def test_a_group_whose_described_statement_is_refused(project, start, postgres):
    postgres.run(TABLE, database="test")
    pg_account(project, postgres, pool={"connections": 1})
    rows = [insert_into(payload={"id": "{id}%d" % n, "missing": "{value}"}, ident=f"row{n}")
            for n in range(4)]
    project.event(EVENT, rows, {"id": "String!", "value": "Any"})
    daemon = start(project)
    for _ in range(2):
        assert codes(daemon.post(EVENT, {"id": "a", "value": [1]})) == [400] * 4
    postgres.run("ALTER TABLE t ADD missing jsonb", database="test")
    assert codes(daemon.post(EVENT, {"id": "a", "value": [1]})) == [201] * 4
