"""Redis over TLS: who is trusted, who is not, and what is said about it."""

import contextlib
import shutil
import socket
import threading
import time

import pytest

from actions import ANY, EVENT, set_key
from certificates import Authority
from dns_server import DnsServer
from harness import SANITIZED, Wire, cli, request_bytes
from servers import Redis, free_port, server_folder, wait_until


class TlsRedis(Redis):
    """A private Redis that speaks TLS on tls_port, and plainly on port."""

    def __init__(self, certificate, ca, *options):
        self.tls_port = free_port()
        super().__init__("--tls-port", str(self.tls_port), "--tls-cert-file", certificate[0],
                         "--tls-key-file", certificate[1], "--tls-ca-cert-file", ca, *options)

    def start(self):
        while self.port == self.tls_port:
            self.port = free_port()
        super().start()

    def tls_url(self, host="localhost", port=None, database=0):
        return f"rediss://:secret@{host}:{port or self.tls_port}/{database}"


@pytest.fixture(scope="module")
def authority():
    folder = server_folder("volley-test-tls.")  # Redis runs as another user and reads it too
    yield Authority(folder)
    shutil.rmtree(folder)


@pytest.fixture(scope="module")
def stranger(authority):
    return Authority(authority.folder, "stranger")


@pytest.fixture(scope="module")
def good_redis(authority):
    """With the right certificate; asks for none."""
    server = TlsRedis(authority.issue("server", mode=0o644), authority.certificate, "--tls-auth-clients", "no")
    yield server
    server.remove()


@pytest.fixture
def tls_redis(good_redis):
    good_redis.client().flushall()
    return good_redis


@pytest.fixture
def serve(authority):
    """serve(certificate, ...): a TlsRedis of the test's own."""
    servers = []

    def make(certificate, *options):
        servers.append(TlsRedis(certificate, authority.certificate, *options))
        return servers[-1]
    yield make
    for server in servers:
        server.remove()


@pytest.fixture
def names():
    """names({name: [address, ...]}): the environment of a daemon that asks such a name server."""
    with contextlib.ExitStack() as servers:
        yield lambda table: {
            "VOLLEY_RESOLVER": servers.enter_context(DnsServer(table)).address}


@pytest.fixture
def run_set(project, start):
    """run_set(url, tls, ...): one SET through an account; the daemon and the answer."""
    def run(url, tls=None, timeout="10s", env=None, **keys):
        half = {"url": url, "pool": {"connectTimeout": timeout}, **keys}
        if tls is not None:
            half["tls"] = tls
        project.account("redis", "REDIS", test=half)
        project.event(EVENT, [set_key(key="k", value="v")], ANY)
        daemon = start(project, env=env)
        return daemon, daemon.post(EVENT, {}).response("key")
    return run


def refused(answer, *words):
    assert answer["responseCode"] == 503 and answer["status"] is False, answer
    for word in ("redis (test): could not connect to ", *words):
        assert word in answer["responseMessage"], answer


# ---- what works ----------------------------------------------------------------------------------

@pytest.mark.parametrize("host", ["localhost", "127.0.0.1"])
def test_with_the_right_ca(run_set, tls_redis, authority, host):
    _, answer = run_set(tls_redis.tls_url(host, database=3), {"ca": authority.certificate})
    assert answer["responseCode"] == 201, answer
    assert tls_redis.client(3).get("k") == b"v"


def test_files_start_at_the_project_folder(project, run_set, tls_redis, authority):
    with open(authority.certificate, encoding="ascii") as file:
        project.write("certificates/ca.pem", file.read())
    _, answer = run_set(tls_redis.tls_url(), {"ca": "certificates/ca.pem", "verify": "full"})
    assert answer["responseCode"] == 201, answer


def test_without_verifying(project, run_set, tls_redis):
    daemon, answer = run_set(tls_redis.tls_url(), {"verify": "none"})
    assert answer["responseCode"] == 201, answer
    assert "certificate is not verified" in daemon.log()
    done = cli("test", project=project.folder)
    assert done.returncode == 0 and "warning: the server's certificate is not verified" in \
        done.stderr, done.stderr


def test_a_client_certificate(run_set, serve, authority):
    server = serve(authority.issue("demanding", mode=0o644), "--tls-auth-clients", "yes")
    certificate, key = authority.issue("client", client=True)
    _, answer = run_set(server.tls_url(), {"ca": authority.certificate, "certificate": certificate,
                                           "key": key})
    assert answer["responseCode"] == 201, answer


