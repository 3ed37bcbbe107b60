"""Certificates made on the spot, and a proxy that speaks TLS to clients and not to its server."""

import select
import socket
import ssl
import struct
import threading

from certificates import Authority

SSL_REQUEST = struct.pack(">II", 8, 80877103)  # what a client of PostgreSQL says before TLS


class Certificates:
    """
    An authority in a folder, and what it has signed: `good` for 127.0.0.1 and localhost, `name` for
    another host, `expired`; `unknown` is of another authority. Each as a pair of paths.
    """

    def __init__(self, folder):
        authority, stranger = Authority(folder), Authority(folder, "stranger")
        self.ca = authority.certificate
        self.good = authority.issue("good")
        self.name = authority.issue("name", "DNS:other.example")
        self.expired = authority.issue("expired", days=-1)
        self.unknown = stranger.issue("unknown")


class TlsProxy:
    """
    Terminates TLS before a server that has none. preamble: PostgreSQL's SSLRequest comes first.
    mode: "pass", "hang_tls" (the handshake is never answered), "plain" (no TLS: PostgreSQL's
    request is answered N, anything else is passed on as it is).
    """

    def __init__(self, target_port, certificate, preamble=False, mode="pass"):
        self.target_port = target_port
        self.preamble = preamble
        self.mode = mode
        self.context = None
        self.present(certificate)
        self.connections = set()
        self.listener = socket.create_server(("127.0.0.1", 0), backlog=128)
        self.port = self.listener.getsockname()[1]
        threading.Thread(target=self.accept, daemon=True).start()

    def present(self, certificate):
        """The certificate of the connections from now on."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(*certificate)
        self.context = context

    def accept(self):
        while True:
            try:
                client, _ = self.listener.accept()
            except OSError:
                return
            client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self.connections.add(client)
            threading.Thread(target=self.serve, args=(client,), daemon=True).start()

    def serve(self, client):
        ends = [client]
        try:
            if self.preamble:
                assert client.recv(8, socket.MSG_WAITALL) == SSL_REQUEST
                client.sendall(b"N" if self.mode == "plain" else b"S")
            while self.mode == "hang_tls":
                if not client.recv(65536):
                    return
            if self.mode == "pass":
                ends[0] = client = self.context.wrap_socket(client, server_side=True)
                self.connections.add(client)
            ends.append(socket.create_connection(("127.0.0.1", self.target_port), 5))
            ends[1].settimeout(None)
            self.pump(*ends)
        except (OSError, AssertionError):
            pass
        finally:
            for end in ends:
                self.connections.discard(end)
                end.close()

    @staticmethod
    def pump(client, server):
        """One thread for both ways: an SSL object is not to be used by two at once."""
        while True:
            for source in select.select([client, server], [], [])[0]:
                sink = server if source is client else client
                while True:
                    data = source.recv(65536)
                    if not data:
                        return
                    sink.sendall(data)
                    if source is server or not getattr(client, "pending", int)():
                        break

    def cut_all(self):
        """Closes every connection that stands."""
        for connection in list(self.connections):
            try:
                connection.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass

    def close(self):
        self.listener.close()
        self.cut_all()
