"""Clients that speak TLS: a context, a raw connection, and one whose every byte is the test's to send."""

import select
import socket
import ssl
import warnings

from harness import Wire
from servers import free_port


def client_context(ca, oldest=None, newest=None, certificate=None, alpn=None):
    """Trusts that CA; certificate is a pair of paths. Versions are ssl.TLSVersion's."""
    context = ssl.create_default_context(cafile=ca)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        context.minimum_version = oldest or ssl.TLSVersion.TLSv1_2
        if newest:
            context.maximum_version = newest
    if oldest and oldest < ssl.TLSVersion.TLSv1_2:
        context.set_ciphers("DEFAULT@SECLEVEL=0")
    if certificate:
        context.load_cert_chain(*certificate)
    if alpn:
        context.set_alpn_protocols(alpn)
    return context


def with_tls(project, pair, listen=(), **keys):
    """
    A plain listener on the project's port, and one with TLS; the latter's port. keys of the tls
    group; `settings`: of volley.yaml.
    """
    port = free_port()
    settings = keys.pop("settings", {})
    project.write("volley.yaml", {
        "listen": [{"address": f"127.0.0.1:{project.port}", "tls": False}, f"127.0.0.1:{port}",
                   *listen],
        "tls": {"certificate": pair.certificate, "key": pair.key, **keys}, **settings})
    return port


class TlsWire(Wire):
    """A Wire through TLS."""

    def __init__(self, port, context, session=None, receive_buffer=None):
        super().__init__(port, receive_buffer)
        self.socket.settimeout(10)
        self.socket = context.wrap_socket(self.socket, server_hostname="localhost",
                                          session=session)
        self.socket.setblocking(False)

    def step(self, data, seconds):
        readable, writable = [self.socket], []
        if not self.socket.pending():
            readable, writable, _ = select.select(
                [] if self.ended else [self.socket], [self.socket] if data else [], [], seconds)
        if readable:
            try:
                piece = self.socket.recv(1 << 20)
                self.read += piece
                self.ended = not piece
            except ssl.SSLWantReadError:
                pass
            except (OSError, ssl.SSLError):
                self.ended = True
        if writable:
            try:
                data = data[self.socket.send(data[:16384]):]
            except (ssl.SSLWantWriteError, ssl.SSLWantReadError):
                pass
            except (ConnectionError, BrokenPipeError, ssl.SSLError):
                data = b""
        return b"" if self.ended else data


class SlowClient:
    """TLS whose bytes are sent when the test says so."""

    def __init__(self, port, context):
        self.coming, self.going = ssl.MemoryBIO(), ssl.MemoryBIO()
        self.tls = context.wrap_bio(self.coming, self.going, server_hostname="localhost")
        self.socket = socket.create_connection(("127.0.0.1", port), 10)
        self.socket.settimeout(10)
        self.try_to(self.tls.do_handshake)
        self.hello = self.going.read()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.socket.close()

    def try_to(self, do):
        try:
            return do()
        except ssl.SSLWantReadError:
            return None

    def receive(self):
        """Takes what has come; False: the other side has closed."""
        piece = self.socket.recv(65536)
        self.coming.write(piece)
        return bool(piece)

    def flush(self):
        self.socket.sendall(self.going.read())

    def shake(self):
        """The rest of the handshake, once the hello is out."""
        while True:
            try:
                self.tls.do_handshake()
                self.flush()
                return
            except ssl.SSLWantReadError:
                self.flush()
                assert self.receive(), "closed during the handshake"

    def request(self, data):
        self.tls.write(data)
        self.flush()

    def reply(self):
        """The bytes up to the other side's end, or of one reply."""
        text = b""
        while b"\r\n\r\n" not in text or not text.endswith(b"}"):
            piece = self.try_to(lambda: self.tls.read(65536))
            if piece:
                text += piece
            elif not self.receive():
                break
        return text
