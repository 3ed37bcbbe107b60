"""A daemon's life: room for events, the drain, and what it writes into its log."""

import json
import re
import signal
import time

import pytest

from actions import ANY, MODEL, insert, set_key, slow_table, sleeping, two_accounts
from harness import Wire, basic, cli, log_action, request_bytes
from replies import UUID, check_problem
from servers import wait_until

EVENT = "customer.new"


# ---- room ----------------------------------------------------------------------------------------

def test_inflight(project, start, postgres, redis_):
    slow_table(postgres, 1)
    two_accounts(project, postgres, redis_)
    project.settings(limits={"inflight": 2})
    project.event(EVENT, [insert()], MODEL)
    project.event("other.event", [log_action()])
    daemon = start(project)
    with Wire(daemon.port) as one, Wire(daemon.port) as two:
        one.send(request_bytes(daemon, EVENT, b'{"id":"a"}'))
        two.send(request_bytes(daemon, EVENT, b'{"id":"b"}'))
        wait_until(lambda: daemon.post("other.event").status == 503, 5, "the limit")
        reply = daemon.post("other.event")
        check_problem(reply, 503, "inflight")
        assert int(reply.headers["retry-after"]) >= 1
        assert daemon.request("POST", "/event/other.event", b"{}").status == 401  # comes first
        assert daemon.run("0193572e-0000-7000-8000-000000000000").status == 404  # look-ups go on
        assert one.reply().status == two.reply().status == 201
    assert daemon.post("other.event").status == 201


def test_inflight_ends_with_the_reply(project, start, postgres, redis_):
    """An async task does not hold a place."""
    slow_table(postgres, 1)
    two_accounts(project, postgres, redis_)
    project.settings(limits={"inflight": 1})
    project.event(EVENT, [insert() | {"async": True}], MODEL)
    daemon = start(project)
    assert [daemon.post(EVENT, {"id": str(n)}).status for n in range(5)] == [201] * 5


def test_memory(project, start, postgres, redis_):
    """Living runs hold their payloads; beyond limits.memory new events wait outside."""
    slow_table(postgres, 1)
    two_accounts(project, postgres, redis_, pool={"connections": 20})
    project.settings(limits={"memory": "4MiB"})
    project.event(EVENT, [insert()], MODEL)
    project.event("other.event", [log_action()])
    daemon = start(project)
    body = json.dumps({"id": "ID", "filler": "x" * 900000})
    wires = [Wire(daemon.port) for _ in range(6)]
    for number, wire in enumerate(wires):
        wire.send(request_bytes(daemon, EVENT, body.replace("ID", str(number)).encode()))
    refused = []

    def refuses():
        reply = daemon.post("other.event")
        refused.extend([reply] if reply.status == 503 else [])
        return refused
    wait_until(refuses, 5, "the limit")
    check_problem(refused[0], 503, "memory")
    statuses = sorted(wire.reply().status for wire in wires)
    assert statuses[0] == 201 and set(statuses) <= {201, 503}
    for wire in wires:
        wire.socket.close()
    wait_until(lambda: daemon.post("other.event").status == 201, 5, "room again")


# ---- the end of the daemon -----------------------------------------------------------------------

def test_sigterm_drains(project, start, postgres, redis_):
    """A slow run's client gets its reply, new clients are not taken, and the exit code is 0."""
    slow_table(postgres, 1)
    two_accounts(project, postgres, redis_)
    project.event(EVENT, [insert()], MODEL)
    daemon = start(project)
    with Wire(daemon.port) as wire, Wire(daemon.port) as idle, Wire(daemon.port) as half:
        half.send(request_bytes(daemon, EVENT, b'{"id":"half"}')[:-4])
        wire.send(request_bytes(daemon, EVENT, b'{"id":"a"}'))
        wait_until(lambda: sleeping(postgres), 10, "the slow INSERT")
        daemon.terminate()
        idle.end()
        with pytest.raises(OSError):
            wait_until(lambda: Wire(daemon.port).socket.close(), 5, "closed listener")
        reply = wire.reply()
        assert reply.status == 201 and reply.response("row")["status"] is True
        wire.end()
    daemon.stop()
    assert postgres.run("SELECT id FROM customers", database="test") == [("a",)]


