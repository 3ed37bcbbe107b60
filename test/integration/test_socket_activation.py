"""Listening sockets that are handed over, as systemd does it."""

import os
import shutil
import socket

import pytest

from actions import EVENT
from certificates import Authority
from harness import Volleyd, log_action, open_files, request_bytes
from servers import free_port, wait_until
from test_listeners import status_at
from test_tls_server import status
from tls_clients import client_context

# Puts descriptors at 3, 4, ... and becomes the daemon, whose process id is then its own.
PASS = """import fcntl, os, sys
count = int(sys.argv[1])
high = [fcntl.fcntl(int(fd), fcntl.F_DUPFD_CLOEXEC, 100) for fd in sys.argv[2:2 + count]]
for number, fd in enumerate(high):
    os.dup2(fd, 3 + number, inheritable=True)
os.environ.update(LISTEN_PID=str(os.getpid()), LISTEN_FDS=str(count), LISTEN_FDNAMES="a:b")
os.execv(sys.argv[2 + count], sys.argv[2 + count:])
"""


@pytest.fixture
def activate(project):
    """activate(*sockets): a volleyd that got them."""
    daemons = []

    def run(*sockets, **options):
        for passed in sockets:
            passed.set_inheritable(True)
        wrapper = [shutil.which("python3"), "-c", PASS, str(len(sockets)),
                   *[str(passed.fileno()) for passed in sockets]]
        daemons.append(Volleyd(project, wrapper, pass_fds=[s.fileno() for s in sockets],
                               **options))
        return daemons[-1]

    yield run
    for daemon in daemons:
        if daemon.process.returncode is None:
            daemon.stop()


def listening(family=socket.AF_INET, address=("127.0.0.1", 0)):
    made = socket.socket(family)
    made.bind(address)
    made.listen(16)
    return made


def said(daemon):
    return {line["address"]: line.get("socket") for line in daemon.log_lines()
            if line["msg"] == "listening"}


def test_sockets_are_used(project, activate):
    """The socket of each address, in any order; what was not passed is opened."""
    path = project.path("passed.sock")
    with listening() as tcp, listening(socket.AF_UNIX, path) as unix:
        project.port = tcp.getsockname()[1]
        other = free_port()
        project.write("volley.yaml", {"listen": [f"127.0.0.1:{project.port}", "unix:passed.sock",
                                                 f"127.0.0.1:{other}"]})
        project.event(EVENT, [log_action()])
        daemon = activate(unix, tcp)
        for family, address in ((socket.AF_INET, ("127.0.0.1", project.port)),
                                (socket.AF_INET, ("127.0.0.1", other)), (socket.AF_UNIX, path)):
            assert status_at(daemon, family, address) == 201
        with open(f"/proc/{daemon.process.pid}/fdinfo/3", encoding="ascii") as file:
            flags = next(int(line.split()[1], 8) for line in file if line.startswith("flags:"))
        assert flags & os.O_CLOEXEC and flags & os.O_NONBLOCK
        daemon.stop()
        assert os.path.exists(path), "the passed unix socket was removed"
        assert said(daemon) == {f"127.0.0.1:{project.port}": "passed", f"unix:{path}": "passed",
                                f"127.0.0.1:{other}": None}


def test_connections_wait_over_a_restart(project, activate):
    """The next daemon serves those that came while none ran."""
    with listening() as tcp:
        project.port = tcp.getsockname()[1]
        project.settings()
        project.event(EVENT, [log_action()])
        first = activate(tcp)
        assert first.post(EVENT).status == 201
        first.stop()
        with socket.create_connection(("127.0.0.1", project.port), 10) as early:
            early.sendall(request_bytes(first, EVENT))
            second = activate(tcp, ready=False)
            assert early.recv(100).startswith(b"HTTP/1.1 201 ")
        assert second.post(EVENT).status == 201


def test_tls_on_a_passed_socket(project, activate, tmp_path):
    authority = Authority(tmp_path / "tls")
    pair = authority.issue("server")
    with listening() as tcp:
        project.port = tcp.getsockname()[1]
        project.settings(tls={"certificate": pair.certificate, "key": pair.key})
        project.event(EVENT, [log_action()])
        daemon = activate(tcp)
        assert status(daemon, project.port, client_context(authority.certificate)) == 201


@pytest.mark.parametrize("unix", [False, True])
def test_one_too_many(project, activate, unix):
    """A socket that no listener has asked for: both sides are named."""
    with listening() as tcp, listening() as other, \
            listening(socket.AF_UNIX, project.path("other.sock")) as file:
        project.port = tcp.getsockname()[1]
        project.settings()
        daemon = activate(tcp, file if unix else other, ready=False)
        assert daemon.process.wait(30) == 1
        name = f"unix:{project.path('other.sock')}" if unix else \
            f"127.0.0.1:{other.getsockname()[1]}"
        line = daemon.log_lines()[-1]
        assert line["level"] == "error" and f"for {name}, where" in line["error"], line
        assert f"listens on 127.0.0.1:{project.port}" in line["error"], line


def test_something_else_than_a_socket(project, activate):
    project.settings()
    with socket.socket() as idle, socket.socket(type=socket.SOCK_DGRAM) as datagrams:
        for wrong in (idle, datagrams):
            daemon = activate(wrong, ready=False)
            assert daemon.process.wait(30) == 1
            assert "no listening stream socket" in daemon.log()


def test_variables_for_another_process(project, start):
    """They are meant for whoever has that process id."""
    project.event(EVENT, [log_action()])
    daemon = start(project, env={"LISTEN_PID": "1", "LISTEN_FDS": "3"})
    assert daemon.post(EVENT).status == 201
    wait_until(lambda: open_files(daemon) < 40, 10, "a few files")
