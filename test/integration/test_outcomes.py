"""
What can happen to an attempt: the manual's table, row by row, each provoked for real on one daemon
that goes through all of it. Where a server cannot be brought to it, something says its words.
"""

import contextlib
import os
import signal
import threading
import time

import pytest

from actions import insert_into, set_key
from harness import Project, Volleyd, Wire, request_bytes
from servers import Blackhole, FakeRedis, Proxy, free_port, wait_until

MODEL = {"id": "String", "text": "String"}
DATABASE = "outcomes"

# A row of act is a statement that its trigger executes.
TABLES = """CREATE TABLE act (id text);
CREATE FUNCTION act() RETURNS trigger LANGUAGE plpgsql AS
$$ BEGIN EXECUTE NEW.id; RETURN NEW; END $$;
CREATE TRIGGER act BEFORE INSERT ON act FOR EACH ROW EXECUTE FUNCTION act();
CREATE TABLE numbers (id int PRIMARY KEY, n int); INSERT INTO numbers VALUES (1, 0), (2, 0);
CREATE TABLE children (id int REFERENCES numbers DEFERRABLE INITIALLY DEFERRED);
ALTER DATABASE outcomes SET deadlock_timeout = '50ms'"""
ROLES = {"guest": "LOGIN", "few": "LOGIN CONNECTION LIMIT 0", "nologin": "NOLOGIN",
         "repeatable": "SUPERUSER LOGIN"}


def fake_answer(command):
    """What the fake Redis says to SET, by the key."""
    return {b"lost": None, b"silent": b"", b"garbage": b"no protocol\r\n",
            b"loading": b"-LOADING Redis is loading the dataset in memory\r\n",
            b"cluster": b"-CLUSTERDOWN Hash slot not served\r\n",
            b"odd": b"-ODD word\r\n"}.get(command[1], b"+OK\r\n")


