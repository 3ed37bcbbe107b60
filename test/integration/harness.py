"""A project folder, a running volleyd on it, and a client: what every integration test stands on."""

import base64
import hashlib
import http.client
import json
import os
import re
import secrets
import select
import signal
import socket
import subprocess
import time

import yaml

from servers import free_port, wait_until

TOP = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
BUILD = os.environ.get("VOLLEY_BUILD", os.path.join(TOP, "build"))
SANITIZED = bool(os.environ.get("VOLLEY_SANITIZE"))

# What sanitizers and asserts say when they find something.
TROUBLE = re.compile(r"AddressSanitizer|LeakSanitizer|runtime error:|Assertion .* failed|"
                     r"UndefinedBehaviorSanitizer|Direct leak|Indirect leak")


def cli(*arguments, project=None, env=None, stdin=None, timeout=60):
    """Runs build/volley; the CompletedProcess with text output. Any sanitizer report fails."""
    words = [os.path.join(BUILD, "volley"), *arguments]
    if project is not None:
        words += ["--project", str(project)]
    done = subprocess.run(words, capture_output=True, text=True, timeout=timeout, input=stdin,
                          env={**os.environ, **(env or {})}, check=False)
    assert not TROUBLE.search(done.stderr), done.stderr
    return done


class Passes:
    """What the loops of all daemons so far have said about their passes when they ended."""

    # The aims are 20 ms, 0.1 % and none. Other work on the machine adds to each figure, so what
    # fails is beyond what it has been seen to add.
    LONGEST_US = 60000
    OVER_5MS = 0.005  # of all passes; judged when they are many
    WAITS = 2

    def __init__(self):
        self.figures = {"passes": 0, "passes_over_5ms": 0, "longest_us": 0, "unexpected_waits": 0}
        self.offenders = []  # [test, figures]

    def add(self, figures):
        for name, figure in figures.items():
            merge = max if name == "longest_us" else int.__add__
            self.figures[name] = merge(self.figures[name], figure)

    def add_log(self, log):
        """The figures of a daemon's last line; one that was killed, or logs little, has none."""
        line = log.rstrip("\n").rpartition("\n")[2]
        if "volleyd ended" not in line:
            return
        fields = json.loads(line) if line.startswith("{") else parse_logfmt(line)
        figures = {name: int(fields[name]) for name in self.figures}
        self.add(figures)
        if figures["longest_us"] > 20000 or figures["unexpected_waits"]:
            self.offenders.append([os.environ.get("PYTEST_CURRENT_TEST"), figures])

    def merge(self, figures, offenders):
        """Another process' figures."""
        self.add(figures)
        self.offenders += offenders

    def verdict(self):
        """Whether the loops kept what is promised of them."""
        passes = self.figures["passes"]
        return (self.figures["longest_us"] <= self.LONGEST_US and
                self.figures["unexpected_waits"] <= self.WAITS and
                (passes < 20000 or self.figures["passes_over_5ms"] <= self.OVER_5MS * passes))


PASSES = Passes()


