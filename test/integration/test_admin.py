"""The admin listener: who may ask, and what health checks say."""

import os
import socket
import stat
import threading

import pytest

from actions import EVENT, SLEEP, insert_into, pg_account
from admin import ask, metrics, stats
from harness import Volleyd, Wire, log_action
from servers import free_port, wait_until

PATHS = ("/healthz", "/readyz", "/metrics", "/stats")
TOKEN = "secret of the admin side"


@pytest.fixture
def noting(project, start):
    """noting(**admin): a daemon with one event; `admin` is beside its listen."""
    def run(**admin):
        project.settings(admin={"listen": f"127.0.0.1:{project.admin_port}", **admin})
        project.event(EVENT, [log_action()])
        return start(project)
    return run


def host_status(daemon, host, path="/stats", **headers):
    return ask(daemon.project.admin_port, path, headers={"Host": host, **headers}).status


def test_pages(noting):
    port = noting().project.admin_port
    reply = ask(port, "/healthz")
    assert (reply.status, reply.text) == (200, "ok\n")
    assert ask(port, "/readyz").status == 200
    reply = ask(port, "/metrics")
    assert reply.headers["content-type"] == "text/plain; version=0.0.4; charset=utf-8"
    assert ask(port, "/stats").headers["content-type"] == "application/json"


def test_head_has_a_length_and_no_body(noting):
    port = noting().project.admin_port
    for path in PATHS:
        reply = ask(port, path, "HEAD")
        assert reply.status == 200 and reply.text == "" and int(reply.headers["content-length"]) > 0


def test_unknown_paths_and_methods(noting):
    port = noting().project.admin_port
    for path in ("/", "/metrics/", "/event/" + EVENT, "/admin/x"):
        reply = ask(port, path)
        assert reply.status == 404 and reply.headers["content-type"] == "application/problem+json"
        assert reply.json()["status"] == 404 and reply.json()["message"] == reply.json()["detail"]
    for method in ("POST", "PUT", "DELETE", "OPTIONS", "PATCH"):
        for path in PATHS:
            reply = ask(port, path, method, {"Content-Type": "application/json"})
            assert reply.status == 405 and reply.headers["allow"] == "GET, HEAD"


@pytest.mark.parametrize("host", [
    "127.0.0.1", "127.0.0.1:8081", "10.1.2.3:80", "[::1]", "[::1]:8081", "[2001:db8::1]:1",
    "localhost", "localhost:8081", "LocalHost", "volley.internal", "Volley.Internal:443"])
def test_hosts_that_are_known(noting, host):
    daemon = noting(hosts=["volley.internal"])
    for path in PATHS:
        assert host_status(daemon, host, path) == 200


@pytest.mark.parametrize("host", [
    "evil.example", "evil.example:8081", "127.0.0.1.evil.example", "localhost.evil.example",
    "localhost.", "evil.example#127.0.0.1", "127.1", "0x7f000001", "2130706433", "::1", "[::1",
    "[evil.example]", "[127.0.0.1]", "127.0.0.1:80:80", "127.0.0.1:x", "127.0.0.1:999999",
    "[::1]x", "[::1%25lo]", "user@127.0.0.1", "", "volley.internal.evil.example"])
def test_hosts_of_strangers(noting, host):
    """A name that points to 127.0.0.1 is a stranger's way in (DNS rebinding)."""
    daemon = noting(hosts=["volley.internal"])
    for path in PATHS:
        assert host_status(daemon, host, path) in (400, 403)
    reply = ask(daemon.project.admin_port, "/stats", headers={"Host": "evil.example"})
    assert reply.status == 403 and "admin.hosts" in reply.json()["detail"]
    assert "evil.example" in reply.json()["detail"]


def test_no_host_at_all(noting):
    port = noting().project.admin_port
    with Wire(port) as wire:
        wire.send(b"GET /stats HTTP/1.1\r\n\r\n")
        assert wire.reply().status == 400
    with socket.create_connection(("127.0.0.1", port)) as old:
        old.sendall(b"GET /stats HTTP/1.0\r\n\r\n")
        assert old.recv(100).split()[1] in (b"400", b"403")


@pytest.mark.parametrize("origin, status", [
    ("http://127.0.0.1:8081", 200), ("https://localhost", 200), ("http://[::1]:1", 200),
    ("https://volley.internal", 200), ("http://evil.example", 403), ("null", 403), ("", 403),
    ("http://127.0.0.1/x", 403), ("file://", 403), ("127.0.0.1", 403), ("ftp://127.0.0.1", 403),
    ("http://localhost.evil.example", 403)])
