"""Certificates for tests, made anew with the openssl command: a CA, and what it signs.

ca = Authority(folder)
server = ca.issue("server", names=["db.test"], addresses=["127.0.0.1", "::1"])
client = ca.issue("client", subject="alice", client=True)
ca.certificate, server.certificate, server.key   # paths; keys have mode 0600
"""
import os
import subprocess
from collections import namedtuple

Pair = namedtuple("Pair", "certificate key")


def _openssl(*arguments):
    subprocess.run(["openssl", *map(str, arguments)], check=True, capture_output=True, text=True)


class Authority:
    """A CA of its own in a folder; two of them trust nothing in common."""

    def __init__(self, folder, name="ca"):
        self.folder = str(folder)
        os.makedirs(self.folder, exist_ok=True)
        self.certificate = self._path(f"{name}.crt")
        self.key = self._path(f"{name}.key")
        self._make_key(self.key)
        _openssl("req", "-x509", "-new", "-key", self.key, "-out", self.certificate,
                 "-subj", f"/CN=Volley test {name}", "-days", 2,
                 "-addext", "basicConstraints=critical,CA:TRUE",
                 "-addext", "keyUsage=critical,keyCertSign,cRLSign")

    def _path(self, name):
        return os.path.join(self.folder, name)

    @staticmethod
    def _make_key(path):
        _openssl("genpkey", "-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256",
                 "-out", path)
        os.chmod(path, 0o600)

    def issue(self, name, names=(), addresses=(), subject=None, client=False, days=2):
        """Makes name.crt and name.key; days=-1 makes one that has expired."""
        pair = Pair(self._path(f"{name}.crt"), self._path(f"{name}.key"))
        request, extensions = self._path(f"{name}.csr"), self._path(f"{name}.ext")
        self._make_key(pair.key)
        _openssl("req", "-new", "-key", pair.key, "-out", request,
                 "-subj", f"/CN={subject or name}")
        alternatives = [f"DNS:{n}" for n in names] + [f"IP:{a}" for a in addresses]
        with open(extensions, "w", encoding="utf-8") as file:
            file.write("basicConstraints=CA:FALSE\n")
            file.write(f"extendedKeyUsage={'clientAuth' if client else 'serverAuth'}\n")
            if alternatives:
                file.write(f"subjectAltName={','.join(alternatives)}\n")
        _openssl("x509", "-req", "-in", request, "-CA", self.certificate, "-CAkey", self.key,
                 "-CAcreateserial", "-days", days, "-extfile", extensions,
                 "-out", pair.certificate)
        return pair