def test_a_client_certificate_that_is_missing(run_set, serve, authority):
    server = serve(authority.issue("demanding", mode=0o644), "--tls-auth-clients", "yes")
    _, answer = run_set(server.tls_url(), {"ca": authority.certificate})
    refused(answer, "certificate required")


def test_many_commands(project, start, tls_redis, authority):
    """10,000 commands of 2,000 events, pipelined on one connection."""
    events = 200 if SANITIZED else 2000
    project.account("redis", "REDIS", test={"url": tls_redis.tls_url(),
                                            "tls": {"ca": authority.certificate}})
    project.event(EVENT, [set_key(f"key{n}", key=f"k{n}:{{id}}", value=f"{{id}}/{n}")
                          for n in range(5)], ANY)
    daemon = start(project)
    assert daemon.post(EVENT, {"id": "first"}).status == 201
    with Wire(daemon.port) as wire:
        data = b"".join(request_bytes(daemon, EVENT, b'{"id":"%d"}' % number)
                        for number in range(events))
        wire.send(data)
        for _ in range(events):
            assert wire.reply().status == 201
    client = tls_redis.client()
    for n in range(5):
        keys = [f"k{n}:{number}" for number in range(events)]
        assert client.mget(keys) == [b"%d/%d" % (number, n) for number in range(events)]
    assert client.info("clients")["connected_clients"] == 2  # ours and volleyd's


def test_large_values_both_ways(project, start, tls_redis, authority):
    value = "0123456789abcdef" * 57600  # 900 KiB
    project.account("redis", "REDIS", test={"url": tls_redis.tls_url(),
                                            "tls": {"ca": authority.certificate}})
    project.event(EVENT, [{"id": "push", "type": "REDIS", "action": "RPUSH",
                           "serviceAccountId": "redis",
                           "template": {"key": "{id}", "value": "{text}"}}], ANY)
    project.event("service.pop", [{"id": "pop", "type": "REDIS", "action": "RPOP",
                                   "serviceAccountId": "redis", "template": {"key": "{id}"}}], ANY)
    daemon = start(project)
    for number in range(5):
        answer = daemon.post(EVENT, {"id": f"k{number}", "text": value}).response("push")
        assert answer["status"] is True, answer
    for number in range(5):
        answer = daemon.post("service.pop", {"id": f"k{number}"}).response("pop")
        assert answer["responsePayload"] == value


def test_a_restart_in_between(run_set, serve, authority):
    server = serve(authority.issue("restarted", mode=0o644), "--tls-auth-clients", "no")
    daemon, answer = run_set(server.tls_url(), {"ca": authority.certificate})
    assert answer["responseCode"] == 201
    server.stop()
    server.start()
    wait_until(lambda: daemon.post(EVENT, {}).response("key")["responseCode"] == 201, 10,
               "the connection to the new server")
    assert server.client().get("k") == b"v"


# ---- names ---------------------------------------------------------------------------------------

def test_a_name_and_its_certificate(run_set, serve, authority, names):
    server = serve(authority.issue("named", "DNS:redis.example.test", mode=0o644), "--tls-auth-clients", "no")
    env = names({"redis.example.test": ["127.0.0.1"]})
    _, answer = run_set(server.tls_url("redis.example.test"), {"ca": authority.certificate}, env=env)
    assert answer["responseCode"] == 201, answer


def test_a_name_that_the_certificate_has_not(run_set, tls_redis, authority, names):
    env = names({"redis.example.test": ["127.0.0.1"]})
    _, answer = run_set(tls_redis.tls_url("redis.example.test"), {"ca": authority.certificate}, env=env)
    refused(answer, f"redis.example.test:{tls_redis.tls_port}: TLS: hostname mismatch")


@pytest.mark.parametrize("tls", [False, True])
def test_the_first_addresses_refuse(run_set, serve, authority, names, tls):
    server = serve(authority.issue("third", "DNS:many.test", mode=0o644), "--tls-auth-clients", "no")
    env = names({"many.test": ["127.0.0.3", "127.0.0.2", "127.0.0.1"]})
    if tls:
        _, answer = run_set(server.tls_url("many.test"), {"ca": authority.certificate}, env=env)
    else:
        _, answer = run_set(f"redis://:secret@many.test:{server.port}", env=env)
    assert answer["responseCode"] == 201, answer
    assert server.client().get("k") == b"v"


