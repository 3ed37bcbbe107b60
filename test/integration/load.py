"""Clients that send events one after the other until told to stop."""

import concurrent.futures
import threading

from actions import EVENT
from harness import Wire, request_bytes
from servers import wait_until


class Clients:
    """
    Each entry of `connect` is a client: it makes a connection, which the client keeps, or one for
    each event where the entry stands in `anew`. Any reply but 201, and any connection that ends or
    cannot be made, fails at end(). `keep(ident, reply)` makes what stands in `answers`.
    """

    def __init__(self, daemon, connect, anew=(), keep=lambda ident, reply: (ident, reply)):
        self.daemon, self.keep = daemon, keep
        self.ended = threading.Event()
        self.answers = []
        pool = concurrent.futures.ThreadPoolExecutor(len(connect) + len(anew))
        self.clients = [pool.submit(self.send, number, make, number >= len(connect))
                        for number, make in enumerate([*connect, *anew])]

    def send(self, client, connect, anew):
        number = 0
        while not self.ended.is_set():
            with connect() as wire:
                while not self.ended.is_set():
                    self.send_one(wire, f"{client}-{number}")
                    number += 1
                    if anew:
                        break

    def send_one(self, wire, ident):
        wire.send(request_bytes(self.daemon, EVENT, b'{"id":"%s"}' % ident.encode()))
        reply = wire.reply(30)
        assert reply.status == 201, reply.text
        self.answers.append(self.keep(ident, reply))

    def goes_on(self, count, what):
        """Waits for so many answers more."""
        target = len(self.answers) + count
        wait_until(lambda: len(self.answers) >= target or
                   any(client.done() for client in self.clients), 60, what)

    def end(self):
        self.ended.set()
        for client in self.clients:
            client.result(60)


class Load(Clients):
    """Of an event with the actions row and key: (id, the row's response, the key's)."""

    def __init__(self, daemon, clients=4):
        super().__init__(
            daemon, [lambda: Wire(daemon.port)] * clients,
            keep=lambda ident, reply: (ident, reply.response("row"), reply.response("key")))
