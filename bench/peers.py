"""The servers of a run: the private databases, volleyd, the Fastify app and nginx.

Each start_ function returns a Server that answers, or raises Absent with the reason why this
machine cannot run it.  Everything is started as a child or by tools/private-servers, and ends with
the run.
"""

import grp
import hashlib
import os
import pwd
import re
import secrets
import shlex
import shutil
import socket
import subprocess
import time

BENCH = os.path.dirname(os.path.abspath(__file__))
TOP = os.path.dirname(BENCH)
PRIVATE_SERVERS = os.path.join(TOP, "tools", "private-servers")
NODE_AT_LEAST = 20


class Absent(Exception):
    """A peer that cannot be measured here; the text says why."""


class Server:
    """A process that answers on a port of 127.0.0.1."""

    def __init__(self, name, command, port, log, env=None, cwd=None):
        self.name = name
        self.port = port
        self.log = log
        with open(log, "wb") as file:
            # pylint: disable=consider-using-with
            self.process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=file,
                                            stderr=file, cwd=cwd,
                                            env={**os.environ, **(env or {})})
        self.pid = self.process.pid

    def wait_ready(self):
        end = time.monotonic() + 30
        while time.monotonic() < end:
            if self.process.poll() is not None:
                break
            try:
                socket.create_connection(("127.0.0.1", self.port), 1).close()
                return self
            except OSError:
                time.sleep(0.05)
        self.stop()
        with open(self.log, encoding="utf-8", errors="replace") as file:
            raise RuntimeError(f"{self.name} does not answer; it said:\n{file.read()}")

    def alive(self):
        return self.process.poll() is None

    def stop(self):
        self.process.terminate()
        try:
            self.process.wait(15)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()


class Databases:
    """The private PostgreSQL and Redis, with PostgreSQL's own defaults (fsync on)."""

    def __init__(self):
        self.settings = dict(word.split("=", 1) for word in shlex.split(self.start()))
        self.folder = self.settings["VOLLEY_SERVERS"]
        self.env = {**os.environ, **self.settings}
        with open(os.path.join(self.folder, "postgresql", "postmaster.pid"), encoding="ascii") as file:
            self.postgresql = int(file.readline())
        with open(os.path.join(self.folder, "redis.pid"), encoding="ascii") as file:
            self.redis = int(file.read())

    @staticmethod
    def start():
        """What the tool prints; when the run is ended meanwhile, the tool has to clean up, which it
        could not if it was killed."""
        with subprocess.Popen([PRIVATE_SERVERS, "start"], stdout=subprocess.PIPE, text=True) as tool:
            try:
                text, _ = tool.communicate(timeout=180)
            except BaseException:
                tool.terminate()
                raise
        if tool.returncode != 0:
            raise RuntimeError("the private servers did not start")
        return text

    def stop(self):
        subprocess.run([PRIVATE_SERVERS, "stop", self.folder], timeout=120, check=False)

    def sql(self, *statements):
        words = [word for statement in statements for word in ("-c", statement)]
        return subprocess.run(["psql", "-qAtX", "-v", "ON_ERROR_STOP=1", *words], env=self.env,
                              stdout=subprocess.PIPE, text=True, timeout=120, check=True).stdout.strip()

    def command(self, *words):
        port = self.settings["REDIS_PORT"]
        return subprocess.run(["redis-cli", "-h", self.settings["REDIS_HOST"], "-p", port, *words],
                              env=self.env, stdout=subprocess.PIPE, text=True, timeout=120,
                              check=True).stdout.strip()

    def empty(self):
        """The same ground for every round: no rows, no keys, no checkpoint due."""
        self.sql("TRUNCATE customers", "CHECKPOINT")
        self.command("FLUSHALL")

    def counts(self):
        return int(self.sql("SELECT count(*) FROM customers")), int(self.command("DBSIZE"))


class Credentials:
    """One API key, known to volleyd and to the Fastify app."""

    def __init__(self):
        self.key = "vk_test_" + secrets.token_hex(24)
        self.secret = "vs_test_" + secrets.token_hex(24)
        self.hash = hashlib.sha256(self.secret.encode()).hexdigest()


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def edit(path, *changes):
    with open(path, encoding="utf-8") as file:
        text = file.read()
    for old, new in changes:
        text = text.replace(old, new)
    with open(path, "w", encoding="utf-8") as file:
        file.write(text)