def test_a_silent_address_before_a_good_one(run_set, serve, authority, names):
    """It gets half of connectTimeout, the other one the rest."""
    server = serve(authority.issue("second", "DNS:two.test", mode=0o644), "--tls-auth-clients", "no")
    with socket.create_server(("127.0.0.2", server.tls_port)):
        env = names({"two.test": ["127.0.0.2", "127.0.0.1"]})
        _, answer = run_set(server.tls_url("two.test"), {"ca": authority.certificate}, "2s", env=env)
    assert answer["responseCode"] == 201 and answer["responseTimeMS"] < 1900, answer


def test_a_name_that_does_not_exist(run_set, names):
    _, answer = run_set("redis://nobody.test:6379", env=names({}))
    refused(answer, "nobody.test:6379: could not resolve 'nobody.test'")


def test_a_resolver_that_says_nothing(run_set):
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as deaf:
        deaf.bind(("127.0.0.1", 0))
        daemon, answer = run_set("redis://slow.test:6379", None, "500ms", env={
            "VOLLEY_RESOLVER": f"127.0.0.1:{deaf.getsockname()[1]}"})
        refused(answer, "within 500 ms: its name was not resolved")
        daemon.stop()


# ---- who is not trusted --------------------------------------------------------------------------

def test_another_ca(run_set, tls_redis, stranger):
    _, answer = run_set(tls_redis.tls_url(), {"ca": stranger.certificate})
    refused(answer, f"localhost:{tls_redis.tls_port}: TLS: self-signed certificate in certificate "
            "chain")


def test_the_systems_cas(run_set, tls_redis):
    """Ours is none of them."""
    _, answer = run_set(tls_redis.tls_url())
    refused(answer, "TLS: self-signed certificate in certificate chain")


@pytest.mark.parametrize("names, host, words", [
    ("DNS:other.test", "localhost", "hostname mismatch: the server's certificate is not for "
     "localhost"),
    ("DNS:localhost", "127.0.0.1", "IP address mismatch"),
    ("IP:127.0.0.2", "127.0.0.1", "IP address mismatch"),
])
def test_another_name(run_set, serve, authority, names, host, words):
    server = serve(authority.issue("other", names, mode=0o644), "--tls-auth-clients", "no")
    _, answer = run_set(server.tls_url(host), {"ca": authority.certificate})
    refused(answer, words)


def test_an_expired_certificate(run_set, serve, authority):
    server = serve(authority.issue("expired", days=-1, mode=0o644), "--tls-auth-clients", "no")
    daemon, answer = run_set(server.tls_url(), {"ca": authority.certificate})
    refused(answer, "TLS: certificate has expired")
    wait_until(lambda: "certificate has expired" in daemon.log(), 5, "the line of the log")


# ---- who speaks no TLS, or does not wait for it --------------------------------------------------

def test_a_plain_server_behind_rediss(run_set, tls_redis, authority):
    url = tls_redis.tls_url(port=tls_redis.port)
    _, answer = run_set(url, {"ca": authority.certificate}, "300ms")
    refused(answer, "does the server speak TLS?")


def test_a_tls_server_behind_redis(run_set, tls_redis):
    daemon, answer = run_set(tls_redis.url(port=tls_redis.tls_port))
    refused(answer, "rediss://")
    daemon.stop()
    _, answer = run_set(f"redis://localhost:{tls_redis.tls_port}")  # nothing to log in with
    assert "rediss://" in answer["responseMessage"], answer


