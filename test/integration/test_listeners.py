"""Addresses to listen on, and what is left of the connections when files are scarce."""

import http.client
import os
import re
import socket

import pytest

from actions import EVENT, SLEEP, insert_into, pg_account
from certificates import Authority
from harness import Volleyd, Wire, log_action, request_bytes
from servers import free_port, wait_until
from tls_clients import client_context


def note_event(project, *addresses, **keys):
    """The event in a project that listens on these addresses."""
    project.write("volley.yaml", {"listen": list(addresses), **keys})
    os.makedirs(project.path("run"), exist_ok=True)
    project.event(EVENT, [log_action()])


def status_at(daemon, family, address, context=None):
    """Sends one event to an address, through TLS with a context; the reply's status."""
    with socket.socket(family) as plain:
        plain.settimeout(10)
        plain.connect(address)
        wire = context.wrap_socket(plain, server_hostname="localhost") if context else plain
        wire.sendall(request_bytes(daemon, EVENT, b"{}", [("Connection", "close")]))
        answer = http.client.HTTPResponse(wire)
        answer.begin()
        return answer.status


def has_ipv6():
    try:
        socket.create_server(("::1", 0), family=socket.AF_INET6).close()
        return True
    except OSError:
        return False


def is_open(family, address):
    with socket.socket(family) as probe:
        return probe.connect_ex(address) == 0


def check_refusal(project, address, *fragments):
    """volleyd cannot listen there: it says so and ends with 1."""
    daemon = Volleyd(project, ready=False)
    assert daemon.process.wait(30) == 1
    daemon.stop(expect=1)
    for fragment in (f"cannot listen on {address}", *fragments):
        assert fragment in daemon.log(), daemon.log()


def test_several_addresses(project, start):
    other = free_port()
    note_event(project, f"127.0.0.1:{project.port}", {"address": "unix:run/volley.sock"},
               {"address": f"127.0.0.1:{other}", "tls": False},
               routes=["/event/", "/reactibehub.io/"])
    daemon = start(project)
    assert status_at(daemon, socket.AF_INET, ("127.0.0.1", project.port)) == 201
    assert status_at(daemon, socket.AF_INET, ("127.0.0.1", other)) == 201
    assert status_at(daemon, socket.AF_UNIX, project.path("run/volley.sock")) == 201
    with Wire(daemon.port) as wire:
        request = request_bytes(daemon, EVENT)
        wire.send(request.replace(b"/event/", b"/reactibehub.io/"))
        assert wire.reply().status == 201
        wire.send(request.replace(b"/event/", b"/reactivehub.io/"))
        assert wire.reply().status == 404
    daemon.stop()
    said = [line["address"] for line in daemon.log_lines() if line["msg"] == "listening"]
    assert len(said) == 3 and any("run/volley.sock" in address for address in said)
    assert not os.path.exists(project.path("run/volley.sock"))


@pytest.mark.skipif(not has_ipv6(), reason="this machine has no IPv6 loopback")
def test_ipv6(project, start):
    """[::] stands beside 0.0.0.0 on one port."""
    note_event(project, f"0.0.0.0:{project.port}", f"[::]:{project.port}")
    daemon = start(project)
    for family, address in ((socket.AF_INET, "127.0.0.1"), (socket.AF_INET6, "::1")):
        assert status_at(daemon, family, (address, project.port)) == 201
    daemon.stop()
    note_event(project, f"[::]:{project.port}")
    second = start(project, ready=False)
    wait_until(lambda: is_open(socket.AF_INET6, ("::1", project.port)), 10, "the second daemon")
    assert status_at(second, socket.AF_INET6, ("::1", project.port)) == 201
    assert not is_open(socket.AF_INET, ("127.0.0.1", project.port))