class Project:
    """A project folder; written through these methods it needs no other preparation."""

    def __init__(self, folder):
        self.folder = str(folder)
        self.port = free_port()
        self.admin_port = free_port()
        self.keys = []
        self.credentials = {}  # environment -> (client key, secret)
        for part in ("accounts", "events"):
            os.makedirs(os.path.join(self.folder, part), exist_ok=True)
        self.settings()
        self.key("test")
        self.key("live")

    def path(self, name):
        return os.path.join(self.folder, name)

    def write(self, name, content, mode=0o600):
        """Writes a file; anything but text is written as YAML, settings with an admin port of ours."""
        if name == "volley.yaml" and isinstance(content, dict):
            content = {"admin": {"listen": f"127.0.0.1:{self.admin_port}"}, **content}
        os.makedirs(os.path.dirname(self.path(name)), exist_ok=True)
        if not isinstance(content, str):
            content = yaml.safe_dump(content, sort_keys=False, allow_unicode=True, width=10000)
        with open(self.path(name), "w", encoding="utf-8") as file:
            file.write(content)
        os.chmod(self.path(name), mode)

    def settings(self, **keys):
        self.write("volley.yaml", {"listen": f"127.0.0.1:{self.port}", **keys})

    def key(self, environment, name=None, events=None):
        """Adds a key; returns (client key, secret). The first of an environment is its default."""
        client_key = f"vk_{environment}_{secrets.token_hex(24)}"
        secret = f"vs_{environment}_{secrets.token_hex(24)}"
        entry = {"name": name or f"{environment}{len(self.keys)}", "environment": environment,
                 "clientKey": client_key,
                 "secretHash": "sha256:" + hashlib.sha256(secret.encode()).hexdigest()}
        if events is not None:
            entry["events"] = events
        self.keys.append(entry)
        self.write("keys.yaml", {"keys": self.keys})
        self.credentials.setdefault(environment, (client_key, secret))
        return client_key, secret

    def account(self, ident, kind, test=None, live=None, **keys):
        content = {"id": ident, "type": kind, **keys}
        if live is not None:
            content["live"] = live
        if test is not None:
            content["test"] = test
        self.write(f"accounts/{ident}.yaml", content)

    def event(self, ident, filters, model=None, **keys):
        """Writes an event; `filters` may be a plain list of actions (then one filter, always)."""
        if filters and "actions" not in filters[0]:
            filters = [{"id": "on-event", "condition": None, "actions": filters}]
        group = ident.split(".")[0]
        content = {"id": ident, "eventGroup": group, "version": "0.0.1"}
        if model is not None:
            content["model"] = model
        self.write(f"events/{ident}.yaml", {**content, **keys, "filters": filters})


def log_action(ident="note", message="noted", **keys):
    """An action that needs no service."""
    return {"id": ident, "type": "LOG", "action": "WRITE", "template": {"message": message},
            **keys}


class Reply:
    """An HTTP reply: status, headers (lower case), text, json()."""

    def __init__(self, status, headers, body):
        self.status = status
        self.headers = {name.lower(): value for name, value in headers}
        self.text = body.decode("utf-8", "surrogateescape")

    def json(self):
        return json.loads(self.text)

    def response(self, action):
        """The `response` of the action with that id."""
        for rule in self.json()["match_rules"]:
            for task in rule["actions"]:
                if task["action"]["id"] == action:
                    return task["response"]
        raise KeyError(action)