def test_silence_in_the_handshake(project, start, tls_redis, authority, proxy):
    """Only those that need the silent server wait, up to connectTimeout; the others do not."""
    silent = proxy(tls_redis.tls_port, mode="hang")
    tls = {"ca": authority.certificate}
    project.account("redis", "REDIS", test={"url": tls_redis.tls_url(), "tls": tls})
    project.account("silent", "REDIS", test={
        "url": tls_redis.tls_url("127.0.0.1", silent.port), "tls": tls, "pool": {"connectTimeout": "1s"}})
    project.event(EVENT, [set_key(key="k", value="v")], ANY)
    project.event("service.silent", [set_key(account="silent", key="k", value="v")], ANY)
    daemon = start(project)
    answers = []

    def ask():
        with Wire(daemon.port) as wire:
            wire.send(request_bytes(daemon, "service.silent", b"{}"))
            answers.append(wire.reply().response("key"))
    asking = threading.Thread(target=ask)
    asking.start()
    begin = time.monotonic()
    while time.monotonic() - begin < 0.5:
        answer = daemon.post(EVENT, {}).response("key")
        assert answer["responseCode"] == 201 and answer["responseTimeMS"] < 400, answer
    asking.join()
    refused(answers[0] | {"responseMessage": answers[0]["responseMessage"].replace(
        "silent (test)", "redis (test)")}, "within 1000 ms: the TLS handshake was not answered")
    silent.mode = "pass"
    wait_until(lambda: daemon.post("service.silent", {}).response("key")["responseCode"] == 201,
               10, "the connection after the silence")


class Cutter:
    """Answers the first bytes with the first `size` bytes of a real server's answer, and hangs up."""

    def __init__(self, port, size):
        self.target, self.size = port, size
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        threading.Thread(target=self.run, daemon=True).start()

    def run(self):
        while True:
            try:
                client, _ = self.listener.accept()
            except OSError:
                return
            with client, socket.create_connection(("127.0.0.1", self.target)) as server:
                server.sendall(client.recv(65536))
                client.sendall(server.recv(self.size))


@pytest.mark.parametrize("size", [1, 5, 60, 300])
def test_a_cut_in_the_handshake(run_set, tls_redis, authority, size):
    cutter = Cutter(tls_redis.tls_port, size)
    _, answer = run_set(tls_redis.tls_url(port=cutter.port), {"ca": authority.certificate})
    cutter.listener.close()
    refused(answer)
    assert "hung up" in answer["responseMessage"] or "reset" in answer["responseMessage"]


@pytest.mark.parametrize("mode", ["garbage", "refuse"])
def test_other_faults(run_set, tls_redis, authority, proxy, mode):
    broken = proxy(tls_redis.tls_port, mode=mode)
    daemon, answer = run_set(tls_redis.tls_url(port=broken.port), {"ca": authority.certificate})
    refused(answer)
    assert ("is no TLS" if mode == "garbage" else "") in answer["responseMessage"], answer
    broken.mode = "pass"
    wait_until(lambda: daemon.post(EVENT, {}).response("key")["responseCode"] == 201, 10,
               "the connection after the fault")


def test_connections_cut_while_they_work(run_set, tls_redis, authority, proxy):
    """Each command is answered once: 201, or 504 when it was on its way."""
    between = proxy(tls_redis.tls_port)
    daemon, answer = run_set(tls_redis.tls_url(port=between.port), {"ca": authority.certificate})
    assert answer["responseCode"] == 201
    for _ in range(5):
        with Wire(daemon.port) as wire:
            wire.send(b"".join([request_bytes(daemon, EVENT, b"{}")] * 50))
            between.cut_all()
            codes = {wire.reply().response("key")["responseCode"] for _ in range(50)}
        assert codes <= {201, 503, 504}, codes
        wait_until(lambda: daemon.post(EVENT, {}).response("key")["responseCode"] == 201, 10,
                   "the next connection")


# ---- what the files of a project can have wrong --------------------------------------------------

def test_a_key_that_others_can_read(project, authority):
    certificate, key = authority.issue("open", mode=0o644)
    project.account("redis", "REDIS", test={"url": "rediss://127.0.0.1", "tls": {
        "ca": authority.certificate, "certificate": certificate, "key": key}})
    done = cli("test", project=project.folder)
    assert done.returncode == 1 and "others than its owner can read the key" in done.stderr
    assert f"chmod 600 {key}" in done.stderr and "accounts/redis.yaml:" in done.stderr


def test_a_key_of_another_certificate(project, authority):
    certificate, _ = authority.issue("one", mode=0o644)
    _, key = authority.issue("two", mode=0o600)
    project.account("redis", "REDIS", test={"url": "rediss://127.0.0.1", "tls": {
        "ca": authority.certificate, "certificate": certificate, "key": key}})
    done = cli("test", project=project.folder)
    assert done.returncode == 1 and "the key does not belong to the certificate" in done.stderr
