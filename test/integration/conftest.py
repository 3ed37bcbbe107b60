"""Fixtures: servers for the whole session, and for each test a project folder and daemons on it."""

import json
import os
import sys

import pytest

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))

from actions import ANY, EVENT, pg_account, redis_account  # noqa: E402
from harness import PASSES, SANITIZED, Project, Volleyd  # noqa: E402
from servers import Postgres, Proxy, Redis  # noqa: E402


def pytest_collection_modifyitems(items):
    """The longest test first, so that no worker is left alone with it at the end."""
    items.sort(key=lambda item: "test_valgrind" not in item.nodeid)
    # What these do with the daemon, others do, too; the rest of them is about the plain build.
    for item in items:
        if SANITIZED and item.path.stem in ("test_readme", "test_build"):
            item.add_marker(pytest.mark.skip("of the plain build"))


def pytest_configure(config):
    config.addinivalue_line("markers", "long_pass(why): its daemons' passes are not judged")


def pytest_sessionfinish(session, exitstatus):
    """
    A worker tells what the loops of its daemons said. The process that has heard of them all
    fails when a loop was held up.
    """
    if hasattr(session.config, "workeroutput"):
        session.config.workeroutput["passes"] = [PASSES.figures, PASSES.offenders]
    elif exitstatus == 0 and not PASSES.verdict():
        session.exitstatus = pytest.ExitCode.TESTS_FAILED


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node):
    if "passes" in getattr(node, "workeroutput", {}):
        PASSES.merge(*node.workeroutput["passes"])


def pytest_terminal_summary(terminalreporter):
    if PASSES.figures["passes"]:
        terminalreporter.write_line("loop: " + ", ".join(
            f"{name.replace('_', ' ')} {figure}" for name, figure in PASSES.figures.items()) +
            ("" if PASSES.verdict() else ": held up"))
    for test, figures in PASSES.offenders:
        terminalreporter.write_line(f"loop: {test}: {figures}")


@pytest.fixture(scope="session")
def postgres_server():
    server = Postgres()
    yield server
    server.remove()


@pytest.fixture(scope="session")
def redis_server():
    server = Redis()
    yield server
    server.remove()


@pytest.fixture
def postgres(postgres_server):
    """PostgreSQL with two empty databases, live and test."""
    for database in ("live", "test"):
        postgres_server.run(f"DROP DATABASE IF EXISTS {database} WITH (FORCE)")
        postgres_server.run(f"CREATE DATABASE {database}")
    return postgres_server


@pytest.fixture
def redis_(redis_server):
    """Redis, empty; database 0 is the test one, 1 the live one."""
    redis_server.client().flushall()
    return redis_server


@pytest.fixture
def project(tmp_path):
    return Project(tmp_path)


@pytest.fixture
def start(request):
    """start(project) runs a volleyd; all of them are stopped, and looked at, after the test."""
    daemons = []

    def start_volleyd(project, **options):
        daemon = Volleyd(project, **options)
        if request.node.get_closest_marker("long_pass"):
            daemon.at_full_speed = False
        daemons.append(daemon)
        return daemon

    yield start_volleyd
    for daemon in daemons:
        daemon.stop() if daemon.process.returncode is None else None


@pytest.fixture
def proxy():
    """proxy(port, delay=, mode=) puts a loopback proxy before a server."""
    proxies = []

    def make(port, **options):
        made = Proxy(port, **options)
        proxies.append(made)
        return made

    yield make
    for made in proxies:
        made.close()


@pytest.fixture
def run_insert(project, start, postgres):
    """run_insert(ddl, action, payload, ...): a fresh daemon; the action's response to each payload."""
    def run(ddl, action, *payloads, settings=None, account=None, model=None):
        if ddl:
            postgres.run(ddl, database="test")
        pg_account(project, postgres, **(account or {}))
        if settings:
            project.settings(**settings)
        project.event(EVENT, [action], model or ANY)
        daemon = start(project)
        answers = []
        for payload in payloads:
            raw = payload if isinstance(payload, str) else json.dumps(payload)
            reply = daemon.post(EVENT, raw=raw)
            assert reply.status == 201, reply.text
            answers.append(reply.response("row") | {"text": reply.text})
        return answers if len(answers) > 1 else answers[0]
    return run


@pytest.fixture
def serve_redis(project, start, redis_):
    """serve_redis(*actions, account=, server=): a daemon whose one event has these actions."""
    def run(*actions, account=None, server=None):
        redis_account(project, server or redis_, **(account or {}))
        project.event(EVENT, list(actions), ANY)
        return start(project)
    return run


@pytest.fixture
def own_redis():
    """own_redis(*options): a server that the test may spoil."""
    servers = []

    def make(*options, kind=Redis):
        servers.append(kind(*options))
        return servers[-1]

    yield make
    for server in servers:
        os.chmod(server.folder, 0o755)
        server.remove()