class Volleyd:
    """A running build/volleyd; `wrapper` goes before it (valgrind)."""

    def __init__(self, project, wrapper=(), env=None, ready=True, pass_fds=()):
        self.project = project
        self.port = project.port
        self.log_path = project.path("volleyd.log")
        self.connection = None
        self.told_to_end = False
        self.at_full_speed = not (SANITIZED or wrapper or "VOLLEY_TEST_BLOCK" in (env or {}))
        # A log of its own, so that a second daemon of one project is not judged by the first one's.
        with open(self.log_path, "wb") as log:
            self.process = subprocess.Popen(
                [*wrapper, os.path.join(BUILD, "volleyd"), "-c", project.path("volley.yaml")],
                stdin=subprocess.DEVNULL, stdout=log, stderr=log, pass_fds=pass_fds,
                env={**os.environ, **(env or {})})
        if ready:
            wait_until(self.is_up, 60, "volleyd's first answer")

    def is_up(self):
        if self.process.poll() is not None:
            raise AssertionError(f"volleyd ended with {self.process.returncode}:\n{self.log()}")
        try:
            socket.create_connection(("127.0.0.1", self.port), 1).close()
            return True
        except OSError:
            return False

    def log(self):
        with open(self.log_path, encoding="utf-8", errors="replace") as file:
            return file.read()

    def log_lines(self):
        """
        The log as dicts, numbers as Digits; a line that is no logfmt or JSON fails. What the load
        warned of stands before it.
        """
        lines = self.log().split("\n")
        assert lines.pop() == "", "the last line is cut short"
        while lines and not lines[0].startswith(("time=", '{"time"')):
            lines.pop(0)
        return [exact_loads(line) if line.startswith("{") else parse_logfmt(line)
                for line in lines]

    def request(self, method, path, body=None, headers=None, timeout=60):
        """One request on a kept connection (opened again when it was closed)."""
        for attempt in (1, 2):
            if self.connection is None:
                self.connection = http.client.HTTPConnection("127.0.0.1", self.port,
                                                             timeout=timeout)
            try:
                self.connection.request(method, path, body, headers or {})
                answer = self.connection.getresponse()
                reply = Reply(answer.status, answer.getheaders(), answer.read())
                if answer.will_close:
                    self.connection.close()
                    self.connection = None
                return reply
            except (http.client.RemoteDisconnected, ConnectionError, BrokenPipeError):
                self.connection.close()
                self.connection = None
                if attempt == 2:
                    raise
        raise AssertionError("unreachable")

    def credentials(self, environment="test"):
        key, secret = self.project.credentials[environment]
        return {"client_key": key, "client_secret": secret}

    def post(self, event, payload=None, environment="test", headers=None, raw=None):
        """Sends an event; payload is any JSON value, raw the body's text or bytes instead."""
        body = raw if raw is not None else json.dumps({} if payload is None else payload)
        if isinstance(body, str):
            body = body.encode("utf-8", "surrogatepass")
        return self.request("POST", f"/event/{event}", body,
                            {"Content-Type": "application/json",
                             **self.credentials(environment), **(headers or {})})

    def run(self, ident, environment="test"):
        """GET /run/{id}."""
        return self.request("GET", f"/run/{ident}", None, self.credentials(environment))

    def terminate(self):
        """SIGTERM; stop() then sends none, since a second one would cut the drain short."""
        self.told_to_end = True
        self.process.send_signal(signal.SIGTERM)

    def stop(self, expect=0):
        """SIGTERM, if it was not sent; the exit code and the whole log are looked at."""
        if self.connection is not None:
            self.connection.close()
            self.connection = None
        if not self.told_to_end and self.process.poll() is None:
            self.terminate()
        try:
            code = self.process.wait(60)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
            raise AssertionError(f"volleyd did not end:\n{self.log()}") from None
        log = self.log()
        assert not TROUBLE.search(log), log
        assert code == expect, f"volleyd ended with {code}:\n{log}"
        if self.at_full_speed:
            PASSES.add_log(log)

    def kill(self):
        self.process.kill()
        self.process.wait()


def basic(key, secret):
    """An Authorization header of HTTP Basic."""
    return {"Authorization": "Basic " + base64.b64encode(f"{key}:{secret}".encode()).decode()}


def open_files(daemon):
    return len(os.listdir(f"/proc/{daemon.process.pid}/fd"))


def resident_kib(daemon):
    with open(f"/proc/{daemon.process.pid}/status", encoding="ascii") as file:
        return next(int(line.split()[1]) for line in file if line.startswith("VmRSS"))


class Digits(str):
    """A JSON number as it was written."""


def exact_loads(text):
    """JSON with numbers as Digits, so that 1.50 is not 1.5; equal names are an error."""
    def pairs(items):
        assert len({name for name, _ in items}) == len(items), text
        return dict(items)
    return json.loads(text, parse_float=Digits, parse_int=Digits, object_pairs_hook=pairs)


