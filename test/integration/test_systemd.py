"""What volleyd tells the service manager, how signals end it, and the unit files of make install."""

import json
import os
import re
import shutil
import signal
import socket
import subprocess
import time

import pytest

from actions import MODEL, insert, sleeping, slow_table, two_accounts
from harness import BUILD, TOP, Volleyd, Wire, log_action, request_bytes
from servers import wait_until

EVENT = "customer.new"


class Manager:
    """The service manager's end of NOTIFY_SOCKET: messages as dicts, each with its arrival time."""

    def __init__(self, address):
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.socket.bind("\0" + address[1:] if address.startswith("@") else address)
        self.socket.setblocking(False)
        self.environment = {"NOTIFY_SOCKET": address}
        self.messages = []

    def read(self):
        while True:
            try:
                text = self.socket.recv(65536).decode("utf-8")
            except BlockingIOError:
                return self.messages
            message = dict(line.split("=", 1) for line in text.split("\n"))
            self.messages.append(message | {"at": time.monotonic()})

    def find(self, name):
        return [message for message in self.read() if name in message]


@pytest.fixture(params=["path", "abstract"])
def manager(request, tmp_path):
    made = Manager(str(tmp_path / "notify") if request.param == "path"
                   else f"@volley-test-{os.getpid()}-{tmp_path.name}")
    yield made
    made.socket.close()


# ---- readiness -----------------------------------------------------------------------------------

def test_ready_and_stopping(project, start, manager):
    project.settings(shutdownTimeout="7s")
    project.event(EVENT, [log_action()])
    daemon = start(project, env=manager.environment, ready=False)
    wait_until(lambda: manager.find("READY"), 60, "READY=1")
    # Ready means: the listener is open, without any further waiting.
    assert daemon.post(EVENT).status == 201
    [ready] = manager.find("READY")
    assert ready["READY"] == "1" and ready["STATUS"]
    assert not manager.find("STOPPING") and not manager.find("WATCHDOG")
    daemon.stop()
    [stopping] = manager.find("STOPPING")
    assert stopping["STOPPING"] == "1"
    assert int(stopping["EXTEND_TIMEOUT_USEC"]) == 12_000_000  # shutdownTimeout and 5 s
    assert manager.messages[0] is ready and manager.messages[-1] is stopping


def test_nothing_is_told_after_stopping(project, start, postgres, redis_, tmp_path):
    """A reload that the end of the daemon cuts off, and one that is asked for while it drains."""
    slow_table(postgres, 1)
    two_accounts(project, postgres, redis_)
    project.event(EVENT, [insert()], MODEL)
    manager = Manager(str(tmp_path / "notify"))
    daemon = start(project, env=manager.environment)
    with Wire(daemon.port) as wire:
        wire.send(request_bytes(daemon, EVENT, b'{"id":"a"}'))
        wait_until(lambda: sleeping(postgres), 10, "the slow INSERT")
        # Stopped meanwhile, so that the daemon finds both signals at once.
        for number in (signal.SIGSTOP, signal.SIGHUP, signal.SIGTERM, signal.SIGCONT):
            daemon.process.send_signal(number)
        daemon.told_to_end = True
        wait_until(lambda: "draining" in daemon.log(), 10, "the drain")
        daemon.process.send_signal(signal.SIGHUP)
        wait_until(lambda: "reload ignored" in daemon.log(), 10, "the second reload")
        assert wire.reply().status == 201
    daemon.stop()
    names = [next(iter(message)) for message in manager.read()]
    assert names == ["READY", "RELOADING", "READY", "STOPPING"]
    manager.socket.close()


def test_a_broken_folder_is_never_ready(project, start, manager):
    project.settings(nonsense=1)
    daemon = start(project, env=manager.environment, ready=False)
    assert daemon.process.wait(30) == 1
    assert manager.read() == []


@pytest.mark.parametrize("address", ["", "relative/path", "/nonexistent/notify", "vsock:2:9999",
                                     "@" + "x" * 200])