def test_sigterm_waits_for_async_tasks(project, start, postgres, redis_):
    slow_table(postgres, 0.7)
    two_accounts(project, postgres, redis_)
    project.event(EVENT, [insert() | {"async": True}], MODEL)
    daemon = start(project)
    assert daemon.post(EVENT, {"id": "a"}).status == 201
    daemon.stop()
    assert postgres.run("SELECT id FROM customers", database="test") == [("a",)]


def test_a_request_during_the_drain_is_503(project, start, postgres, redis_):
    slow_table(postgres, 1)
    two_accounts(project, postgres, redis_)
    project.event(EVENT, [insert()], MODEL)
    daemon = start(project)
    with Wire(daemon.port) as wire, Wire(daemon.port) as late:
        wire.send(request_bytes(daemon, EVENT, b'{"id":"a"}'))
        late.send(request_bytes(daemon, EVENT, b'{"id":"late"}')[:50])
        wait_until(lambda: sleeping(postgres), 10, "the slow INSERT")
        daemon.terminate()
        wait_until(lambda: "draining" in daemon.log(), 5, "the drain")
        late.send(request_bytes(daemon, EVENT, b'{"id":"late"}')[50:])
        reply = late.reply()
        check_problem(reply, 503)
        assert "retry-after" in reply.headers
        assert wire.reply().status == 201
    daemon.stop()


def test_shutdown_timeout(project, start, postgres, redis_):
    slow_table(postgres, 20)
    two_accounts(project, postgres, redis_)
    project.settings(shutdownTimeout="300ms")
    project.event(EVENT, [insert()], MODEL)
    daemon = start(project)
    with Wire(daemon.port) as wire:
        wire.send(request_bytes(daemon, EVENT, b'{"id":"a"}'))
        wait_until(lambda: sleeping(postgres), 10, "the slow INSERT")
        began = time.monotonic()
        daemon.stop()
        assert time.monotonic() - began < 10
    assert "shutdownTimeout" in daemon.log()


@pytest.mark.parametrize("second", [signal.SIGTERM, signal.SIGINT])
def test_a_second_signal_ends_at_once(project, start, postgres, redis_, second):
    slow_table(postgres, 20)
    two_accounts(project, postgres, redis_)
    project.event(EVENT, [insert()], MODEL)
    daemon = start(project)
    with Wire(daemon.port) as wire:
        wire.send(request_bytes(daemon, EVENT, b'{"id":"a"}'))
        wait_until(lambda: sleeping(postgres), 10, "the slow INSERT")
        daemon.terminate()
        wait_until(lambda: "draining" in daemon.log(), 5, "the drain")
        assert daemon.process.poll() is None
        daemon.process.send_signal(second)
        daemon.process.wait(10)
    daemon.stop()


def test_signals_until_the_very_end(project, start):
    """The last one comes when nearly all is taken down; the exit code is 0 all the same."""
    project.event(EVENT, [log_action()])
    daemon = start(project)
    assert daemon.post(EVENT).status == 201
    while daemon.process.poll() is None:
        daemon.terminate()
    daemon.stop()


# ---- the log -------------------------------------------------------------------------------------

