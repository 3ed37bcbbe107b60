"""volley status and stats, and the client behind them: TCP, unix sockets and TLS."""

import json
import os
import signal
import subprocess
import threading
import time

import pytest

from actions import ANY, EVENT, SLEEP, TABLE, insert, insert_into, pg_account, redis_account, set_key
from certificates import Authority
from harness import BUILD, cli, log_action
from servers import wait_until
from tls_servers import TlsProxy

MODEL = {"id": "String!", "name": "String", "amount": "Number"}


@pytest.fixture
def serving(project, start, postgres, redis_):
    """A daemon with two accounts and one event that has run three times, once in vain."""
    postgres.run(TABLE, database="test")
    pg_account(project, postgres)
    redis_account(project, redis_)
    project.event(EVENT, [insert(), set_key()], MODEL)
    daemon = start(project)
    for number in (1, 2, 2):
        assert daemon.post(EVENT, {"id": str(number)}).status == 201
    return daemon


def run(project, *words, **options):
    return cli(*words, project=project.folder, **options)


def test_status(serving):
    done = run(serving.project, "status")
    assert done.returncode == 0 and done.stderr == "", done.stderr
    for text in (" is ready, up ", "catalog: version 1, 1 event, 2 accounts", "0 in flight",
                 "event API: 1 of ", "admin API: 1 of 100 connections", "WAITING"):
        assert text in done.stdout, done.stdout
    rows = [line.split() for line in done.stdout.splitlines()]
    assert ["pg", "test", "POSTGRESQL", "0", "1", "0", "8", "0"] in rows
    assert ["redis", "test", "REDIS", "0", "1", "0", "1", "0"] in rows


def test_status_as_json(serving):
    done = run(serving.project, "status", "--json")
    document = json.loads(done.stdout)
    assert done.returncode == 0 and document["running"] is document["ready"] is True
    assert document["state"] == "ready" and document["catalog"]["version"] == 1
    assert {account["id"] for account in document["accounts"]} == {"pg", "redis"}


def test_no_daemon_is_3(project):
    project.event(EVENT, [log_action()])
    for verb in ("status", "stats"):
        done = run(project, verb)
        assert done.returncode == 3 and done.stdout == ""
        assert f"127.0.0.1:{project.admin_port}" in done.stderr
    done = run(project, "status", "--json")
    assert done.returncode == 3 and json.loads(done.stdout) == {"running": False, "ready": False}
    project.settings(admin={"listen": "unix:run/admin.sock"})
    assert run(project, "status").returncode == 3


def test_no_project_is_1(tmp_path):
    for verb in ("status", "stats"):
        done = cli(verb, project=tmp_path)
        assert done.returncode == 1 and "volley init" in done.stderr
    assert cli("status", "--watch", project=tmp_path).returncode == 2


def test_draining_is_1(project, start, postgres):
    postgres.run(SLEEP, database="test")
    pg_account(project, postgres)
    project.event(EVENT, [insert_into()], ANY)
    daemon = start(project)
    sender = threading.Thread(target=lambda: daemon.post(EVENT, {"id": "1.5"}))
    sender.start()
    wait_until(lambda: json.loads(run(project, "status", "--json").stdout)["runs"]["inflight"],
               10, "the run")
    daemon.terminate()
    wait_until(lambda: run(project, "status").returncode == 1, 10, "the drain")
    done = run(project, "status")
    assert done.returncode == 1 and "is draining" in done.stdout and "draining" in done.stderr
    sender.join()
    daemon.stop()


def test_unix_socket_and_token(project, start):
    """Both are read from volley.yaml, references in it as the daemon reads them."""
    project.settings(admin={"listen": "unix:run/admin.sock", "token": "${ADMIN_TOKEN}"})
    project.event(EVENT, [log_action()])
    start(project, env={"ADMIN_TOKEN": "a word"})
    for verb in ("status", "stats"):
        assert run(project, verb, env={"ADMIN_TOKEN": "a word"}).returncode == 0
        done = run(project, verb, env={"ADMIN_TOKEN": "another"})
        assert done.returncode == 1 and "admin.token" in done.stderr


