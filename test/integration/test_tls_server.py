"""TLS at the door: versions, certificates, slow and wrong clients, and HTTP through it all."""

import json
import os
import re
import socket
import ssl
import subprocess
import time

import pytest

from actions import ANY, EVENT, SLEEP, insert_into, pg_account, redis_account, redis_command
from certificates import Authority
from harness import cli, log_action, request_bytes
from servers import wait_until
from tls_clients import SlowClient, TlsWire, client_context, with_tls

V1_1, V1_2, V1_3 = (ssl.TLSVersion.TLSv1_1, ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3)


@pytest.fixture
def authority(tmp_path):
    return Authority(tmp_path / "tls")


@pytest.fixture
def serve(project, start, authority):
    """serve(**keys of tls): a daemon with one event; (daemon, TLS port, client context)."""
    def run(**keys):
        port = with_tls(project, authority.issue("server"), **keys)
        project.event(EVENT, [log_action()], ANY)
        return start(project), port, client_context(authority.certificate)
    return run


def status(daemon, port, context, **options):
    """Sends one event; the reply's status."""
    with TlsWire(port, context, **options) as wire:
        wire.send(request_bytes(daemon, EVENT))
        return wire.reply().status


def is_refused(daemon, port, context):
    """With TLS 1.3 a client learns of it only when it reads."""
    try:
        status(daemon, port, context)
        return False
    except (ssl.SSLError, ConnectionError, AssertionError):
        return True


# ---- versions, certificates, protocols ---------------------------------------------------------

def test_versions(serve, authority):
    daemon, port, _ = serve()
    for version, name in ((V1_2, "TLSv1.2"), (V1_3, "TLSv1.3")):
        context = client_context(authority.certificate, version, version)
        assert status(daemon, port, context) == 201
        with TlsWire(port, context) as wire:
            assert wire.socket.version() == name and wire.socket.compression() is None
    assert is_refused(daemon, port, client_context(authority.certificate, V1_1, V1_1))
    assert status(daemon, port, client_context(authority.certificate)) == 201


def test_the_oldest_version(serve, authority):
    daemon, port, _ = serve(minVersion=1.3)
    assert is_refused(daemon, port, client_context(authority.certificate, V1_2, V1_2))
    assert status(daemon, port, client_context(authority.certificate, V1_3, V1_3)) == 201


@pytest.mark.parametrize("version", [V1_2, V1_3])
def test_certificates_of_clients(serve, authority, tmp_path, version):
    clients, strangers = Authority(tmp_path / "clients"), Authority(tmp_path / "strangers")
    daemon, port, _ = serve(clientCa=clients.certificate)

    def context(pair):
        return client_context(authority.certificate, version, version, pair)

    assert status(daemon, port, context(clients.issue("alice", client=True))) == 201
    for pair in (None, strangers.issue("mallory", client=True),
                 clients.issue("old", client=True, days=-1), clients.issue("server")):
        assert is_refused(daemon, port, context(pair))
    assert status(daemon, port, context(clients.issue("bob", client=True))) == 201


@pytest.mark.parametrize("offer, chosen", [
    (None, None), (["h2", "http/1.1"], "http/1.1"), (["http/1.1"], "http/1.1"), (["h2"], None),
    (["http/1.0"], None)])
def test_offered_protocols(serve, authority, offer, chosen):
    daemon, port, _ = serve()
    context = client_context(authority.certificate, alpn=offer)
    with TlsWire(port, context) as wire:
        assert wire.socket.selected_alpn_protocol() == chosen
        wire.send(request_bytes(daemon, EVENT))
        assert wire.reply().status == 201


@pytest.mark.parametrize("version", [V1_2, V1_3])
def test_sessions_are_used_again(serve, authority, version):
    daemon, port, _ = serve()
    context = client_context(authority.certificate, version, version)
    with TlsWire(port, context) as wire:
        wire.send(request_bytes(daemon, EVENT))
        assert wire.reply().status == 201 and not wire.socket.session_reused
        session = wire.socket.session
    with TlsWire(port, context, session) as wire:
        assert wire.socket.session_reused
        wire.send(request_bytes(daemon, EVENT))
        assert wire.reply().status == 201


def test_no_renegotiation(serve, authority):
    _, port, _ = serve()
    done = subprocess.run(
        ["openssl", "s_client", "-connect", f"127.0.0.1:{port}", "-tls1_2",
         "-CAfile", authority.certificate], input="R\n", capture_output=True, text=True,
        timeout=20, check=False)
    assert "RENEGOTIATING" in done.stdout + done.stderr
    assert "no renegotiation" in done.stdout + done.stderr


# ---- HTTP through it ---------------------------------------------------------------------------

def test_pipelining(serve):
    daemon, port, context = serve()
    with TlsWire(port, context) as wire:
        wire.send(request_bytes(daemon, EVENT) * 99 +
                  request_bytes(daemon, "no.such") + request_bytes(daemon, EVENT))
        assert [wire.reply().status for _ in range(101)] == [201] * 99 + [404, 201]
        assert wire.is_silent(0.05)