def test_log_write(project, start):
    project.event(EVENT, [
        log_action("plain", "value is {value}"),
        {"id": "full", "type": "LOG", "action": "WRITE", "template": {
            "message": "{text}", "level": "error", "fields": {
                "one": "{value}", "two": {"a": "{number}"}, "gone": "{id?}", "n": 5}}},
        {"id": "missing", "type": "LOG", "action": "WRITE", "template": {"message": "x{id}"}},
        {"id": "quiet", "type": "LOG", "action": "WRITE", "template": {"message": "quiet",
                                                                       "level": "debug"}},
    ], ANY)
    daemon = start(project)
    reply = daemon.post(EVENT, raw='{"value":1.50,"text":"hello","number":2.50}')
    for action in ("plain", "full", "quiet"):
        answer = reply.response(action)
        assert answer["responseCode"] == 200 and answer["responsePayload"] is None, answer
    missing = reply.response("missing")
    assert missing["responseCode"] == 422
    assert "wildcard {id} in message: no value" in missing["responseMessage"]
    daemon.stop()
    lines = {line["msg"]: line for line in daemon.log_lines()}
    assert lines["value is 1.50"]["level"] == "info" and "quiet" not in lines
    full = lines["hello"]
    assert full["level"] == "error" and full["one"] == "1.50" and full["n"] == "5"
    assert json.loads(full["two"]) == {"a": 2.5} and "2.50" in full["two"] and "gone" not in full
    assert full["run"] == reply.json()["id"] and full["event"] == EVENT


NASTY = ("line\nbreak\r\n", "tab\t", "\x1b[31mred\x1b[0m", 'quote " back \\ slash', "\x7f\x00\x01",
         "\x85\x9b", "\u2028", "a=b c=d", "level=error msg=\"x\"", "😀 é", "", " ", "{id}", "%s")


@pytest.mark.parametrize("form", ["logfmt", "json"])
def test_log_lines_can_be_parsed(project, start, form):
    """Each line is one line with the values as they were; control characters are escaped."""
    project.settings(log={"format": form, "level": "debug"})
    project.event(EVENT, [{"id": "note", "type": "LOG", "action": "WRITE", "template": {
        "message": "it is {text}", "level": "warn",
        "fields": {"text": "{text}", "msg": "{text}", "number": "{number}", "all": "{$payload}",
                   "odd key": "x", "missing": "{missing?}", "list": ["{text}", 1]}}}],
        {"text": "String!", "number": "Number", "missing": "String"})
    daemon = start(project)
    for text in NASTY:
        reply = daemon.post(EVENT, {"text": text, "number": 1.5})
        assert reply.response("note")["status"] is True, reply.text
        assert daemon.post(text.encode("utf-8").hex() + "." + "x", {}).status == 404
    assert daemon.request("GET", "/" + "%0a%1b%5b".join("abc")).status == 404
    daemon.stop()
    log = daemon.log()
    assert not re.search("[\x00-\x09\x0b-\x1f\x7f\x80-\x9f]", log)
    lines = [line for line in daemon.log_lines() if line["msg"].startswith("it is ")]
    assert [line["text"] for line in lines] == list(NASTY)
    for line, text in zip(lines, NASTY):
        assert line["msg"] == "it is " + text and line["msg_"] == text
        assert line["level"] == "warn" and line["number"] == "1.5" and line["odd key"] == "x"
        assert "missing" not in line
        assert json.loads(line["all"])["text"] == text
        assert re.fullmatch(UUID, line["run"]) and line["event"] == EVENT
    assert {line["level"] for line in daemon.log_lines()} <= {"debug", "info", "warn", "error"}
    assert all(re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", line["time"])
               for line in daemon.log_lines())


def test_log_level(project, start):
    project.settings(log={"level": "error"})
    project.event(EVENT, [log_action(), {"id": "bad", "type": "LOG", "action": "WRITE",
                                         "template": {"message": "serious", "level": "error"}}])
    daemon = start(project)
    assert daemon.post(EVENT).status == 201
    daemon.stop()
    assert [line["msg"] for line in daemon.log_lines()] == ["serious"]