class Stage:
    """The daemon, its servers, and for each account an event of the account's name."""

    def __init__(self, folder, postgres, redis_):
        self.project = Project(folder)
        self.postgres = postgres
        self.redis = redis_
        self.hole = Blackhole()
        self.fake = FakeRedis(fake_answer)
        self.proxy = Proxy(postgres.port)
        self.prepare_servers()
        self.write_postgresql()
        self.write_redis()
        self.project.event("mysql.event", [insert_into(ident="task", account="none")
                                           | {"type": "MYSQL"}], MODEL)
        self.daemon = Volleyd(self.project)

    def prepare_servers(self):
        self.postgres.run(f"DROP DATABASE IF EXISTS {DATABASE} WITH (FORCE)")
        self.postgres.run("DROP DATABASE IF EXISTS closed WITH (FORCE)")
        for role, options in ROLES.items():
            self.postgres.run(f"DROP ROLE IF EXISTS {role}")
            self.postgres.run(f"CREATE ROLE {role} PASSWORD 'secret' {options}")
        self.postgres.run(f"CREATE DATABASE {DATABASE}")
        self.postgres.run("CREATE DATABASE closed ALLOW_CONNECTIONS false")
        self.postgres.run("ALTER ROLE repeatable SET default_transaction_isolation = "
                          "'repeatable read'")
        self.sql(TABLES)
        self.redis.client().execute_command("ACL", "SETUSER", "limited", "reset", "on", ">secret",
                                            "~allowed*", "+set", "+select")

    def sql(self, text):
        return self.postgres.run(text, database=DATABASE)

    def url(self, user="volley", database=DATABASE, port=None):
        return self.postgres.url(database, port).replace("//volley:", f"//{user}:")

    def write(self, ident, kind, half, action, environment="test"):
        self.project.account(ident, kind, **{environment: half})
        self.project.event(f"{ident}.event", [action], MODEL)

    def write_postgresql(self):
        """Each event inserts {id} into act; mixed text, so that an absent one is no NULL."""
        pools = {"single": {"connections": 1, "queue": 1}, "short": {"timeout": "400ms"},
                 "many": {"connections": 4}, "slow-hole": {"connectTimeout": "400ms"},
                 "hole": {"connectTimeout": "10m"}}  # the action's own timeout comes first
        urls = {"wrong": self.url().replace("secret", "wrong"), "guest": self.url("guest"),
                "few": self.url("few"), "nologin": self.url("nologin"),
                "repeatable": self.url("repeatable"), "nowhere": self.url(database="nowhere"),
                "closed": self.url(database="closed"), "proxied": self.url(port=self.proxy.port),
                "hole": self.url(port=self.hole.port), "slow-hole": self.url(port=self.hole.port),
                "refused": self.url(port=free_port())}
        for ident in ("pg", "single", "short", "many", "hasty", *urls):
            action = insert_into("act", {"id": " {id}"}, "task", ident)
            if ident in ("hasty", "hole"):
                action["timeout"] = "400ms"
            self.write(ident, "POSTGRESQL", {"url": urls.get(ident, self.url()),
                                             "pool": pools.get(ident, {})}, action)
        self.write("half", "POSTGRESQL", {"url": self.url()},
                   insert_into("act", ident="task", account="half"), "live")
        self.project.event("impatient.event", [insert_into("act", {"id": " {id}"}, "task", "single",
                                                           timeout="400ms")], MODEL)
        self.project.event("new.event", [insert_into("act", {"id": " {id}"}, "task", "proxied",
                                                     schema="public")], MODEL)

    def write_redis(self):
        here = f"127.0.0.1:{self.redis.port}"
        urls = {"redis": self.redis.url(), "redis-wrong": f"redis://:wrong@{here}",
                "redis-none": f"redis://{here}", "redis-limited": f"redis://limited:secret@{here}",
                "redis-refused": f"redis://127.0.0.1:{free_port()}", "fake": self.fake.url(),
                "silent": self.fake.url(),
                "redis-hole": f"redis://127.0.0.1:{self.hole.port}"}
        for ident, url in urls.items():
            action = set_key("task", ident, key="{id}", value="v")
            if ident in ("silent", "redis-hole"):
                action["timeout"] = "400ms"
            pool = {"connectTimeout": "10m"} if ident == "redis-hole" else {}
            self.write(ident, "REDIS", {"url": url, "pool": pool}, action)
        self.project.event("push.event", [
            set_key("task", "redis", key="{id}", value="v") | {"action": "RPUSH"}], MODEL)

    # ---- what rows are made of -----------------------------------------------------------------

    def post(self, ident, value=None):
        payload = {} if value is None else {"id": value}
        return self.daemon.post(f"{ident}.event", payload).response("task")

    def works(self, ident, value="SELECT 1"):
        """Until the account serves again: not of the row's own doing any more."""
        wait_until(lambda: self.post(ident, value)["status"], 30, f"recovery of {ident}")

    @contextlib.contextmanager
    def sent(self, ident, value):
        """An event on its way; the block is run meanwhile. Gives a list that will hold its task."""
        answers = []
        with Wire(self.daemon.port) as wire:
            wire.send(request_bytes(self.daemon, f"{ident}.event", b'{"id":"%s"}' % value.encode()))
            yield answers
            answers.append(wire.reply(30).response("task"))

    def backend(self, fragment):
        """The pid of the backend whose trigger is at work; waits for it."""
        found = []

        def is_there():
            found[:] = self.sql("SELECT pid FROM pg_stat_activity WHERE state = 'active' AND "
                                f"pid <> pg_backend_pid() AND {fragment}")
            return found
        wait_until(is_there, 10, "a statement at work")
        return found[0][0]

    @contextlib.contextmanager
    def locked(self, statement="UPDATE numbers SET n = n + 1 WHERE id = 1"):
        connection = self.postgres.connect(DATABASE)
        connection.autocommit = False
        with connection.cursor() as cursor:
            cursor.execute(statement)
        yield connection
        connection.close()

    def close(self):
        try:
            self.daemon.stop()
        finally:
            for each in (self.proxy, self.fake, self.hole):
                each.close()


@pytest.fixture(scope="module")
def stage(tmp_path_factory, postgres_server, redis_server):
    made = Stage(tmp_path_factory.mktemp("outcomes"), postgres_server, redis_server)
    yield made
    made.close()


# ---- how rows are provoked -----------------------------------------------------------------------

WAITING = "wait_event_type = 'Lock'"
LOCKING = "SELECT FROM numbers WHERE id = 1 FOR UPDATE"
SLEEPING = "wait_event = 'PgSleep'"


def sends(ident, value=None):
    return lambda stage: stage.post(ident, value)


def fills_the_queue(stage):
    """One is at work, one waits, the third finds no place."""
    stage.works("single")
    with stage.locked(), stage.sent("single", LOCKING):
        stage.backend(WAITING)
        with stage.sent("single", "SELECT 1"):
            time.sleep(0.2)  # it has to be in the queue before those that find it full
            answer = {}

            def is_full():
                answer.update(stage.post("impatient", "SELECT 1"))
                return "full" in answer["responseMessage"]
            wait_until(is_full, 5, "the full queue")
            raise_lock(stage)
    return answer