def test_stats(serving):
    done = run(serving.project, "stats")
    assert done.returncode == 0 and done.stderr == ""
    rows = [line.split() for line in done.stdout.splitlines()]
    assert [EVENT, "test", "3", "0", "0", "-"] in [row[:6] for row in rows]
    assert [EVENT, "on-event", "row", "test", "2", "1", "-"] in [row[:7] for row in rows]
    assert [EVENT, "on-event", "key", "test", "3", "0", "-"] in [row[:7] for row in rows]
    assert ["pg", "test", "0", "1", "8", "0", "2", "1"] in [row[:8] for row in rows]
    assert "p99.9" in done.stdout and "unexpected waits" in done.stdout
    document = json.loads(run(serving.project, "stats", "--json").stdout)
    assert document["events"][1]["replies"]["201"] == 3


def watch(project, *words):
    return subprocess.Popen([os.path.join(BUILD, "volley"), "stats", "--watch", *words,
                             "--project", project.folder], stdout=subprocess.PIPE,
                            stderr=subprocess.PIPE, text=True)


def test_watch(serving):
    """Again every second, with rates, until SIGINT."""
    process = watch(serving.project)
    lines = []
    while not any(line.startswith("CPU: ") for line in lines):
        lines.append(process.stdout.readline())
    began = time.monotonic()
    process.send_signal(signal.SIGINT)
    rest, errors = process.stdout.read(), process.stderr.read()
    assert process.wait(30) == 0 and errors == "" and time.monotonic() - began < 10
    rows = [line.split() for line in lines + rest.splitlines()]
    assert [EVENT, "test", "3", "0", "0", "0.0"] in [row[:6] for row in rows]


def test_watch_as_json_is_a_document_a_line(serving):
    process = watch(serving.project, "--json")
    documents = [json.loads(process.stdout.readline()) for _ in range(2)]
    process.send_signal(signal.SIGINT)
    process.communicate(timeout=30)
    assert process.returncode == 0
    assert documents[1]["uptimeMS"] - documents[0]["uptimeMS"] >= 900


def test_watch_ends_with_the_daemon(serving):
    process = watch(serving.project, "--json")
    process.stdout.readline()
    serving.stop()
    _, errors = process.communicate(timeout=30)
    assert process.returncode == 3 and "no volleyd answers" in errors


# ---- send over the same client -----------------------------------------------------------------

@pytest.fixture
def tls_door(project, start, tmp_path):
    """A daemon behind TLS that a proxy speaks: the CA's certificate, and the proxy's port."""
    authority = Authority(tmp_path / "ca")
    project.event(EVENT, [log_action()])
    start(project)
    proxy = TlsProxy(project.port, authority.issue("server"))
    yield authority.certificate, proxy.port
    proxy.close()


def send(project, *words):
    key, secret = project.credentials["test"]
    return run(project, "send", EVENT, "--key", key, "--secret", secret, "--json", *words)


def test_send_over_tls(project, tls_door):
    ca, port = tls_door
    for host in ("127.0.0.1", "localhost"):
        done = send(project, "--url", f"https://{host}:{port}", "--ca", ca)
        assert done.returncode == 0, done.stderr
    done = send(project, "--url", f"https://127.0.0.1:{port}/", "--ca", ca, "--repeat", "5")
    assert done.returncode == 0 and json.loads(done.stdout)["sent"] == 5
    done = send(project, "--url", f"https://127.0.0.1:{port}")
    assert done.returncode == 3 and "--ca FILE names" in done.stderr
    done = send(project, "--url", f"https://127.0.0.1:{project.port}", "--ca", ca)
    assert done.returncode == 3 and "no TLS" in done.stderr and "--ca" not in done.stderr
    done = send(project, "--url", f"https://127.0.0.1:{port}", "--ca", "/no/such/file")
    assert done.returncode == 1 and "/no/such/file" in done.stderr


def test_send_to_a_unix_socket(project, start):
    project.settings(listen="unix:run/events.sock")
    project.event(EVENT, [log_action()])
    start(project, ready=False)
    wait_until(lambda: os.path.exists(project.path("run/events.sock")), 20, "the socket")
    assert send(project).returncode == 0
    assert send(project, "--url", "unix:" + project.path("run/events.sock")).returncode == 0


def test_send_notices_a_closed_connection(project, start):
    """The daemon closes an idle connection between two events of --repeat: neither is lost."""
    project.settings(limits={"idleTimeout": "100ms"})
    project.event(EVENT, [log_action()])
    start(project)
    done = send(project, "--repeat", "4", "--rate", "2/s")
    assert done.returncode == 0 and json.loads(done.stdout)["failed"] == 0, done.stderr