def test_secrets_are_never_logged(project, start, postgres, redis_):
    """Not by the daemon at debug with everything failing, nor in replies, nor by volley test."""
    project.settings(log={"level": "debug"})
    project.account("pg", "POSTGRESQL", test={
        "url": postgres.url("test").replace("secret", "hunter2hunter2")})
    project.account("redis", "REDIS", test={"url": redis_.url().replace("secret", "swordfish77")})
    project.event(EVENT, [insert(), set_key()], MODEL)
    done = cli("test", project=project.folder)
    daemon = start(project)
    secret = project.credentials["test"][1]
    reply = daemon.post(EVENT, {"id": "a"})
    assert reply.response("row")["responseCode"] == reply.response("key")["responseCode"] == 403
    daemon.request("POST", f"/event/{EVENT}", b"{}", {"client_key": "vk_test_x",
                                                      "client_secret": secret})
    daemon.request("POST", f"/event/{EVENT}", b"{", daemon.credentials())
    daemon.request("POST", f"/event/{EVENT}", b"{", basic(*project.credentials["test"]))
    daemon.stop()
    for text in (daemon.log(), reply.text, done.stdout, done.stderr):
        for word in ("hunter2", "swordfish", secret, secret[8:], "postgresql://", "redis://",
                     basic(*project.credentials["test"])["Authorization"][6:]):
            assert word not in text, word


def test_failures_are_logged(project, start, redis_):
    project.account("redis", "REDIS", test={"url": redis_.url()}, live={"url": redis_.url(1)})
    project.event(EVENT, [set_key(key="k{name}", value="x")], MODEL)
    daemon = start(project)
    ident = daemon.post(EVENT, {"id": "a"}).json()["id"]
    daemon.stop()
    line = next(line for line in daemon.log_lines() if line.get("run") == ident)
    assert line["action"] == "key" and line["account"] == "redis" and line["code"] == "422"
    assert line["level"] == "warn" and "{name}" in line["error"]


def test_the_start_and_the_end_are_logged(project, start):
    project.event(EVENT, [log_action()])
    daemon = start(project)
    daemon.stop()
    messages = [line["msg"] for line in daemon.log_lines()]
    assert "volleyd started" in messages and messages[-1] == "volleyd ended"
    assert [line["address"] for line in daemon.log_lines() if line["msg"] == "listening"] == [
        f"127.0.0.1:{daemon.port}"]


def test_the_start_is_logged_before_the_first_client(project, start):
    """Also when nothing ever comes: the log is where one looks for why."""
    daemon = start(project, ready=False)
    wait_until(lambda: "msg=listening" in daemon.log().replace('"', ""), 10, "the line")


def test_fields_of_a_log_action_do_not_hide_its_run(project, start):
    action = log_action()
    action["template"]["fields"] = {"run": "mine", "event": "mine", "msg": "mine"}
    project.settings(log={"format": "json"})
    project.event(EVENT, [action])
    daemon = start(project)
    ident = daemon.post(EVENT).json()["id"]
    daemon.stop()
    lines = [line for line in daemon.log().splitlines() if '"msg":"noted"' in line]
    pairs = json.loads(lines[0], object_pairs_hook=list)
    names = [name for name, _ in pairs]
    assert len(names) == len(set(names))
    assert dict(pairs)["run"] == ident and dict(pairs)["run_"] == "mine"


def test_a_pass_that_blocks_is_seen(project, start):
    """The figure that finds none in any other test does find one."""
    project.event(EVENT, [log_action()])
    daemon = start(project, env={"VOLLEY_TEST_BLOCK": "60ms"})
    wait_until(lambda: "slow pass" in daemon.log(), 10, "the pass that blocks")
    daemon.stop()
    slow, *_, end = [line for line in daemon.log_lines()
                     if line["msg"] in ("slow pass of the loop", "volleyd ended")]
    assert int(slow["waits"]) == int(end["unexpected_waits"]) == 1
    assert int(slow["wall_ms"]) >= 60 and int(slow["cpu_ms"]) < 20