@pytest.mark.skipif(not has_ipv6(), reason="this machine has no IPv6 loopback")
def test_tls_over_ipv6_and_a_unix_socket(project, start, tmp_path):
    """One group for all of them, and one that says no."""
    authority = Authority(tmp_path / "tls")
    pair = authority.issue("server")
    note_event(project, f"[::1]:{project.port}", "unix:run/tls.sock",
               {"address": f"127.0.0.1:{project.port}", "tls": False},
               {"address": "unix:run/plain.sock", "tls": False},
               tls={"certificate": pair.certificate, "key": pair.key})
    daemon = start(project)
    context = client_context(authority.certificate)
    for family, address, tls in (
            (socket.AF_INET6, ("::1", project.port), True),
            (socket.AF_INET, ("127.0.0.1", project.port), False),
            (socket.AF_UNIX, project.path("run/tls.sock"), True),
            (socket.AF_UNIX, project.path("run/plain.sock"), False)):
        assert status_at(daemon, family, address, context if tls else None) == 201
    daemon.stop()
    assert [line.get("tls") for line in daemon.log_lines() if line["msg"] == "listening"] == [
        "yes", "yes", None, None]


def test_only_a_unix_socket(project, start):
    """One that a killed daemon left behind is taken over; one in use, and a file, are not."""
    note_event(project, "unix:run/volley.sock", admin={"listen": "127.0.0.1:0"})
    path = project.path("run/volley.sock")
    first = start(project, ready=False)
    wait_until(lambda: is_open(socket.AF_UNIX, path), 10, "the first daemon")
    first.kill()
    assert os.path.exists(path)
    second = start(project, ready=False)
    wait_until(lambda: is_open(socket.AF_UNIX, path), 10, "the second daemon")
    assert status_at(second, socket.AF_UNIX, path) == 201
    check_refusal(project, "unix:")
    assert status_at(second, socket.AF_UNIX, path) == 201
    second.stop()
    project.write("run/volley.sock", "precious")
    check_refusal(project, "unix:")
    with open(path, encoding="ascii") as file:
        assert file.read() == "precious"


def test_an_address_in_use(project):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        note_event(project, f"127.0.0.1:{project.port}", f"127.0.0.1:{port}")
        check_refusal(project, f"127.0.0.1:{port}", "in use")


# ---- few files ---------------------------------------------------------------------------------

def with_files(count):
    return {"wrapper": ["prlimit", f"--nofile={count}:{count}"]}


def test_few_open_files_lower_the_connections(project, start):
    """It says how many fit, keeps to that, and each new client is served in an idle one's place."""
    project.event(EVENT, [log_action()])
    daemon = start(project, **with_files(100))
    assert daemon.post(EVENT).status == 201
    wait_until(lambda: "limits.connections" in daemon.log(), 10, "the warning")
    line = next(line for line in daemon.log_lines() if "limits.connections" in line["msg"])
    fit = int(line["connections"])
    assert line["level"] == "warn" and line["wanted"] == "10000" and line["open_files"] == "100"
    assert 5 <= fit <= 50
    wires = []
    for _ in range(3 * fit):
        wires.append(Wire(daemon.port))
        wires[-1].send(request_bytes(daemon, EVENT))
        assert wires[-1].reply().status == 201
    for wire in wires[:fit]:
        wire.end()
    assert all(wire.is_silent(0) for wire in wires[-fit:])
    for wire in wires:
        wire.socket.close()
    assert "cannot accept" not in daemon.log()


def test_no_files_left(project, start, postgres):
    """Too few even for the pool: tasks wait or fail, nothing is lost, and it serves on."""
    postgres.run(SLEEP, database="test")
    pg_account(project, postgres, pool={"connections": 20})
    project.event("many.rows", [insert_into(ident=f"row{n}", payload={"id": "{id}"})
                                for n in range(20)], {"id": "String"})
    project.event(EVENT, [log_action()])
    daemon = start(project, **with_files(24))
    for seconds in ("0.2", "0"):
        reply = daemon.post("many.rows", {"id": seconds})
        answers = [reply.response(f"row{n}") for n in range(20)]
        done = [answer for answer in answers if answer["status"]]
        assert done, reply.text
        for answer in answers:
            assert answer["status"] or answer["responseCode"] == 503 and re.search(
                "open files|connect", answer["responseMessage"]), answer
        assert postgres.run("SELECT count(*) FROM t WHERE id = %s", (seconds,),
                            "test") == [(len(done),)]
    wires = [Wire(daemon.port) for _ in range(40)]
    for wire in wires:
        wire.socket.close()
    assert daemon.post(EVENT).status == 201