def raise_lock(stage):
    """Lets the statement that waits for a lock fail, so that its reply comes."""
    stage.sql("SELECT pg_cancel_backend(pid) FROM pg_stat_activity WHERE " + WAITING)


def waits_in_the_queue(stage):
    stage.works("single")
    with stage.locked(), stage.sent("single", LOCKING):
        stage.backend(WAITING)
        answer = stage.post("impatient", "SELECT 1")
        raise_lock(stage)
    return answer


def loses_the_connection_unsent(stage):
    """The connection dies at the Parse of a new statement: the statement itself was not sent."""
    stage.works("proxied")
    stage.proxy.mode = "drop"
    answer = stage.post("new", "SELECT 2")
    stage.proxy.mode = "pass"
    stage.works("proxied")
    assert stage.sql("SELECT count(*) FROM act WHERE id = ' SELECT 2'") == [(0,)]
    return answer


def loses_the_connection(stage):
    stage.works("proxied")
    with stage.sent("proxied", "SELECT pg_sleep(20)") as answers:
        stage.backend(SLEEPING)
        stage.proxy.cut_all()
    stage.sql("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE " + SLEEPING)
    return answers[0]


def kills_the_backend(stage):
    """The server itself recovers from that by a restart of all backends."""
    stage.works("pg")
    with stage.sent("pg", "SELECT pg_sleep(20)") as answers:
        os.kill(stage.backend(SLEEPING), signal.SIGKILL)
    wait_until(stage.postgres.answers, 30, "the server's recovery")
    stage.works("pg")
    return answers[0]


def ends_the_server(stage):
    """The fast shutdown, in the midst of a statement."""
    stage.works("pg")
    with stage.sent("pg", "SELECT pg_sleep(20)") as answers:
        stage.backend(SLEEPING)
        threading.Thread(target=stage.postgres.stop).start()
    wait_until(lambda: stage.postgres.process is None, 30, "the server's end")
    stage.postgres.start()
    stage.works("pg")
    return answers[0]


def meets_a_server_that_is_about_to_end(stage):
    """The smart shutdown: who is in may stay, and nobody else comes in."""
    stayer = stage.postgres.connect(DATABASE)
    stage.postgres.process.send_signal(signal.SIGTERM)
    wait_until(lambda: not stage.postgres.answers(), 10, "the shutdown")
    with stayer.cursor() as cursor:
        cursor.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE "
                       "application_name = 'volley'")
    answer = {}

    def is_told():
        answer.update(stage.post("pg", "SELECT 1"))
        return answer.get("responseDetail") == "57P03"
    try:
        wait_until(is_told, 10, "the refusal")
    finally:
        stayer.close()
        stage.postgres.stop()
        stage.postgres.start()
    stage.works("pg")
    return answer


def is_cancelled(stage):
    with stage.sent("pg", "SELECT pg_sleep(20)") as answers:
        pid = stage.backend(SLEEPING)
        stage.sql(f"SELECT pg_cancel_backend({pid})")
    return answers[0]


def is_terminated(stage):
    with stage.sent("pg", "SELECT pg_sleep(20)") as answers:
        pid = stage.backend(SLEEPING)
        stage.sql(f"SELECT pg_terminate_backend({pid})")
    return answers[0]


def meets_a_concurrent_update(stage):
    stage.works("repeatable")
    with stage.locked() as connection:
        with stage.sent("repeatable", "UPDATE numbers SET n = n + 1 WHERE id = 1") as answers:
            stage.backend(WAITING)
            connection.commit()
    return answers[0]


def meets_a_lock(stage):
    with stage.locked():
        return stage.post("pg", "SELECT FROM numbers WHERE id = 1 FOR UPDATE NOWAIT")