def test_an_odd_notify_socket_does_no_harm(project, start, address):
    project.event(EVENT, [log_action()])
    daemon = start(project, env={"NOTIFY_SOCKET": address, "WATCHDOG_USEC": "100000"})
    assert daemon.post(EVENT).status == 201
    daemon.stop()
    assert ("could not be told" in daemon.log()) == (address == "/nonexistent/notify")


def test_a_manager_that_does_not_read_blocks_nothing(project, start, tmp_path):
    """Its queue is full after a while; pings are lost then, the daemon goes on."""
    manager = Manager(str(tmp_path / "notify"))
    project.event(EVENT, [log_action()])
    daemon = start(project, env={**manager.environment, "WATCHDOG_USEC": "4000"})
    wait_until(lambda: "could not be told" in daemon.log(), 30, "a full queue")
    assert daemon.post(EVENT).status == 201
    daemon.stop()
    manager.socket.close()


# ---- the watchdog --------------------------------------------------------------------------------

def test_watchdog(project, start, manager):
    """A ping at least each half period, as long as the loop turns, and none from a stopped process."""
    period = 0.4
    project.event(EVENT, [log_action()])
    daemon = start(project, env={**manager.environment, "WATCHDOG_USEC": str(int(period * 1e6))})
    wait_until(lambda: len(manager.find("WATCHDOG")) >= 5, 30, "five pings")
    pings = [message["at"] for message in manager.messages if message.get("WATCHDOG") == "1"]
    gaps = sorted(later - earlier for earlier, later in zip(pings, pings[1:]))
    assert gaps[len(gaps) // 2] < period * 0.75  # half of it, and room for a busy machine
    assert gaps[len(gaps) // 2] > period * 0.25
    daemon.process.send_signal(signal.SIGSTOP)
    manager.read()
    time.sleep(period)
    manager.read()
    seen = len(manager.messages)
    time.sleep(2 * period)
    assert len(manager.read()) == seen
    daemon.process.send_signal(signal.SIGCONT)
    wait_until(lambda: len(manager.find("WATCHDOG")) > len(pings), 30, "pings again")
    daemon.stop()


def test_pings_go_on_while_draining(project, start, postgres, redis_, tmp_path):
    slow_table(postgres, 1.5)
    two_accounts(project, postgres, redis_)
    project.event(EVENT, [insert()], MODEL)
    manager = Manager(str(tmp_path / "notify"))
    daemon = start(project, env={**manager.environment, "WATCHDOG_USEC": "200000"})
    with Wire(daemon.port) as wire:
        wire.send(request_bytes(daemon, EVENT, b'{"id":"a"}'))
        wait_until(lambda: sleeping(postgres), 10, "the slow INSERT")
        daemon.terminate()
        wait_until(lambda: manager.find("STOPPING"), 10, "STOPPING=1")
        stopping = manager.messages.index(manager.find("STOPPING")[0])
        daemon.process.send_signal(signal.SIGHUP)  # ignored: nobody is told of a reload
        assert wire.reply().status == 201
    daemon.stop()
    manager.read()
    assert sum("WATCHDOG" in message for message in manager.messages[stopping:]) >= 2
    assert "reload ignored" in daemon.log() and not manager.find("RELOADING")
    manager.socket.close()


@pytest.mark.parametrize("usec, pid", [("100000", "1"), ("100000", "nonsense"), ("0", None),
                                       ("-1", None), ("100000x", None), ("", None),
                                       ("99999999999999999999999", None)])
def test_a_watchdog_that_is_not_ours(project, start, tmp_path, usec, pid):
    manager = Manager(str(tmp_path / "notify"))
    environment = {**manager.environment, "WATCHDOG_USEC": usec}
    if pid is not None:
        environment["WATCHDOG_PID"] = pid
    project.event(EVENT, [log_action()])
    daemon = start(project, env=environment)
    time.sleep(0.2)
    daemon.stop()
    assert manager.find("READY") and not manager.find("WATCHDOG")
    manager.socket.close()


def test_watchdog_pid_is_ours(project, start, tmp_path):
    """A shell that exec()s volleyd keeps its process id, which it knows beforehand."""
    manager = Manager(str(tmp_path / "notify"))
    project.event(EVENT, [log_action()])
    daemon = start(project, wrapper=("sh", "-c", 'WATCHDOG_PID=$$ exec "$@"', "sh"),
                   env={**manager.environment, "WATCHDOG_USEC": "200000"})
    wait_until(lambda: len(manager.find("WATCHDOG")) >= 2, 30, "two pings")
    daemon.stop()
    manager.socket.close()


# ---- signals and exit codes ----------------------------------------------------------------------

@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_the_first_signal_drains(project, start, postgres, redis_, number):
    """The run in flight is answered, then the exit code is 0."""
    slow_table(postgres, 0.7)
    two_accounts(project, postgres, redis_)
    project.event(EVENT, [insert()], MODEL)
    daemon = start(project)
    with Wire(daemon.port) as wire:
        wire.send(request_bytes(daemon, EVENT, b'{"id":"a"}'))
        wait_until(lambda: sleeping(postgres), 10, "the slow INSERT")
        daemon.told_to_end = True
        daemon.process.send_signal(number)
        reply = wire.reply()
        assert reply.status == 201 and reply.response("row")["status"] is True
    assert daemon.process.wait(30) == 0
    assert f"signal={signal.Signals(number).name}" in daemon.log()


def test_a_signal_right_after_the_listener_opened(project):
    """Whoever can connect can also end the daemon in order. The gap is short, hence many times."""
    project.event(EVENT, [log_action()])
    for _ in range(40):
        daemon = Volleyd(project, ready=False)
        while not daemon.is_up():
            pass
        daemon.stop()


@pytest.mark.parametrize("first, second", [(signal.SIGTERM, signal.SIGTERM),
                                           (signal.SIGINT, signal.SIGINT),
                                           (signal.SIGINT, signal.SIGTERM)])
def test_the_second_signal_ends_at_once(project, start, postgres, redis_, first, second):
    """It was asked for, so the exit code is 0 and no manager takes it for a failure."""
    slow_table(postgres, 20)
    two_accounts(project, postgres, redis_)
    project.event(EVENT, [insert()], MODEL)
    daemon = start(project)
    with Wire(daemon.port) as wire:
        wire.send(request_bytes(daemon, EVENT, b'{"id":"a"}'))
        wait_until(lambda: sleeping(postgres), 10, "the slow INSERT")
        daemon.told_to_end = True
        daemon.process.send_signal(first)
        wait_until(lambda: "draining" in daemon.log(), 10, "the drain")
        daemon.process.send_signal(second)
        assert daemon.process.wait(15) == 0
    assert "a second signal" in daemon.log()


def test_a_drain_beyond_shutdown_timeout_is_0_too(project, start, postgres, redis_, manager):
    slow_table(postgres, 20)
    two_accounts(project, postgres, redis_)
    project.settings(shutdownTimeout="200ms")
    project.event(EVENT, [insert()], MODEL)
    daemon = start(project, env=manager.environment)
    with Wire(daemon.port) as wire:
        wire.send(request_bytes(daemon, EVENT, b'{"id":"a"}'))
        wait_until(lambda: sleeping(postgres), 10, "the slow INSERT")
        daemon.terminate()
        assert daemon.process.wait(15) == 0
    assert "shutdownTimeout is over" in daemon.log()
    assert manager.find("STOPPING")


# ---- the units -----------------------------------------------------------------------------------

def make(goal, root):
    """Installs under the prefix /opt/volley; `-o all`: what is built stays as it is."""
    inherited = {name: value for name, value in os.environ.items()
                 if name not in ("MAKEFLAGS", "MFLAGS", "MAKELEVEL", "DESTDIR")}
    done = subprocess.run(
        ["make", "-o", "all", goal, f"DESTDIR={root}", "prefix=/opt/volley",
         "exec_prefix=/opt/volley", "sysconfdir=/opt/volley/etc", f"BUILD={BUILD}"],
        cwd=TOP, env=inherited, text=True, capture_output=True, check=False, timeout=120)
    assert done.returncode == 0, done.stderr


@pytest.fixture(scope="module")
def installed(tmp_path_factory):
    """The folder that make install had as DESTDIR."""
    root = tmp_path_factory.mktemp("root")
    make("install", root)
    return root


def unit(root, name):
    return (root / "opt/volley/lib/systemd/system" / name).read_text(encoding="utf-8")


def values(text, name):
    return re.findall(rf"^{name}=(.*)$", text, re.M)


def test_the_unit_has_the_installed_paths(installed):
    text = unit(installed, "volleyd.service")
    [start_words] = [line.split() for line in values(text, "ExecStart")]
    assert start_words == ["/opt/volley/sbin/volleyd", "-c", "/opt/volley/etc/volley/volley.yaml"]
    assert os.access(f"{installed}{start_words[0]}", os.X_OK)
    assert os.path.exists(f"{installed}{start_words[2]}")
    assert "/usr/sbin" not in text and "=/etc/volley" not in text
    assert values(text, "Type") == ["notify"] and values(text, "Restart") == ["on-failure"]
    assert values(text, "ExecReload") == ["/bin/kill -HUP $MAINPID"]
    [user] = values(text, "User")
    users = (installed / "opt/volley/lib/sysusers.d/volley.conf").read_text(encoding="utf-8")
    assert re.search(rf"^u {user} ", users, re.M)


def test_uninstall_leaves_no_unit(installed, tmp_path):
    copy = tmp_path / "root"
    shutil.copytree(installed, copy)
    make("uninstall", copy)
    left = [str(path.relative_to(copy)) for path in copy.rglob("*") if path.is_file()]
    assert left == ["opt/volley/etc/volley/volley.yaml"]


needs_analyze = pytest.mark.skipif(not shutil.which("systemd-analyze"),
                                   reason="systemd-analyze is not installed")


@needs_analyze
def test_systemd_accepts_the_units(installed, tmp_path):
    """Every line is understood, and the program is there: it lies under DESTDIR here."""
    for name in ("volleyd.service", "volleyd.socket"):
        text = re.sub(r"(?<=[= ])/opt/volley/", f"{installed}/opt/volley/", unit(installed, name))
        (tmp_path / name).write_text(text, encoding="utf-8")
    done = subprocess.run(["systemd-analyze", "verify", "--man=no", str(tmp_path / "volleyd.service"),
                           str(tmp_path / "volleyd.socket")],
                          text=True, capture_output=True, check=False, timeout=60)
    said = [line for line in done.stderr.splitlines() if "volley" in line]
    assert done.returncode == 0 and not said, done.stderr


@needs_analyze
def test_the_sandbox_is_tight(installed, tmp_path):
    """Below 2 of 10 by systemd's own measure, which only says what could be reached, not what is wrong."""
    path = tmp_path / "volleyd.service"
    path.write_text(unit(installed, "volleyd.service"), encoding="utf-8")
    done = subprocess.run(["systemd-analyze", "security", "--offline=true", "--threshold=20",
                           "--no-pager", "--json=short", str(path)],
                          text=True, capture_output=True, check=False, timeout=60)
    if "unrecognized option" in done.stderr:
        pytest.skip("this systemd-analyze has no --offline")
    assert done.returncode == 0, done.stdout + done.stderr
    assert json.loads(done.stdout)


def test_the_sandbox_has_room_for_the_connections(installed):
    """LimitNOFILE of the unit fits twice the default of limits.connections, and the pools."""
    [files] = values(unit(installed, "volleyd.service"), "LimitNOFILE")
    assert int(files) >= 2 * 10_000 + 10_000
