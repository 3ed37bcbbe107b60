"""Real servers for the tests: PostgreSQL, Redis, and loopback proxies that delay or break.

Each server lives in a temporary folder, listens on a free port of 127.0.0.1 and runs as an
unprivileged user when root starts the tests.
"""

import glob
import os
import pwd
import shutil
import signal
import socket
import subprocess
import tempfile
import threading
import time

import psycopg2
import redis


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def wait_until(condition, seconds=10, what="the condition"):
    """Waits for something that will come to be; fails loudly when it does not."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if condition():
            return
        time.sleep(0.01)
    raise AssertionError(f"{what} did not come true within {seconds} s")


def unprivileged():
    """The user to run servers as, or None when we are no root."""
    if os.getuid() != 0:
        return None
    for name in ("postgres", "nobody"):
        try:
            return pwd.getpwnam(name)
        except KeyError:
            continue
    raise RuntimeError("root needs a user postgres or nobody to run servers as")


def user_options():
    user = unprivileged()
    if user is None:
        return {}
    return {"user": user.pw_uid, "group": user.pw_gid, "extra_groups": []}


def server_folder(prefix):
    folder = tempfile.mkdtemp(prefix=prefix, dir="/tmp")
    user = unprivileged()
    if user is not None:
        os.chown(folder, user.pw_uid, user.pw_gid)
    return folder


class Server:
    """A child process in a folder of its own."""

    def __init__(self, prefix):
        self.folder = server_folder(prefix)
        self.port = free_port()
        self.process = None

    def spawn(self, arguments):
        with open(os.path.join(self.folder, "log"), "ab") as log:
            self.process = subprocess.Popen(
                arguments, cwd=self.folder, stdin=subprocess.DEVNULL, stdout=log,
                stderr=subprocess.STDOUT, start_new_session=True,
                env={**os.environ, "HOME": self.folder, "LC_ALL": "C.UTF-8"}, **user_options())

    def log(self):
        with open(os.path.join(self.folder, "log"), encoding="utf-8", errors="replace") as file:
            return file.read()

    def stop(self, how=signal.SIGTERM):
        if self.process is not None and self.process.poll() is None:
            self.process.send_signal(how)
            try:
                self.process.wait(15)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
        self.process = None

    def remove(self):
        self.stop()
        shutil.rmtree(self.folder, ignore_errors=True)


class Postgres(Server):
    """A private PostgreSQL; the superuser is volley, its password secret."""

    def __init__(self):
        super().__init__("volley-test-pg.")
        self.programs = sorted(glob.glob("/usr/lib/postgresql/*/bin"))[-1]
        password = os.path.join(self.folder, "password")
        with open(password, "w", encoding="ascii") as file:
            file.write("secret\n")
        os.chmod(password, 0o644)
        subprocess.run(
            [f"{self.programs}/initdb", "-D", f"{self.folder}/data", "-U", "volley", "-A",
             "scram-sha-256", f"--pwfile={password}", "-E", "UTF8", "--locale=C.UTF-8", "-N"],
            check=True, cwd=self.folder, stdout=subprocess.DEVNULL, **user_options())
        self.start()

    def start(self):
        self.spawn([f"{self.programs}/postgres", "-D", f"{self.folder}/data", "-p",
                    str(self.port), "-k", self.folder, "-c", "listen_addresses=127.0.0.1", "-c",
                    "fsync=off", "-c", "max_connections=200", "-c", "shared_buffers=32MB"])
        wait_until(self.answers, 30, "PostgreSQL's first answer")

    def answers(self):
        try:
            self.connect().close()
            return True
        except psycopg2.OperationalError:
            return False

    def stop(self, how=signal.SIGINT):
        super().stop(how)  # SIGINT: the fast shutdown

    def connect(self, database="postgres"):
        connection = psycopg2.connect(host="127.0.0.1", port=self.port, user="volley",
                                      password="secret", dbname=database, connect_timeout=5)
        connection.autocommit = True
        return connection

    def run(self, sql, parameters=None, database="postgres"):
        """Runs one statement; its rows, or None."""
        connection = self.connect(database)
        try:
            with connection.cursor() as cursor:
                cursor.execute(sql, parameters)
                return cursor.fetchall() if cursor.description else None
        finally:
            connection.close()

    def url(self, database="postgres", port=None):
        return f"postgresql://volley:secret@127.0.0.1:{port or self.port}/{database}"


class Redis(Server):
    """A private Redis; its password is secret."""

    def __init__(self, *options):
        super().__init__("volley-test-redis.")
        self.options = options
        self.start()

    def start(self):
        self.spawn(["redis-server", "--port", str(self.port), "--bind", "127.0.0.1", "--save", "",
                    "--appendonly", "no", "--requirepass", "secret", "--dir", self.folder,
                    "--unixsocket", f"{self.folder}/socket", "--unixsocketperm", "777",
                    *self.options])
        wait_until(self.answers, 15, "Redis' first answer")

    def answers(self):
        try:
            return self.client().ping()
        except redis.RedisError:
            return False

    def client(self, database=0):
        return redis.Redis(host="127.0.0.1", port=self.port, password="secret", db=database)

    def url(self, database=0, port=None):
        return f"redis://:secret@127.0.0.1:{port or self.port}/{database}"


class Proxy:
    """A loopback proxy before a server: delays answers, holds them back, or cuts connections.

    delay: seconds before each piece from the server is passed on. mode: "pass", "hang" (accepts and
    says nothing), "mute" (passes on requests, holds back answers), "stuck" (reads nothing more from
    its clients), "refuse" (closes at once), "garbage" (answers with bytes that are no protocol),
    "cut" (closes in the middle of an answer), "drop" (closes when a request comes, and passes
    nothing on), "spoil" (passes on requests, and the bytes of `spoil` in place of each answer).
    """

    def __init__(self, target_port, delay=0.0, mode="pass", port=0):
        self.target_port = target_port
        self.delay = delay
        self.mode = mode
        self.spoil = b""
        self.clients = set()
        self.connections = set()
        self.lock = threading.Lock()
        self.listener = socket.create_server(("127.0.0.1", port), backlog=128)
        self.port = self.listener.getsockname()[1]
        threading.Thread(target=self.accept, daemon=True).start()

    def accept(self):
        while True:
            try:
                client, _ = self.listener.accept()
            except OSError:
                return
            client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            with self.lock:
                self.connections.add(client)
                self.clients.add(client)
            if self.mode == "refuse":
                self.drop(client)
            elif self.mode == "garbage":
                threading.Thread(target=self.talk_garbage, args=(client,), daemon=True).start()
            elif self.mode != "hang":
                self.join(client)

    def talk_garbage(self, client):
        try:
            while client.recv(65536):
                client.sendall(b"\x00\xffthis is no protocol\r\n")
        except OSError:
            pass
        self.drop(client)

    def join(self, client):
        try:
            server = socket.create_connection(("127.0.0.1", self.target_port), 5)
        except OSError:
            self.drop(client)
            return
        server.settimeout(None)
        server.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        with self.lock:
            self.connections.add(server)
        for source, sink, answers in ((client, server, False), (server, client, True)):
            threading.Thread(target=self.pump, args=(source, sink, answers), daemon=True).start()

    def pump(self, source, sink, answers):
        try:
            while True:
                while self.mode == "stuck" and not answers:
                    time.sleep(0.01)
                data = source.recv(65536)
                if not data or (self.mode == "drop" and not answers):
                    break
                if answers and self.delay:
                    time.sleep(self.delay)
                while answers and self.mode == "mute":
                    time.sleep(0.01)
                if answers and self.mode == "cut":
                    sink.sendall(data[: max(1, len(data) // 2)])
                    break
                sink.sendall(self.spoil if answers and self.mode == "spoil" else data)
        except OSError:
            pass
        self.drop(source)
        self.drop(sink)

    def drop(self, connection):
        with self.lock:
            self.connections.discard(connection)
            self.clients.discard(connection)
        try:
            connection.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass
        connection.close()

    def inject(self, data):
        """Sends bytes that nobody asked for to every client."""
        with self.lock:
            standing = list(self.clients)
        for client in standing:
            client.sendall(data)

    def cut_all(self):
        """Closes every connection that stands."""
        with self.lock:
            standing = list(self.connections)
        for connection in standing:
            self.drop(connection)

    def close(self):
        self.listener.close()
        self.cut_all()


class Blackhole:
    """
    A port where nobody accepts and the queue of connects is full, so that a connect gets no answer
    at all. Once it is closed, something else can listen there.
    """

    def __init__(self):
        self.listener = socket.socket()
        self.listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self.listener.bind(("127.0.0.1", 0))
        self.listener.listen(0)
        self.port = self.listener.getsockname()[1]
        self.fillers = []
        while self.answers():
            assert len(self.fillers) < 10, "the queue does not fill"

    def answers(self):
        """Whether a connect comes to stand; it stays in the queue then."""
        client = socket.socket()
        self.fillers.append(client)
        client.settimeout(0.1)
        try:
            client.connect(("127.0.0.1", self.port))
            return True
        except TimeoutError:
            return False

    def close(self):
        for each in (*self.fillers, self.listener):
            each.close()


class FakeRedis:
    """
    Speaks RESP with answers of the test's making: answer(command) gets the list of the command's
    arguments and gives the bytes to send; None closes the connection. AUTH and SELECT are granted.
    """

    def __init__(self, answer):
        self.answer = answer
        self.opened = 0
        self.listener = socket.create_server(("127.0.0.1", 0), backlog=128)
        self.port = self.listener.getsockname()[1]
        threading.Thread(target=self.accept, daemon=True).start()

    def accept(self):
        while True:
            try:
                client, _ = self.listener.accept()
            except OSError:
                return
            self.opened += 1
            threading.Thread(target=self.serve, args=(client,), daemon=True).start()

    def serve(self, client):
        stream = client.makefile("rb")
        try:
            while True:
                line = stream.readline()
                if not line:
                    break
                command = []
                for _ in range(int(line[1:])):
                    size = int(stream.readline()[1:])
                    command.append(stream.read(size + 2)[:-2])
                if command[0].upper() in (b"AUTH", b"SELECT"):
                    client.sendall(b"+OK\r\n")
                    continue
                reply = self.answer(command)
                if reply is None:
                    break
                client.sendall(reply)
        except OSError:
            pass
        try:
            client.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass
        client.close()

    def url(self):
        return f"redis://127.0.0.1:{self.port}/0"

    def close(self):
        self.listener.close()
