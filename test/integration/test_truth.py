"""
Replies of POSTGRESQL are true, whatever is grouped, undone and sent again behind them: 201 is
exactly one row, 409 is another's, 503 and 504 are at most one, and no event stays without a reply.
"""

import random
import threading
import time
from collections import Counter

import pytest

from actions import EVENT, insert_into, pg_account
from harness import SANITIZED, Wire, request_bytes
from servers import wait_until

MODEL = {"id": "String", "text": "String", "parent": "String", "a": "String", "b": "String"}
BOTH = {"id": "{id}", "owner": "{text}"}
UNIQUE = "CREATE TABLE t (id text PRIMARY KEY, owner text)"


def at_once(daemon, payloads, event=EVENT, clients=20):
    """Sends all of them before any reply is read; each one's response by action, in order."""
    wires = [Wire(daemon.port) for _ in range(clients)]
    for number, wire in enumerate(wires):
        wire.send(b"".join(
            request_bytes(daemon, event, b'{%s}' % ",".join(
                f'"{name}":"{value}"' for name, value in payload.items()).encode())
            for payload in payloads[number::clients]))
    answers = [None] * len(payloads)
    for number, wire in enumerate(wires):
        with wire:
            for at in range(number, len(payloads), clients):
                reply = wire.reply(60)
                assert reply.status == 201, reply.text
                answers[at] = {task["action"]["id"]: task["response"]
                               for task in reply.json()["match_rules"][0]["actions"]}
    return answers


def thousand(name):
    """1,000 events, of which every tenth asks for the id of another one."""
    payloads = [{"id": f"{name}-{number}", "text": f"{name}-{number}"} for number in range(1000)]
    chance = random.Random(name)
    for number in range(0, 1000, 10):
        other = number + 1 + chance.randrange(9)
        payloads[number]["id"] = payloads[other]["id"]
    chance.shuffle(payloads)
    return payloads


def check_rows(postgres, payloads, answers):
    """Compares every answer with the table; how often each code came."""
    rows = dict(postgres.run("SELECT id, owner FROM t", database="test"))
    wrong = []
    for payload, answer in zip(payloads, answers):
        code = answer["responseCode"]
        mine = rows.get(payload["id"]) == payload["text"]
        there = payload["id"] in rows
        true = {201: mine, 409: there and not mine}.get(code, code in (503, 504))
        if not true or answer["status"] is not (code == 201):
            wrong.append((payload, rows.get(payload["id"]), answer))
        if code == 201 and answer["responsePayload"]["rowCount"] != 1:
            wrong.append((payload, answer))
        if code == 409 and answer["responseDetail"] != "23505":
            wrong.append((payload, answer))
    assert not wrong, (len(wrong), wrong[:3])
    assert set(rows.values()) <= {payload["text"] for payload in payloads}
    return Counter(answer["responseCode"] for answer in answers)


def row_answers(answers):
    return [answer["row"] for answer in answers]


def begin(project, start, postgres, ddl, actions, **pool):
    postgres.run(ddl, database="test")
    pg_account(project, postgres, pool={"timeout": "40s", **pool})
    project.settings(respondTimeout="60s")
    project.event(EVENT, actions, MODEL)
    return start(project)


@pytest.mark.parametrize("connections", [1, 2, 8])
def test_a_thousand_at_once_of_which_a_tenth_collides(project, start, postgres, connections):
    daemon = begin(project, start, postgres, UNIQUE, [insert_into(payload=BOTH)],
                   connections=connections)
    payloads = thousand("event")
    codes = check_rows(postgres, payloads, row_answers(at_once(daemon, payloads)))
    assert codes == {201: 900, 409: 100}


class Terminator:
    """Ends one of the daemon's backends at random, one with a statement first, again and again."""

    def __init__(self, postgres, pause):
        self.connection = postgres.connect("test")
        self.ended = threading.Event()
        self.pause = pause
        self.count = 0
        self.thread = threading.Thread(target=self.run)

    def __enter__(self):
        self.thread.start()
        return self

    def __exit__(self, *_):
        self.ended.set()
        self.thread.join()
        self.connection.close()

    def run(self):
        with self.connection.cursor() as cursor:
            while not self.ended.wait(self.pause):
                cursor.execute(
                    "SELECT pg_terminate_backend(pid) FROM (SELECT pid FROM pg_stat_activity "
                    "WHERE application_name = 'volley' AND datname = 'test' "
                    "ORDER BY (state = 'active') IS TRUE DESC, random() LIMIT 1) AS one")
                self.count += cursor.rowcount


# A row takes a millisecond, so that backends end in the midst of it.
SLOWER = UNIQUE + """;
CREATE FUNCTION sleep() RETURNS trigger LANGUAGE plpgsql AS
$$ BEGIN PERFORM pg_sleep(0.001); RETURN NEW; END $$;
CREATE TRIGGER sleep BEFORE INSERT ON t FOR EACH ROW EXECUTE FUNCTION sleep()"""


def is_any_lost(answers):
    return any(answer["responseCode"] in (503, 504) for answer in answers)


