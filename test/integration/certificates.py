"""Certificates for tests, made anew with the openssl command: a CA, and what it signs.

ca = Authority(folder)
server = ca.issue("server", "DNS:db.test,IP:127.0.0.1")
client = ca.issue("client", subject="alice", client=True)
ca.certificate, server.certificate, server.key   # paths; keys have mode 0600
"""
import os
import subprocess
from collections import namedtuple

Pair = namedtuple("Pair", "certificate key")


def openssl(*arguments):
    subprocess.run(["openssl", *map(str, arguments)], check=True, capture_output=True, text=True)


class Authority:
    """A CA of its own in a folder; two of them trust nothing in common."""

    def __init__(self, folder, name="ca"):
        self.folder = str(folder)
        os.makedirs(self.folder, exist_ok=True)
        self.certificate = self.path(f"{name}.crt")
        self.key = self.path(f"{name}.key")
        self._make_key(self.key)
        openssl("req", "-x509", "-new", "-key", self.key, "-out", self.certificate,
                 "-subj", f"/CN=Volley test {name}", "-days", 2,
                 "-addext", "basicConstraints=critical,CA:TRUE",
                 "-addext", "keyUsage=critical,keyCertSign,cRLSign")

    def path(self, name):
        return os.path.join(self.folder, name)

    @staticmethod
    def _make_key(path):
        openssl("genpkey", "-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256",
                 "-out", path)
        os.chmod(path, 0o600)

    def issue(self, name, names="DNS:localhost,IP:127.0.0.1", subject=None, client=False,
              days=2, mode=0o600):
        """
        Makes name.crt and name.key. names as OpenSSL writes them; days=-1: it has expired;
        mode of the key: a server that runs as another user must read its own.
        """
        pair = Pair(self.path(f"{name}.crt"), self.path(f"{name}.key"))
        request, extensions = self.path(f"{name}.csr"), self.path(f"{name}.ext")
        self._make_key(pair.key)
        openssl("req", "-new", "-key", pair.key, "-out", request,
                 "-subj", f"/CN={subject or name}")
        with open(extensions, "w", encoding="utf-8") as file:
            file.write("basicConstraints=CA:FALSE\n")
            file.write(f"extendedKeyUsage={'clientAuth' if client else 'serverAuth'}\n")
            file.write(f"subjectAltName={names}\n")
        openssl("x509", "-req", "-in", request, "-CA", self.certificate, "-CAkey", self.key,
                 "-CAcreateserial", "-days", days, "-extfile", extensions,
                 "-out", pair.certificate)
        os.chmod(pair.key, mode)
        return pair
