"""Servers that refuse, hang, break off or talk nonsense: each fault has its code, and ends."""

import time

import pytest

from actions import ANY, EVENT, insert_into, pg_account, redis_account, set_key
from harness import log_action
from servers import free_port, wait_until

SERVICES = ["POSTGRESQL", "REDIS"]


@pytest.fixture
def faulty(project, start, postgres, redis_, proxy):
    """faulty(service, mode): a daemon whose account stands behind a proxy in that mode."""
    postgres.run("CREATE TABLE t (id text)", database="test")

    def make(service, mode="pass", timeout="10s", **pool):
        if service == "POSTGRESQL":
            made = proxy(postgres.port, mode=mode)
            pg_account(project, postgres, made.port, pool=pool)
            action = insert_into(ident="task", timeout=timeout)
        else:
            made = proxy(redis_.port, mode=mode)
            redis_account(project, redis_, made.port, pool=pool)
            action = set_key("task", key="k{id}", value="v") | {"timeout": timeout}
        project.event(EVENT, [action], ANY)
        project.event("note.event", [log_action()])
        return start(project), made
    return make


def check_fault(daemon, code, *fragments):
    """The task fails with the code, a message that names the account, and the loop is free."""
    reply = daemon.post(EVENT, {"id": "a"})
    answer = reply.response("task")
    assert answer["state"] == "failed" and answer["responseCode"] == code, answer
    for fragment in fragments:
        assert fragment in answer["responseMessage"], answer
    return answer


def check_recovery(daemon, made):
    """With the server well again, the same daemon serves again, without help."""
    made.mode = "pass"
    made.cut_all()
    wait_until(lambda: daemon.post(EVENT, {"id": "b"}).response("task")["status"] is True, 20,
               "recovery")
    assert [daemon.post(EVENT, {"id": "c"}).response("task")["status"] for _ in range(5)] == \
        [True] * 5


@pytest.mark.parametrize("service", SERVICES)
def test_refused(faulty, service):
    daemon, made = faulty(service, "refuse")
    answer = check_fault(daemon, 503)
    assert ("pg" if service == "POSTGRESQL" else "redis") in answer["responseMessage"]
    check_recovery(daemon, made)


@pytest.mark.parametrize("service", SERVICES)
def test_nobody_listens(project, start, postgres, redis_, service):
    port = free_port()
    pg_account(project, postgres, port)
    redis_account(project, redis_, port)
    project.event(EVENT, [insert_into(ident="task") if service == "POSTGRESQL" else
                          set_key("task", key="k", value="v")], ANY)
    daemon = start(project)
    for _ in range(3):
        check_fault(daemon, 503, "onnect", "refused")


@pytest.mark.parametrize("service", SERVICES)
def test_hangs_at_connect(faulty, service):
    """The server accepts and says nothing: connectTimeout ends it, and the action's timeout does."""
    daemon, made = faulty(service, "hang", connectTimeout="300ms")
    check_fault(daemon, 503)
    check_recovery(daemon, made)


@pytest.mark.parametrize("service", SERVICES)
def test_times_out_while_connecting(faulty, service):
    daemon, made = faulty(service, "hang", timeout="300ms", connectTimeout="1m")
    answer = check_fault(daemon, 504, "300ms")
    assert 285 <= answer["responseTimeMS"] < 10000
    made.mode = "pass"
    made.cut_all()
    check_recovery(daemon, made)


@pytest.mark.parametrize("service", SERVICES)
def test_hangs_at_the_answer(faulty, service):
    daemon, made = faulty(service, timeout="400ms")
    assert daemon.post(EVENT, {"id": "warm"}).response("task")["status"] is True
    made.mode = "mute"
    check_fault(daemon, 504, "400ms")
    assert daemon.post("note.event").status == 201
    check_recovery(daemon, made)


@pytest.mark.parametrize("service", SERVICES)
def test_cut_in_the_middle_of_an_answer(faulty, service):
    """Sent and not answered: it may have happened, and the code says so."""
    daemon, made = faulty(service)
    assert daemon.post(EVENT, {"id": "warm"}).response("task")["status"] is True
    made.mode = "cut"
    check_fault(daemon, 503 if service == "POSTGRESQL" else 504)
    check_recovery(daemon, made)


@pytest.mark.parametrize("service", SERVICES)
def test_garbage(faulty, service):
    daemon, made = faulty(service, "garbage")
    answer = daemon.post(EVENT, {"id": "a"}).response("task")
    assert answer["state"] == "failed" and answer["responseCode"] in (502, 503), answer
    assert daemon.post("note.event").status == 201
    check_recovery(daemon, made)


# After the login, in place of an answer: no protocol, a length that is negative, huge, or more than
# comes, and messages that nobody asked for.
SPOILT = {
    "POSTGRESQL": [b"\x00\xffthis is no protocol", b"HTTP/1.1 400 Bad Request\r\n\r\n",
                   b"D\xff\xff\xff\xff", b"D\x7f\xff\xff\xff1", b"D\x00\x00\x10\x00\x00\x01",
                   b"Z\x00\x00\x00\x05I" * 3, b"1\x00\x00\x00\x04" * 5,
                   b"R\x00\x00\x00\x08\x00\x00\x00\x03",
                   b"G\x00\x00\x00\x07\x00\x00\x00", b"T\x00\x00\x00\x06\x7f\xff",
                   b"A\x00\x00\x00\x04"],
    "REDIS": [b"\x00\xffthis is no protocol\r\n", b"HTTP/1.1 400 Bad Request\r\n\r\n",
              b"$9999999999999999999\r\n", b"*2\r\n+OK\r\n", b"?\r\n"],
}


