"""The admin listener as a client sees it."""

import http.client
import json
import socket

from harness import Reply
from metrics import Metrics


class UnixConnection(http.client.HTTPConnection):
    """HTTP over a unix socket."""

    def __init__(self, path):
        super().__init__("localhost", timeout=30)
        self.path = path

    def connect(self):
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(30)
        self.sock.connect(self.path)


def ask(target, path, method="GET", headers=None, body=None):
    """One request on a connection of its own; target is a port, or a unix socket's path."""
    connection = UnixConnection(target) if isinstance(target, str) else \
        http.client.HTTPConnection("127.0.0.1", target, timeout=30)
    try:
        connection.request(method, path, body, headers or {})
        answer = connection.getresponse()
        return Reply(answer.status, answer.getheaders(), answer.read())
    finally:
        connection.close()


def metrics(daemon):
    reply = ask(daemon.project.admin_port, "/metrics")
    assert reply.status == 200, reply.text
    return Metrics(reply.text)


def stats(daemon):
    reply = ask(daemon.project.admin_port, "/stats")
    assert reply.status == 200, reply.text
    return json.loads(reply.text)