def exact_dumps(value):
    """The opposite of exact_loads, in one form: to send, and to compare texts digit for digit."""
    if isinstance(value, Digits):
        return str(value)
    if isinstance(value, dict):
        return "{" + ",".join(json.dumps(name) + ":" + exact_dumps(item)
                              for name, item in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ",".join(map(exact_dumps, value)) + "]"
    return json.dumps(value)


# A number in a YAML file, as it was written.
yaml.SafeDumper.add_representer(
    Digits, lambda dumper, value: dumper.represent_scalar(
        "tag:yaml.org,2002:" + ("int" if value.lstrip("-").isdigit() else "float"), str(value)))


def vectors(name):
    with open(os.path.join(TOP, "test", "vectors", name), encoding="utf-8") as file:
        return exact_loads(file.read())


def parse_logfmt(line):
    """One log line as a dict; anything that is no logfmt is an AssertionError."""
    pattern = re.compile(r'([^ ="\\]+|"(?:[^"\\]|\\.)*")=("(?:[^"\\\x00-\x1f\x7f]|\\.)*"|[^ ="]*)'
                         r'(?: |$)')
    fields, at = {}, 0
    while at < len(line):
        match = pattern.match(line, at)
        assert match, f"no logfmt at {at}: {line!r}"
        key, value = (json.loads(part) if part.startswith('"') else part
                      for part in match.groups())
        assert key not in fields, line
        fields[key] = value
        at = match.end()
    return fields


class Wire:
    """A raw connection: bytes out, replies in. Writing never blocks on a server that reads no more."""

    def __init__(self, port, receive_buffer=None):
        self.socket = socket.socket()
        if receive_buffer is not None:
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
        self.socket.settimeout(10)
        self.socket.connect(("127.0.0.1", port))
        self.socket.setblocking(False)
        self.read = b""
        self.ended = False  # the server has closed its side

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.socket.close()

    def step(self, data, seconds):
        """Writes what fits of data and reads what has come; what of data is left."""
        readable, writable, _ = select.select(
            [] if self.ended else [self.socket], [self.socket] if data else [], [], seconds)
        if readable:
            try:
                piece = self.socket.recv(1 << 20)
            except ConnectionError:
                piece = b""
            self.read += piece
            self.ended = not piece
        if writable:
            try:
                data = data[self.socket.send(data):]
            except (ConnectionError, BrokenPipeError):
                data = b""
        return b"" if self.ended else data

    def send(self, data, seconds=30):
        end = time.monotonic() + seconds
        while data:
            assert time.monotonic() < end, "the server takes nothing"
            data = self.step(data, 1)

    def shut(self):
        try:
            self.socket.shutdown(socket.SHUT_WR)
        except OSError:
            pass

    def wait(self, done, seconds, what):
        end = time.monotonic() + seconds
        while not done():
            left = end - time.monotonic()
            assert left > 0 and not self.ended, \
                f"{what} did not come ({'closed' if self.ended else 'silent'}): {self.read[:300]!r}"
            self.step(b"", left)

    def reply(self, seconds=10, head_only=False):
        """The next reply."""
        self.wait(lambda: b"\r\n\r\n" in self.read, seconds, "a reply's head")
        head, rest = self.read.split(b"\r\n\r\n", 1)
        lines = head.decode("latin-1").split("\r\n")
        match = re.fullmatch(r"HTTP/1\.1 (\d{3}) [\x20-\x7e]+", lines[0])
        assert match, lines[0]
        status = int(match[1])
        headers = [(line.split(":", 1)[0], line.split(":", 1)[1].strip()) for line in lines[1:]]
        reply = Reply(status, headers, b"")
        assert len(reply.headers) == len(headers), headers
        size = 0 if status < 200 or head_only else int(reply.headers["content-length"])
        self.read = rest
        self.wait(lambda: len(self.read) >= size, seconds, "a reply's body")
        reply.text = self.read[:size].decode("utf-8")
        self.read = self.read[size:]
        return reply

    def end(self, seconds=10):
        """Waits until the server closes; nothing more may come."""
        end = time.monotonic() + seconds
        while not self.ended:
            assert time.monotonic() < end, "the connection stays open"
            self.step(b"", 1)
        assert self.read == b"", self.read[:300]

    def is_silent(self, seconds):
        """Whether nothing comes for a time, and the connection stays."""
        self.step(b"", seconds)
        return not self.read and not self.ended


def request_bytes(daemon, event="customer.new", body=b"{}", headers=(), version="1.1",
                  credentials=True):
    """One POST as bytes."""
    key, secret = daemon.project.credentials["test"]
    lines = [f"POST /event/{event} HTTP/{version}", "Host: localhost",
             f"Content-Length: {len(body)}"]
    if credentials:
        lines += [f"client_key: {key}", f"client_secret: {secret}"]
    lines += [f"{name}: {value}" for name, value in headers]
    return ("\r\n".join(lines) + "\r\n\r\n").encode("latin-1") + body