@pytest.mark.long_pass("a reply of 1 MiB is formed, kept and sent in one pass")
def test_large_bodies_both_ways(project, start, authority, redis_):
    """A MiB up and a MiB down, several in a row, by a client that reads little at a time."""
    port = with_tls(project, authority.issue("server"), settings={"limits": {"body": "2MiB"}})
    redis_account(project, redis_, pool={"responseLimit": "2MiB"})
    project.event(EVENT, [redis_command("ECHO", "{text}")], {"text": "String"})
    daemon = start(project)
    text = "0123456789abcdef" * 65536
    request = request_bytes(daemon, EVENT, ('{"text":"%s"}' % text).encode())
    with TlsWire(port, client_context(authority.certificate), receive_buffer=4096) as wire:
        wire.send(request * 8)
        for _ in range(8):
            reply = wire.reply(30)
            assert reply.status == 201
            assert reply.response("do")["responsePayload"] == text


def test_too_large_a_body(serve):
    """The refusal reaches a client that is still sending."""
    daemon, port, context = serve()
    with TlsWire(port, context) as wire:
        wire.send(request_bytes(daemon, EVENT, b" " * (3 << 20)))
        assert wire.reply().status == 413
    assert status(daemon, port, context) == 201


@pytest.mark.parametrize("goodbye", [True, False])
def test_a_client_that_ends_its_side(serve, authority, goodbye):
    """It still gets its reply, whether or not it said goodbye in TLS."""
    daemon, port, context = serve()
    with SlowClient(port, client_context(authority.certificate, V1_2, V1_2)) as client:
        client.socket.sendall(client.hello)
        client.shake()
        client.tls.write(request_bytes(daemon, EVENT))
        if goodbye:
            client.try_to(client.tls.unwrap)
        client.flush()
        client.socket.shutdown(socket.SHUT_WR)
        raw, kinds = b"", []
        while piece := client.socket.recv(65536):
            raw += piece
    while raw:  # records: a ticket's remains aside, data and then an alert, close_notify
        size = 5 + int.from_bytes(raw[3:5], "big")
        kinds.append((raw[0], size))
        raw = raw[size:]
    assert kinds[-2][0] == 23 and kinds[-2][1] > 500 and kinds[-1][0] == 21, kinds
    assert status(daemon, port, context) == 201


# ---- clients in need of patience ---------------------------------------------------------------

def test_slow_handshakes(serve):
    """Silent, half a hello, a hello and nothing more: closed in time, others served meanwhile."""
    daemon, port, context = serve(settings={"limits": {"headTimeout": "700ms"}})
    began = time.monotonic()
    silent = socket.create_connection(("127.0.0.1", port), 10)
    half, mute = SlowClient(port, context), SlowClient(port, context)
    half.socket.sendall(half.hello[:100])
    mute.socket.sendall(mute.hello)
    assert status(daemon, port, context) == 201
    assert time.monotonic() - began < 5
    for slow in (silent, half.socket, mute.socket):
        while slow.recv(65536):
            pass
        slow.close()
    assert time.monotonic() - began >= 0.6
    assert status(daemon, port, context) == 201
    assert "TLS handshake failed" not in daemon.log()


def test_failures_are_told_at_debug_only(serve):
    daemon, port, context = serve(settings={"log": {"level": "debug"}})
    with socket.create_connection(("127.0.0.1", port), 10) as wire:
        wire.sendall(b"\x16\x03\x01\x00\x0cis no hello!")
        while wire.recv(65536):
            pass
    wait_until(lambda: "TLS handshake failed" in daemon.log(), 10, "the line")
    assert status(daemon, port, context) == 201
    assert daemon.log().count("TLS handshake failed") == 1  # that volleyd was looked for is none


def test_handshakes_in_pieces(serve):
    daemon, port, context = serve()
    with SlowClient(port, context) as client:
        for at in range(0, len(client.hello), 50):
            client.socket.sendall(client.hello[at:at + 50])
            time.sleep(0.002)
        client.shake()
        client.request(request_bytes(daemon, EVENT))
        assert client.reply().startswith(b"HTTP/1.1 201 ")


def test_many_at_once(serve):
    """200 hellos lie there before the first is answered; all are served, a plain client too."""
    daemon, port, context = serve()
    clients = [SlowClient(port, context) for _ in range(200)]
    for client in clients:
        client.socket.sendall(client.hello)
    assert daemon.post(EVENT).status == 201
    for client in clients:
        client.shake()
        client.request(request_bytes(daemon, EVENT))
    for client in clients:
        assert client.reply().startswith(b"HTTP/1.1 201 ")
        client.socket.close()
    # A slow pass is told of by the wall's clock, too, which other processes can stretch.
    slow = [line for line in daemon.log_lines() if line["msg"].startswith("slow pass")]
    assert all(int(line["cpu_ms"]) <= 20 for line in slow), slow