def test_origins(noting, origin, status):
    daemon = noting(hosts=["volley.internal"])
    for path in PATHS:
        assert host_status(daemon, "127.0.0.1", path, Origin=origin) == status


def test_two_origins(noting):
    with Wire(noting().project.admin_port) as wire:
        wire.send(b"GET /stats HTTP/1.1\r\nHost: localhost\r\nOrigin: http://localhost\r\n"
                  b"Origin: http://evil.example\r\n\r\n")
        assert wire.reply().status == 403


def test_token(noting):
    daemon = noting(token=TOKEN)
    port = daemon.project.admin_port
    assert ask(port, "/healthz").status == ask(port, "/readyz").status == 200
    good = {"Authorization": f"Bearer {TOKEN}"}
    for path, status in (("/metrics", 200), ("/stats", 200), ("/nothing", 404)):
        assert ask(port, path, headers=good).status == status
        assert ask(port, path, headers={"Authorization": f"bearer {TOKEN}"}).status == status
        for wrong in ({}, {"Authorization": f"Bearer {TOKEN}x"}, {"Authorization": "Bearer "},
                      {"Authorization": f"Basic {TOKEN}"}, {"Authorization": TOKEN},
                      {"Authorization": f"Bearer {TOKEN[:-1]}"}):
            reply = ask(port, path, headers=wrong)
            assert reply.status == 401 and reply.headers["www-authenticate"].startswith("Bearer")
            assert TOKEN not in reply.text
    assert ask(port, "/stats", headers={**good, "Host": "evil.example"}).status == 403


def test_unix_socket_is_its_owners(project, start):
    """Mode 0600 whatever the umask, in a folder that was not there."""
    project.settings(admin={"listen": "unix:run/admin.sock"})
    project.event(EVENT, [log_action()])
    old = os.umask(0)
    try:
        start(project)
    finally:
        os.umask(old)
    path = project.path("run/admin.sock")
    assert stat.S_IMODE(os.stat(path).st_mode) == 0o600
    assert ask(path, "/healthz").status == ask(path, "/stats").status == 200
    assert ask(path, "/stats", headers={"Host": "evil.example"}).status == 403


def test_an_address_that_is_taken(project, start):
    project.event(EVENT, [log_action()])
    start(project)
    first = project.admin_port
    project.settings(listen=f"127.0.0.1:{free_port()}", admin={"listen": f"127.0.0.1:{first}"})
    second = Volleyd(project, ready=False)
    assert second.process.wait(30) == 1
    second.stop(expect=1)
    assert f"cannot listen on 127.0.0.1:{first}" in second.log()
    assert "(admin.listen in volley.yaml)" in second.log()


def test_draining(project, start, postgres):
    """Not ready from SIGTERM on, alive to the end, and the run is carried to its end."""
    postgres.run(SLEEP, database="test")
    pg_account(project, postgres)
    project.event(EVENT, [insert_into()], {"id": "String"})
    daemon = start(project)
    replies = []
    sender = threading.Thread(target=lambda: replies.append(daemon.post(EVENT, {"id": "1.5"})))
    sender.start()
    wait_until(lambda: stats(daemon)["runs"]["inflight"] == 1, 10, "the run")
    assert ask(project.admin_port, "/readyz").status == 200
    daemon.terminate()
    wait_until(lambda: ask(project.admin_port, "/readyz").status == 503, 10, "the drain")
    reply = ask(project.admin_port, "/readyz")
    assert "draining" in reply.json()["detail"]
    assert ask(project.admin_port, "/healthz").status == 200
    assert metrics(daemon).get("volley_ready") == 0
    assert stats(daemon)["state"] == "draining"
    sender.join()
    assert replies[0].status == 201
    daemon.stop()


def test_neither_side_starves_the_other(project, start):
    """All connections of the Event API are taken, then all of the admin side's."""
    project.settings(limits={"connections": 5})
    project.event(EVENT, [log_action()])
    daemon = start(project)
    wires = []
    for _ in range(5):
        wires.append(Wire(daemon.port))
        wires[-1].send(b"POST /event/x HTTP/1.1\r\nHost: x\r\n")
    wait_until(lambda: sum(stats(daemon)["http"][0]["connections"].values()) == 5, 10, "five")
    assert ask(project.admin_port, "/readyz").status == 200
    for wire in wires:
        wire.socket.close()
    wires = [Wire(project.admin_port) for _ in range(100)]
    for wire in wires:
        wire.send(b"GET /stats HTTP/1.1\r\n")
    assert daemon.post(EVENT).status == 201
    for wire in wires:
        wire.socket.close()


def test_a_large_body_is_refused(noting):
    reply = ask(noting().project.admin_port, "/stats", body=b"x" * 70000)
    assert reply.status == 413
