"""Certificates of a test's own CA, made with the openssl command."""

import os
import subprocess

CURVE = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes")


def openssl(*arguments):
    subprocess.run(["openssl", *arguments], check=True, capture_output=True)


class Authority:
    """A CA in a folder: folder/ca.pem, and what it signs beside it."""

    def __init__(self, folder, name="ca"):
        self.folder = str(folder)
        self.ca, self.key = self.path(f"{name}.pem"), self.path(f"{name}.key")
        openssl("req", "-x509", *CURVE, "-subj", f"/CN={name} of the test", "-days", "2",
                "-keyout", self.key, "-out", self.ca)

    def path(self, name):
        return os.path.join(self.folder, name)

    def sign(self, name, names="DNS:localhost,IP:127.0.0.1", days=2, mode=0o644):
        """(certificate, key) for names as OpenSSL writes them; days < 0: it has expired."""
        certificate, key = self.path(f"{name}.pem"), self.path(f"{name}.key")
        request, extensions = self.path(f"{name}.csr"), self.path(f"{name}.ext")
        openssl("req", *CURVE, "-subj", f"/CN={name}", "-keyout", key, "-out", request)
        with open(extensions, "w", encoding="ascii") as file:
            file.write(f"subjectAltName={names}\n")
        openssl("x509", "-req", "-in", request, "-CA", self.ca, "-CAkey", self.key,
                "-CAcreateserial", "-days", str(days), "-extfile", extensions,
                "-out", certificate)
        os.chmod(key, mode)
        return certificate, key
