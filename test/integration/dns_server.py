"""A name server on 127.0.0.1 for tests: a table of names, and switches for what goes wrong.

with DnsServer({"db.test": ["127.0.0.1", "::1"]}) as dns:
    env = {"VOLLEY_RESOLVER": dns.address}
    dns.names["db.test"] = ["127.0.0.2"]
    dns.silent = True        # answers nothing from now on
    dns.broken = True        # answers SERVFAIL
"""
import ipaddress
import socket
import struct
import threading

A, AAAA = 1, 28
NOERROR, SERVFAIL, NXDOMAIN = 0, 2, 3


class DnsServer:
    """Answers A and AAAA from `names`; a name that is not in it does not exist."""

    def __init__(self, names=None):
        self.names = dict(names or {})
        self.silent = False
        self.broken = False
        self.asked = []  # (name, "A" or "AAAA") of every request
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._socket.bind(("127.0.0.1", 0))
        self.port = self._socket.getsockname()[1]
        self.address = f"127.0.0.1:{self.port}"
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._ended = False

    def __enter__(self):
        self._thread.start()
        return self

    def __exit__(self, *_):
        self._ended = True
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as waker:
            waker.sendto(b"", ("127.0.0.1", self.port))
        self._thread.join()
        self._socket.close()

    def count(self, name, kind="A"):
        return self.asked.count((name, kind))

    def _serve(self):
        while True:
            packet, peer = self._socket.recvfrom(4096)
            if self._ended:
                return
            answer = self._answer(packet)
            if answer:
                self._socket.sendto(answer, peer)

    def _answer(self, packet):
        if len(packet) < 17:
            return None
        labels, at = [], 12
        while packet[at]:
            labels.append(packet[at + 1:at + 1 + packet[at]].decode("latin-1"))
            at += packet[at] + 1
        question, kind = packet[12:at + 5], struct.unpack(">H", packet[at + 1:at + 3])[0]
        name = ".".join(labels).lower()
        self.asked.append((name, {A: "A", AAAA: "AAAA"}.get(kind, kind)))
        if self.silent:
            return None
        return self._reply(packet[:2], question, name, kind)

    def _reply(self, number, question, name, kind):
        code, records = NOERROR, []
        if self.broken:
            code = SERVFAIL
        elif name not in self.names:
            code = NXDOMAIN
        else:
            addresses = map(ipaddress.ip_address, self.names[name])
            records = [a.packed for a in addresses if (a.version == 4) == (kind == A)
                       and kind in (A, AAAA)]
        head = struct.pack(">HHHHH", 0x8580 | code, 1, len(records), 0, 0)
        body = b"".join(struct.pack(">HHHIH", 0xC00C, kind, 1, 60, len(r)) + r for r in records)
        return number + head + question + body