def test_silent_connections_make_room(serve):
    """They count, and the one that has been silent longest gives way."""
    daemon, port, context = serve(settings={"limits": {"connections": 10}})
    silent = [socket.create_connection(("127.0.0.1", port), 10) for _ in range(10)]
    for _ in range(3):
        assert status(daemon, port, context) == 201
    assert silent[0].recv(1) == b""
    for wire in silent:
        wire.close()


def words_until_the_end(port, data):
    """What comes back until the other side closes; a reset is an error."""
    with socket.create_connection(("127.0.0.1", port), 10) as wire:
        wire.sendall(data)
        text = b""
        while piece := wire.recv(65536):
            text += piece
        return text


def test_plain_http_is_told(serve):
    daemon, port, context = serve()
    head, body = words_until_the_end(port, request_bytes(
        daemon, EVENT, b"{}" + b" " * 5000)).split(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 400 ") and b"Content-Type: application/problem+json" in head
    assert "https" in json.loads(body)["message"]
    for garbage in (b"\x00" * 1000, b"\xff" + os.urandom(5000), b"SSH-2.0-x\r\n"):
        words_until_the_end(port, garbage)
    assert status(daemon, port, context) == 201


def test_shutdown(project, start, authority, postgres):
    """What runs gets its reply through TLS; idle connections and half handshakes go at once."""
    postgres.run(SLEEP, database="test")
    pg_account(project, postgres)
    port = with_tls(project, authority.issue("server"))
    project.event(EVENT, [insert_into()], ANY)
    daemon = start(project)
    context = client_context(authority.certificate)
    busy, idle = TlsWire(port, context), TlsWire(port, context)
    half = SlowClient(port, context)
    half.socket.sendall(half.hello[:50])
    busy.send(request_bytes(daemon, EVENT, b'{"id":"1"}'))
    wait_until(lambda: postgres.run(
        "SELECT count(*) FROM pg_stat_activity WHERE wait_event = 'PgSleep'") == [(1,)],
        10, "the action")
    daemon.terminate()
    idle.end()
    assert half.socket.recv(1) == b""
    reply = busy.reply()
    assert reply.status == 201 and reply.headers["connection"] == "close"
    busy.end()
    daemon.stop()


# ---- the files ---------------------------------------------------------------------------------

def check(project, *fragments):
    """`volley test` and volleyd refuse it, at that line."""
    done = cli("test", project=project.folder)
    text = done.stdout + done.stderr
    assert done.returncode == 1, text
    for fragment in fragments:
        assert re.search(fragment, text), text


def write_tls(project, **keys):
    project.write("volley.yaml", "listen: 127.0.0.1:0\ntls:\n" + "".join(
        f"  {key}: {value}\n" for key, value in keys.items()))


def test_mistakes(project, authority):
    project.event(EVENT, [log_action()])
    pair, other = authority.issue("server"), authority.issue("other")
    expired = authority.issue("expired", days=-1)
    write_tls(project, certificate=pair.certificate, key=other.key)
    check(project, r"volley.yaml:4:8: error: .*does not belong to the certificate")
    write_tls(project, certificate=pair.key, key=pair.key)
    check(project, r"volley.yaml:3:16: error: .*no certificate in PEM")
    write_tls(project, certificate=pair.certificate, key=pair.certificate)
    os.chmod(pair.certificate, 0o600)
    check(project, r"volley.yaml:4:8: error: .*no private key in PEM")
    write_tls(project, certificate=pair.certificate, key=pair.key, clientCa="no.pem")
    check(project, r"volley.yaml:5:13: error: .*no.pem: No such file")
    os.chmod(pair.key, 0o644)
    write_tls(project, certificate=pair.certificate, key=pair.key)
    check(project, r"volley.yaml:4:8: error: others than its owner can read", "chmod 600")
    os.chmod(pair.key, 0o600)
    assert cli("test", project=project.folder).returncode == 0
    write_tls(project, certificate=expired.certificate, key=expired.key)
    done = cli("test", project=project.folder)
    assert done.returncode == 0
    assert re.search(r"volley.yaml:3:16: warning: .*has expired", done.stdout + done.stderr)


def test_a_key_of_root_that_a_group_may_read(project, authority):
    if os.getuid() != 0:
        pytest.skip("needs root")
    pair = authority.issue("server", mode=0o640)
    project.event(EVENT, [log_action()])
    write_tls(project, certificate=pair.certificate, key=pair.key)
    assert cli("test", project=project.folder).returncode == 0


def test_paths_start_at_the_folder(project, start, authority):
    pair = authority.issue("server")
    os.makedirs(project.path("own"))
    os.rename(pair.certificate, project.path("own/c.pem"))
    os.rename(pair.key, project.path("own/k.pem"))
    project.write("volley.yaml", {"listen": f"127.0.0.1:{project.port}",
                                  "tls": {"certificate": "own/c.pem", "key": "own/k.pem"}})
    project.event(EVENT, [log_action()])
    daemon = start(project)
    assert status(daemon, project.port, client_context(authority.certificate)) == 201