def start_volleyd(folder, build, databases, credentials):
    program = os.path.join(build, "volleyd")
    if not os.access(program, os.X_OK):
        raise Absent(f"{program} is not built; make builds it")
    port, project = free_port(), os.path.join(folder, "project")
    shutil.copytree(os.path.join(BENCH, "project"), project)
    edit(os.path.join(project, "volley.yaml"), ("127.0.0.1:8080", f"127.0.0.1:{port}"))
    with open(os.open(os.path.join(project, "keys.yaml"), os.O_WRONLY | os.O_CREAT, 0o600), "w",
              encoding="ascii") as file:
        file.write("keys:\n  - { name: bench, environment: test, "
                   f'clientKey: {credentials.key}, secretHash: "sha256:{credentials.hash}" }}\n')
    of = databases.settings
    env = {
        "VOLLEY_BENCH_POSTGRESQL": f"postgresql://{of['PGUSER']}:{of['PGPASSWORD']}"
                                   f"@{of['PGHOST']}:{of['PGPORT']}/{of['PGDATABASE']}",
        "VOLLEY_BENCH_REDIS": f"redis://default:{of['REDISCLI_AUTH']}"
                              f"@{of['REDIS_HOST']}:{of['REDIS_PORT']}/0",
    }
    return Server("volleyd", [program, "-c", os.path.join(project, "volley.yaml")], port,
                  os.path.join(folder, "volleyd.log"), env)


def install_fastify(app):
    """node_modules by `npm ci`, from exact versions with their checksums; kept while they stay."""
    with open(os.path.join(BENCH, "fastify", "package-lock.json"), "rb") as file:
        wanted = hashlib.sha256(file.read()).hexdigest()
    stamp = os.path.join(app, "node_modules", ".volley-bench")
    if os.path.exists(stamp):
        with open(stamp, encoding="ascii") as file:
            if file.read() == wanted:
                return
    print("bench: npm ci for the Fastify peer", flush=True)
    done = subprocess.run(["npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund"], cwd=app,
                          stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT, text=True, timeout=300, check=False)
    if done.returncode != 0:
        raise Absent("npm ci failed: " + done.stdout.strip()[-500:])
    with open(stamp, "w", encoding="ascii") as file:
        file.write(wanted)


def start_fastify(folder, build, databases, credentials):
    needed = f"Node >= {NODE_AT_LEAST} with npm, from nodejs.org or your distribution, in PATH"
    if not shutil.which("node") or not shutil.which("npm"):
        raise Absent(f"it needs {needed}")
    version = subprocess.run(["node", "--version"], stdout=subprocess.PIPE, text=True, timeout=30,
                             check=True).stdout.strip()
    found = re.match(r"v(\d+)\.", version)
    if not found or int(found.group(1)) < NODE_AT_LEAST:
        raise Absent(f"it needs {needed}; this is {version}")
    app = os.path.join(build, "bench", "fastify")
    os.makedirs(app, exist_ok=True)
    for name in ("package.json", "package-lock.json", "server.js"):
        shutil.copy(os.path.join(BENCH, "fastify", name), app)
    try:
        install_fastify(app)
    except subprocess.TimeoutExpired:
        raise Absent("npm ci did not end within 5 minutes") from None
    port = free_port()
    env = {**databases.settings, "NODE_ENV": "production", "PORT": str(port),
           "CLIENT_KEY": credentials.key, "SECRET_HASH": credentials.hash}
    return Server("Fastify", ["node", "server.js"], port, os.path.join(folder, "fastify.log"), env,
                  app)


def worker_user():
    """nginx's line for the user of its worker; only root may choose one."""
    if os.getuid() != 0:
        return ""
    return f"user nobody {grp.getgrgid(pwd.getpwnam('nobody').pw_gid).gr_name};"


def start_nginx(folder, build, databases, credentials):
    program = shutil.which("nginx") or shutil.which("nginx", path="/usr/sbin:/usr/local/sbin")
    if not program:
        raise Absent("there is no nginx (Debian package nginx-light)")
    port, conf = free_port(), os.path.join(folder, "nginx.conf")
    shutil.copy(os.path.join(BENCH, "nginx.conf"), conf)
    edit(conf, ("@FOLDER@", folder), ("@PORT@", str(port)),
         ("@USER@", worker_user()))
    return Server("nginx", [program, "-p", folder, "-e", os.path.join(folder, "nginx.log"), "-c",
                            conf], port, os.path.join(folder, "nginx.out"))


START = {"volleyd": start_volleyd, "fastify": start_fastify, "nginx": start_nginx}
