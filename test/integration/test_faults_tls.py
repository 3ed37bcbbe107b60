"""The fault list over TLS, and the faults that only TLS has."""

import re

import pytest

import fault_list
import faults
from faults import HANG
from tls_servers import Certificates, TlsProxy


class SecurePostgresql(faults.Postgresql):
    """sslmode=verify-full, through a proxy that terminates TLS."""

    garbage = {503}

    def __init__(self, postgres, certificates):
        super().__init__(postgres)
        self.certificates = certificates
        self.tls = TlsProxy(postgres.port, certificates.good, preamble=True)
        self.port = self.tls.port

    def options(self):
        return f"?sslmode=verify-full&sslrootcert={self.certificates.ca}"


class SecureRedis(faults.Redis):
    """rediss://, through a proxy that terminates TLS."""

    garbage = {502, 504}  # the bytes are no TLS, which may be taken for a lost connection

    def __init__(self, redis_, certificates):
        super().__init__(redis_)
        self.certificates = certificates
        self.tls = TlsProxy(redis_.port, certificates.good)
        self.port = self.tls.port

    def url(self, port, user):
        return super().url(port, user).replace("redis://", "rediss://")

    def account(self, project, ident, port, user="default", **keys):
        super().account(project, ident, port, user, tls={"ca": self.certificates.ca}, **keys)


SERVICES = {"POSTGRESQL": SecurePostgresql, "REDIS": SecureRedis}


@pytest.fixture(scope="session")
def certificates(tmp_path_factory):
    return Certificates(tmp_path_factory.mktemp("certificates"))


@pytest.fixture(params=SERVICES)
def bench(request, project, start, postgres, redis_, certificates):
    server = {"POSTGRESQL": postgres, "REDIS": redis_}[request.param]
    service = SERVICES[request.param](server, certificates)
    made = faults.Bench(service, project, start)
    yield made
    made.close()
    service.tls.close()


@pytest.mark.parametrize("fault", fault_list.LIST, ids=lambda fault: fault.__name__)
def test_fault_over_tls(bench, fault):
    fault(bench)


def begin_apart(bench, mode="pass", certificate=None, **options):
    """
    The account stands before a TLS proxy of its own in that mode, so that the bystanders' stays
    good; returns that proxy.
    """
    service = bench.service
    certificate = certificate or service.certificates.good
    bad = TlsProxy(service.server.port, certificate, service.tls.preamble, mode)
    bench.begin(port=bad.port, **options)
    return bad


def test_hang_tls(bench):
    """The handshake is never answered."""
    bad = begin_apart(bench, "hang_tls", connectTimeout=f"{HANG}ms")
    bench.fails({503}, "connect", f"{HANG} ms", hangs=True)
    bad.mode = "pass"
    bench.recovers()
    bad.close()


def test_hang_tls_beyond_the_timeout(bench):
    bad = begin_apart(bench, "hang_tls", timeout=f"{HANG}ms", connectTimeout="1m")
    bench.fails({504}, "connection", f"{HANG}ms", hangs=True)
    bad.mode = "pass"
    bad.cut_all()
    bench.recovers()
    bad.close()


# What the message must say of each. libpq does not tell why a verification failed.
BAD = {
    "unknown": {"POSTGRESQL": "certificate verify failed", "REDIS": "issuer|self.signed|authority"},
    "expired": {"POSTGRESQL": "certificate verify failed", "REDIS": "expired"},
    "name": {"POSTGRESQL": "does not match", "REDIS": "(?i)host ?name|match|IP address"},
}


@pytest.mark.parametrize("which", BAD)
def test_bad_certificate(bench, which):
    """Nothing is sent, the message says which check failed, and a good certificate is enough."""
    bad = begin_apart(bench, certificate=getattr(bench.service.certificates, which))
    for _ in range(2):
        answer = bench.fails({503})
        assert re.search(BAD[which][bench.service.kind], answer["responseMessage"]), answer
    bad.present(bench.service.certificates.good)
    bench.recovers()
    bad.close()


def test_a_server_without_tls(bench):
    """It is no reason to go on without."""
    bad = begin_apart(bench, "plain", connectTimeout=f"{5 * HANG}ms")
    bench.fails({503}, "SSL" if bench.service.tls.preamble else "")
    bad.mode = "pass"
    bench.recovers()
    bad.close()