def deadlocks(stage):
    """
    Another session waits for the event's row before the event asks for the other's, so that it is
    the event whose waiting finds the deadlock.
    """
    stage.works("many")
    with stage.locked("SELECT pg_advisory_lock(7)") as gate, \
            stage.locked("UPDATE numbers SET n = n + 1 WHERE id = 2") as other, \
            other.cursor() as cursor:
        cursor.execute("SET deadlock_timeout = '1min'")
        with stage.sent("many", "UPDATE numbers SET n = n + 1 WHERE id = 1; "
                                "SELECT pg_advisory_xact_lock(7); "
                                "UPDATE numbers SET n = n + 1 WHERE id = 2") as answers:
            stage.backend("wait_event = 'advisory'")
            waiter = threading.Thread(target=cursor.execute, args=(
                "UPDATE numbers SET n = n + 1 WHERE id = 1",))
            waiter.start()
            stage.backend("wait_event = 'transactionid'")
            gate.close()
        waiter.join(30)
    return answers[0]


def meets_a_busy_redis(stage):
    """A script that does not end; it is killed afterwards."""
    client = stage.redis.client()
    client.config_set("lua-time-limit", "5")

    def run_script():
        with contextlib.suppress(Exception):
            stage.redis.client().eval("while true do end", 0)
    script = threading.Thread(target=run_script)
    script.start()
    answer = {}

    def is_busy():
        answer.update(stage.post("redis", "k"))
        return not answer["status"]
    try:
        wait_until(is_busy, 10, "the busy server")
    finally:
        client.script_kill()
        script.join()
    return answer


def meets_another_type(stage):
    stage.redis.client().set("text", "v")
    return stage.post("push", "text")


def raises(state):
    return sends("pg", f"DO $x$ BEGIN RAISE EXCEPTION USING ERRCODE = '{state}', "
                       f"MESSAGE = 'this is {state}'; END $x$")


SORT = ("DO $x$ BEGIN SET LOCAL temp_file_limit = 64; SET LOCAL work_mem = 64; PERFORM count(*) "
        "FROM (SELECT n FROM generate_series(1, 100000) n ORDER BY random()) s; END $x$")

# (the manual's row, how it is provoked, responseCode, responseDetail, part of the message)
ROWS = [
    ("render: no value", sends("pg"), 422, None, "{id}"),
    ("render: no value (Redis)", sends("redis"), 422, None, "{id}"),
    ("render: NUL", sends("pg", "a\0b"), 422, None, "NUL"),
    ("no half", sends("half", "x"), 422, None, "account half has no test half"),
    ("not served", sends("mysql", "x"), 501, None, "not served by this version"),
    ("queue full", fills_the_queue, 503, None, "queue is full"),
    ("refused", sends("refused", "SELECT 1"), 503, None, "refused"),
    ("refused (Redis)", sends("redis-refused", "k"), 503, None, "refused"),
    ("connectTimeout", sends("slow-hole", "SELECT 1"), 503, None, "within 400 ms"),
    ("before the login is through: 3D000", sends("nowhere", "SELECT 1"), 503, "3D000",
     '"nowhere" does not exist'),
    ("before the login is through: 53300", sends("few", "SELECT 1"), 503, "53300",
     "too many connections"),
    ("before the login is through: 55000", sends("closed", "SELECT 1"), 503, "55000",
     "not currently accepting connections"),
    ("before the login is through: 57P03", meets_a_server_that_is_about_to_end, 503, "57P03",
     "shutting down"),
    ("login refused: 28P01", sends("wrong", "SELECT 1"), 403, "28P01", "password"),
    ("login refused: 28000", sends("nologin", "SELECT 1"), 403, "28000", "not permitted to log in"),
    ("login refused: WRONGPASS", sends("redis-wrong", "k"), 403, "WRONGPASS", "refused"),
    ("login refused: NOAUTH", sends("redis-none", "k"), 403, "NOAUTH", "required"),
    ("connection lost, nothing sent", loses_the_connection_unsent, 503, None, "proxied (test): "),
    ("connection lost (Redis)", sends("fake", "lost"), 504, None,
     "lost after the command was sent"),
    ("no protocol (Redis)", sends("fake", "garbage"), 502, None, "no Redis protocol"),
    ("timed out while waiting", waits_in_the_queue, 503, None, "no connection was free within"),
    ("timed out while connecting", sends("hole", "SELECT 1"), 504, None, "no connection stood"),
    ("timed out while connecting (Redis)", sends("redis-hole", "k"), 504, None,
     "no connection stood"),
    ("timed out after it was sent", sends("hasty", "SELECT pg_sleep(1)"), 504, None,
     "sent, and no answer within 400ms"),
    ("timed out after it was sent (Redis)", sends("silent", "silent"), 504, None,
     "sent, and no answer within 400ms"),
    ("57014: statement_timeout", sends("short", "SELECT pg_sleep(20)"), 504, "57014",
     "statement timeout"),
    ("57014: cancelled", is_cancelled, 504, "57014", "user request"),
    ("40001", meets_a_concurrent_update, 503, "40001", "could not serialize"),
    ("40P01", deadlocks, 503, "40P01", "deadlock"),
    ("55P03", meets_a_lock, 503, "55P03", "lock"),
    ("class 53: 53400", sends("pg", SORT), 503, "53400", "temporary file size"),
    ("class 53: 53100", raises("53100"), 503, "53100", "this is 53100"),
    ("class 58: 58P01", sends("pg", "SELECT pg_read_file('/no/such/file')"), 503, "58P01",
     "/no/such/file"),
    ("class 57 otherwise", raises("57P04"), 503, "57P04", "this is 57P04"),
    ("57P01: terminated", is_terminated, 503, "57P01", "administrator command"),
    ("57P01: the server ends", ends_the_server, 503, "57P01", "administrator command"),
    ("57P02", raises("57P02"), 503, "57P02", "this is 57P02"),
    ("class 08", raises("08006"), 503, "08006", "this is 08006"),
    ("no answer: cut", loses_the_connection, 503, None, "proxied (test): "),
    ("no answer: killed", kills_the_backend, 503, None, "server closed the connection"),
    ("class 23: unique", sends("pg", "INSERT INTO numbers VALUES (1)"), 409, "23505",
     "numbers_pkey"),
    ("class 23: deferred", sends("pg", "INSERT INTO children VALUES (9)"), 409, "23503",
     "children"),
    ("class 22", sends("pg", "SELECT 1 / 0"), 400, "22012", "division by zero"),
    ("class 42", sends("pg", "SELECT * FROM missing"), 400, "42P01", "missing"),
    ("42501", sends("guest", "SELECT 1"), 403, "42501", "permission denied"),
    ("anything else", raises("P0001"), 500, "P0001", "this is P0001"),
    ("Redis LOADING", sends("fake", "loading"), 503, "LOADING", "loading the dataset"),
    ("Redis CLUSTERDOWN", sends("fake", "cluster"), 503, "CLUSTERDOWN", "Hash slot"),
    ("Redis BUSY", meets_a_busy_redis, 503, "BUSY", "running a script"),
    ("Redis NOPERM", sends("redis-limited", "k"), 403, "NOPERM", "permission"),
    ("Redis WRONGTYPE", meets_another_type, 400, "WRONGTYPE", "wrong kind of value"),
    ("Redis otherwise", sends("fake", "odd"), 400, "ODD", "ODD word"),
]


