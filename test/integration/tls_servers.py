"""Certificates made on the spot, and a proxy that speaks TLS to clients and not to its server."""

import os
import select
import socket
import ssl
import struct
import subprocess
import threading

SSL_REQUEST = struct.pack(">II", 8, 80877103)  # what a client of PostgreSQL says before TLS


class Certificates:
    """
    An authority in a folder, and what it has signed: `good` for 127.0.0.1 and localhost, `name` for
    another host, `expired`; `unknown` is of another authority. Each as a pair of paths.
    """

    def __init__(self, folder):
        self.folder = str(folder)
        self.ca = self.authority("ca")
        stranger = self.authority("stranger")
        here = "IP:127.0.0.1,DNS:localhost"
        self.good = self.signed("good", self.ca, here)
        self.name = self.signed("name", self.ca, "DNS:other.example", common_name="other.example")
        self.expired = self.signed("expired", self.ca, here, "-days", "-1")
        self.unknown = self.signed("unknown", stranger, here)

    def path(self, name):
        return os.path.join(self.folder, name)

    def openssl(self, *words):
        subprocess.run(["openssl", *words], check=True, cwd=self.folder, capture_output=True)

    def authority(self, name):
        self.openssl("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256",
                     "-nodes", "-keyout", f"{name}.key", "-out", f"{name}.pem", "-subj",
                     f"/CN=Volley test {name}", "-days", "30")
        return self.path(f"{name}.pem")

    def signed(self, name, authority, names, *options, common_name="localhost"):
        with open(self.path(f"{name}.ext"), "w", encoding="ascii") as file:
            file.write(f"subjectAltName={names}\n")
        self.openssl("req", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes",
                     "-keyout", f"{name}.key", "-out", f"{name}.csr", "-subj",
                     f"/CN={common_name}")
        self.openssl("x509", "-req", "-in", f"{name}.csr", "-CA", authority, "-CAkey",
                     authority.replace(".pem", ".key"), "-CAcreateserial", "-extfile",
                     f"{name}.ext", "-out", f"{name}.pem", *(options or ("-days", "30")))
        return self.path(f"{name}.pem"), self.path(f"{name}.key")


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