@pytest.mark.parametrize("service", SERVICES)
def test_garbage_after_the_login(faulty, service):
    """The task fails in time, whatever comes, and the next connection is a sound one."""
    daemon, made = faulty(service, timeout="500ms", connections=1)
    for spoil in SPOILT[service]:
        assert daemon.post(EVENT, {"id": "warm"}).response("task")["status"] is True, spoil
        made.spoil, made.mode = spoil, "spoil"
        answer = daemon.post(EVENT, {"id": "a"}).response("task")
        assert answer["state"] == "failed", (spoil, answer)
        assert answer["responseCode"] in (502, 503, 504), (spoil, answer)
        made.mode = "pass"
        made.cut_all()
        wait_until(lambda: daemon.post(EVENT, {"id": "b"}).response("task")["status"] is True, 20,
                   f"recovery from {spoil}")
    assert daemon.post("note.event").status == 201


# What an idle connection may not say, and what it may (a notice, a parameter's new value).
UNASKED = {
    "POSTGRESQL": ([b"junk", b"C\x00\x00\x00\x0fINSERT 0 9\x00", b"Z\x00\x00\x00\x05I"],
                   [b"N\x00\x00\x00\x0bSINFO\x00\x00", b"S\x00\x00\x00\x08a\x00b\x00"]),
    "REDIS": ([b":7\r\n", b"-ERR of another\r\n", b"junk\r\n"], []),
}


@pytest.mark.parametrize("service", SERVICES)
def test_words_that_nobody_asked_for(faulty, service):
    """
    They are never taken for the next task's answer. Half a message shows only when the rest does
    not fit, so a task may fail; the one after it does not.
    """
    daemon, made = faulty(service, connections=1)
    expected = daemon.post(EVENT, {"id": "warm"}).response("task")["responsePayload"]
    for words in sum(UNASKED[service], []):
        made.inject(words)
        time.sleep(0.05)
        answers = [daemon.post(EVENT, {"id": "a"}).response("task") for _ in range(2)]
        assert answers[1]["status"] is True, (words, answers)
        for answer in answers:
            assert answer["responseCode"] == 503 or answer["responsePayload"] == expected, (
                words, answer)


@pytest.mark.parametrize("service", SERVICES)
def test_a_connection_that_dies_idle_costs_nothing(faulty, service):
    daemon, made = faulty(service, connections=1)
    assert daemon.post(EVENT, {"id": "warm"}).response("task")["status"] is True
    for number in range(5):
        made.cut_all()
        wait_until(lambda: not made.connections, 5, "the cut")
        time.sleep(0.05)
        answer = daemon.post(EVENT, {"id": str(number)}).response("task")
        assert answer["status"] is True, answer


def test_a_wrong_password(project, start, postgres, redis_):
    pg_account(project, postgres)
    project.account("pg", "POSTGRESQL", test={"url": postgres.url("test").replace(
        "secret", "wrong")}, live={"url": postgres.url("nowhere")})
    project.event(EVENT, [insert_into(ident="task")], ANY)
    daemon = start(project)
    answer = check_fault(daemon, 403)
    assert answer["responseDetail"] == "28P01", answer
    answer = daemon.post(EVENT, {"id": "a"}, "live").response("task")
    assert (answer["responseCode"], answer["responseDetail"]) == (503, "3D000"), answer
    assert "nowhere" in answer["responseMessage"]


def test_bad_credentials_show_early(project, start, postgres, redis_):
    """One connection is opened after the start, so that the log says what is wrong."""
    project.account("pg", "POSTGRESQL", test={"url": postgres.url("test").replace(
        "secret", "wrong")}, live={"url": postgres.url("live")})
    project.account("redis", "REDIS", test={"url": redis_.url().replace("secret", "wrong")},
                    live={"url": redis_.url()})
    project.event(EVENT, [insert_into(), set_key(key="k", value="v")], ANY)
    daemon = start(project)
    wait_until(lambda: "password authentication failed" in daemon.log() and
               "WRONGPASS" in daemon.log(), 10, "the log's word")
    assert "live" not in "".join(line for line in daemon.log().split("\n") if "failed" in line)


def test_too_many_connections(project, start, postgres):
    postgres.run("CREATE TABLE t (id text); DROP ROLE IF EXISTS few; CREATE ROLE few LOGIN "
                 "PASSWORD 'few' CONNECTION LIMIT 0; GRANT ALL ON t TO few", database="test")
    project.account("pg", "POSTGRESQL", test={"url": postgres.url("test").replace(
        "volley:secret", "few:few")}, live={"url": postgres.url("live")})
    project.event(EVENT, [insert_into(ident="task")], ANY)
    daemon = start(project)
    assert check_fault(daemon, 503)["responseDetail"] == "53300"
    postgres.run("ALTER ROLE few CONNECTION LIMIT 5")
    wait_until(lambda: daemon.post(EVENT, {"id": "b"}).response("task")["status"] is True, 20,
               "recovery")