@pytest.mark.parametrize("provoke, code, detail, fragment", [row[1:] for row in ROWS],
                         ids=[row[0] for row in ROWS])
def test_outcome(stage, provoke, code, detail, fragment):
    answer = provoke(stage)
    assert (answer["status"], answer["state"]) == (False, "failed"), answer
    assert (answer["responseCode"], answer.get("responseDetail")) == (code, detail), answer
    assert fragment in answer["responseMessage"], answer
    assert answer["responsePayload"] is None and answer["attempts"] == 1
    assert "secret" not in answer["responseMessage"]
    # Nothing of a failed statement stays, and the daemon's sound accounts serve on.
    assert stage.sql("SELECT count(*) FROM act WHERE id NOT IN (' SELECT 1', ' SELECT pg_sleep(1)')"
                     ) == [(0,)]
    stage.works("pg")
    stage.works("redis", "k")


@pytest.mark.parametrize("kind, url", [
    ("POSTGRESQL", "postgresql://volley:secret@nowhere.invalid/test"),
    ("REDIS", "redis://:secret@nowhere.invalid:6379/0")])
def test_a_name_that_does_not_resolve(project, start, kind, url):
    project.account("odd", kind, test={"url": url, "pool": {"connectTimeout": "2s"}})
    action = insert_into(ident="task", account="odd") if kind == "POSTGRESQL" else \
        set_key("task", "odd", key="k", value="v")
    project.event("odd.event", [action], MODEL)
    daemon = start(project)
    for _ in range(2):
        answer = daemon.post("odd.event", {"id": "x"}).response("task")
        assert (answer["state"], answer["responseCode"]) == ("failed", 503), answer
        assert "nowhere.invalid" in answer["responseMessage"] and "odd" in answer["responseMessage"]
        assert "responseDetail" not in answer and "secret" not in answer["responseMessage"]