@pytest.mark.parametrize("ddl", [UNIQUE, SLOWER], ids=["fast", "slower"])
def test_backends_that_are_terminated_at_random(project, start, postgres, ddl):
    daemon = begin(project, start, postgres, ddl, [insert_into(payload=BOTH)], connections=4)
    payloads, answers = [], []
    begun = time.monotonic()
    with Terminator(postgres, 0.3 if SANITIZED else 0.1) as terminator:
        while time.monotonic() < begun + 1 or (time.monotonic() < begun + 15 and not (
                terminator.count > 3 and is_any_lost(answers))):
            more = thousand(f"round{len(payloads)}")
            payloads += more
            answers += row_answers(at_once(daemon, more))
    codes = check_rows(postgres, payloads, answers)
    assert set(codes) <= {201, 409, 503, 504} and codes[201] > 0
    assert terminator.count > 3 and is_any_lost(answers), (terminator.count, codes)
    for answer in answers:
        if answer["responseCode"] == 503:
            assert answer["responseMessage"].startswith("pg (test): "), answer
    last = thousand("last")
    wait_until(lambda: daemon.post(EVENT, {"id": "well", "text": "well"}).response("row")
               ["responseCode"] in (201, 409), 20, "recovery")
    postgres.run("TRUNCATE t", database="test")
    codes = check_rows(postgres, last, row_answers(at_once(daemon, last)))
    assert codes == {201: 900, 409: 100}


# ---- constraints that speak at the commit --------------------------------------------------------

DEFERRED = """CREATE TABLE parents (id text PRIMARY KEY); INSERT INTO parents VALUES ('home');
CREATE TABLE t (id text UNIQUE DEFERRABLE INITIALLY DEFERRED, owner text,
  parent text REFERENCES parents DEFERRABLE INITIALLY DEFERRED);
INSERT INTO t VALUES ('taken', 'another', 'home')"""


@pytest.mark.parametrize("connections", [1, 3])
def test_deferred_constraints(project, start, postgres, connections):
    """They fail after every statement's own success; only what violates them fails."""
    daemon = begin(project, start, postgres, DEFERRED,
                   [insert_into(payload=BOTH | {"parent": "{parent|home}"})],
                   connections=connections)
    payloads = [{"id": f"n{number}", "text": f"n{number}"} for number in range(400)]
    expected = [(201, None)] * len(payloads)
    for number in range(0, len(payloads), 13):
        payloads[number]["id"], expected[number] = "taken", (409, "23505")
    for number in range(5, len(payloads), 17):
        if expected[number] == (201, None):
            payloads[number]["parent"], expected[number] = "missing", (409, "23503")
    answers = row_answers(at_once(daemon, payloads))
    told = [(answer["responseCode"], answer.get("responseDetail")) for answer in answers]
    assert told == expected
    rows = dict(postgres.run("SELECT id, owner FROM t", database="test"))
    assert rows.pop("taken") == "another"
    assert set(rows) == {payload["id"] for payload, answer in zip(payloads, answers)
                         if answer["status"]}


# ---- deadlocks -----------------------------------------------------------------------------------

EAGER = "; ALTER DATABASE test SET deadlock_timeout = '20ms'"


def test_unique_rows_of_two_events_in_opposite_order(project, start, postgres):
    """
    Two groups that wait for each other are the daemon's own making: it takes them apart, and each
    id has one owner and one that is told so.
    """
    daemon = begin(project, start, postgres, UNIQUE + EAGER,
                   [insert_into(ident="first", payload={"id": "{a}", "owner": "{id}"}),
                    insert_into(ident="second", payload={"id": "{b}", "owner": "{id}"})],
                   connections=3)
    for turn in range(3):
        payloads = []
        for number in range(0, 200, 2):
            pair = [f"{turn}-{number}", f"{turn}-{number + 1}"]
            payloads += [{"id": f"{turn}-{number}-there", "a": pair[0], "b": pair[1]},
                         {"id": f"{turn}-{number}-back", "a": pair[1], "b": pair[0]}]
        answers = at_once(daemon, payloads)
        rows = dict(postgres.run("SELECT id, owner FROM t", database="test"))
        for payload, answer in zip(payloads, answers):
            for name, column in (("first", "a"), ("second", "b")):
                mine = rows[payload[column]] == payload["id"]
                assert answer[name]["responseCode"] == (201 if mine else 409), (payload, answer)


CROSSING = """CREATE TABLE counters (id text PRIMARY KEY, n int DEFAULT 0);
INSERT INTO counters SELECT generate_series(0, 15);
CREATE TABLE t (id text, a text, b text);
CREATE FUNCTION count_up() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
  UPDATE counters SET n = n + 1 WHERE id = NEW.a; PERFORM pg_sleep(0.05);
  UPDATE counters SET n = n + 1 WHERE id = NEW.b; RETURN NEW; END $$;
CREATE TRIGGER count_up BEFORE INSERT ON t FOR EACH ROW EXECUTE FUNCTION count_up()"""


def test_events_that_deadlock_by_themselves(project, start, postgres):
    """Their triggers wait for each other: one of a pair fails, and all of its effects with it."""
    daemon = begin(project, start, postgres, CROSSING + EAGER,
                   [insert_into(payload={"id": "{id}", "a": "{a}", "b": "{b}"})], connections=16)
    done, failed = set(), []
    for turn in range(10):
        payloads = []
        for number in range(0, 16, 2):
            payloads += [{"id": f"{turn}-{number}-there", "a": number, "b": number + 1},
                         {"id": f"{turn}-{number}-back", "a": number + 1, "b": number}]
        answers = row_answers(at_once(daemon, payloads, clients=16))
        done |= {payload["id"] for payload, answer in zip(payloads, answers) if answer["status"]}
        failed += [answer for answer in answers if not answer["status"]]
        if turn > 0 and failed:
            break
    assert failed, "nothing deadlocked"
    for answer in failed:
        assert (answer["responseCode"], answer["responseDetail"]) == (503, "40P01"), answer
    assert {row[0] for row in postgres.run("SELECT id FROM t", database="test")} == done
    assert postgres.run("SELECT sum(n) FROM counters", database="test") == [(2 * len(done),)]
