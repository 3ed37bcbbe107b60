"""
What the original platform's SDKs send, byte for byte, over HTTP and over HTTPS, and what real
clients and nginx make of it. The differences are told beside each request.
"""

import base64
import hashlib
import http.client
import json
import os
import shutil
import socket
import ssl
import subprocess
import urllib.error
import urllib.request
import uuid

import pytest

from actions import ANY
from certificates import Authority
from harness import Wire, basic, log_action
from servers import free_port, wait_until
from test_listeners import is_open
from tls_clients import TlsWire, client_context, with_tls

EVENT = "payment.payment-received"
KEY = str(uuid.UUID("3f2b8c1e-9d47-4a6b-8e15-7c0d2f9a1b34"))
# A JWT of 260 characters, as the original's secrets were.
SECRET = ".".join(base64.urlsafe_b64encode(part).decode().rstrip("=") for part in (
    b'{"alg":"HS256","typ":"JWT"}', b'{"namespace":"acme","iat":1546300800,"jti":"' + b"7" * 56 +
    b'"}', b"s" * 64))
# U+1F600 as a surrogate pair, a letter with an accent, and both raw.
ESCAPED = '{"id": "1", "text": "caf\\u00e9 \\ud83d\\ude00"}'
RAW = '{"id":"1","text":"caf\u00e9 \U0001f600"}'
TEXT = "caf\u00e9 \U0001f600"


def lines(*head, body=b""):
    return "\r\n".join(head).encode() + b"\r\n\r\n" + body


def with_body(body, *head):
    body = body.encode()
    return lines(*head, f"Content-Length: {len(body)}", body=body)


# name -> (request, the text that the event gets (None: no payload), whether the connection ends)
SDKS = {
    # axios 0.18 on Node: one more header, raw UTF-8.
    "JavaScript": (with_body(
        RAW, f"POST /event/{EVENT} HTTP/1.1", "Accept: application/json, text/plain, */*",
        "Content-Type: application/json", f"client_key: {KEY}", f"client_secret: {SECRET}",
        "namespace: acme", "User-Agent: axios/0.18.0", "Host: acme.reactivehub.io",
        "Connection: close"), TEXT, True),
    # The same without a payload: neither body nor type.
    "JavaScript, no payload": (lines(
        f"POST /event/{EVENT} HTTP/1.1", "Accept: application/json, text/plain, */*",
        f"client_key: {KEY}", f"client_secret: {SECRET}", "namespace: acme",
        "User-Agent: axios/0.18.0", "Content-Length: 0", "Host: acme.reactivehub.io",
        "Connection: close"), None, True),
    # requests: "Content-type", escapes with surrogate pairs, gzip.
    "Python": (with_body(
        ESCAPED, f"POST /event/{EVENT} HTTP/1.1", "Host: acme.reactivehub.io",
        "User-Agent: python-requests/2.21.0", "Accept-Encoding: gzip, deflate", "Accept: */*",
        "Connection: keep-alive", f"client_key: {KEY}", f"client_secret: {SECRET}",
        "Content-type: application/json"), TEXT, False),
    # net/http: canonical header names, which keep the underscore.
    "Go": (with_body(
        RAW, f"POST /event/{EVENT} HTTP/1.1", "Host: acme.reactivehub.io",
        "User-Agent: Go-http-client/1.1", f"Client_key: {KEY}", f"Client_secret: {SECRET}",
        "Content-Type: application/json", "Accept-Encoding: gzip"), TEXT, False),
    # A stream context: a slash at the end, neither body nor length.
    "PHP": (lines(
        f"POST /event/{EVENT}/ HTTP/1.1", "Host: acme.reactivehub.io", "Connection: close",
        "Content-type: application/json", f"client_key: {KEY}", f"client_secret: {SECRET}"),
        None, True),
    # Unirest 1.4: the host is the namespace's, and the route is another (sic).
    "Java": (with_body(
        RAW, f"POST /reactibehub.io/{EVENT} HTTP/1.1", "accept-encoding: gzip",
        f"client_key: {KEY}", f"client_secret: {SECRET}", "Content-Type: application/json",
        "user-agent: unirest-java/1.3.11", "Host: acme", "Connection: Keep-Alive"), TEXT, False),
    # HttpClient: a charset, and the host without a namespace.
    ".NET": (with_body(
        RAW, f"POST /event/{EVENT} HTTP/1.1", f"client_key: {KEY}", f"client_secret: {SECRET}",
        "Content-Type: application/json; charset=utf-8", "Host: api.reactivehub.io"),
        TEXT, False),
    # hackney, over plain HTTP.
    "Elixir": (with_body(
        RAW, f"POST /event/{EVENT} HTTP/1.1", "Content-Type: application/json",
        f"client_key: {KEY}", f"client_secret: {SECRET}", "Host: acme.reactivehub.io",
        "User-Agent: hackney/1.15.1"), TEXT, False),
}


def sha256(secret):
    return "sha256:" + hashlib.sha256(secret.encode()).hexdigest()


@pytest.fixture
def site(project, start, tmp_path):
    """One daemon: HTTP on its port, HTTPS on another; (daemon, HTTPS port, authority)."""
    authority = Authority(tmp_path / "tls")
    project.keys = [{**project.keys[0], "clientKey": KEY, "secretHash": sha256(SECRET)}]
    project.write("keys.yaml", {"keys": project.keys})
    port = with_tls(project, authority.issue(
        "server", "DNS:localhost,IP:127.0.0.1,DNS:acme.reactivehub.io"),
        settings={"routes": ["/event/", "/reactibehub.io/"]})
    note = log_action(message="{text|nothing}")
    project.event(EVENT, [note], ANY)
    return start(project), port, authority


def noted(daemon):
    daemon.stop()
    return [line["msg"] for line in daemon.log_lines() if line.get("event") == EVENT]


def check(wire, request, closes):
    wire.send(request)
    reply = wire.reply()
    assert reply.status == 201, reply.text
    assert reply.headers["content-type"] == "application/json"
    assert reply.json()["event_name"] == EVENT and reply.json()["match"]["status"] is True
    if closes:
        assert reply.headers["connection"] == "close"
        wire.end()
    else:
        assert wire.is_silent(0)


def test_the_secret_is_of_its_size():
    assert len(SECRET) == 260


def test_on_the_wire(site):
    """Each over HTTP, and each over HTTPS with h2 on offer, as Go's client has it."""
    daemon, port, authority = site
    context = client_context(authority.certificate, alpn=["h2", "http/1.1"])
    expected = []
    for name, (request, text, closes) in SDKS.items():
        try:
            with Wire(daemon.port) as wire:
                check(wire, request, closes)
            with TlsWire(port, context) as wire:
                assert wire.socket.selected_alpn_protocol() == "http/1.1"
                check(wire, request, closes)
        except AssertionError as error:
            raise AssertionError(f"{name}: {error}") from error
        expected += [text or "nothing"] * 2
    assert noted(daemon) == expected


def test_an_error_is_recognisable_from_its_body(site):
    """Some callers see nothing but the text."""
    daemon, _, _ = site
    for wrong in (SDKS["Go"][0].replace(b"Client_secret: ", b"Client_secret: x"),
                  SDKS["Go"][0].replace(b"/event/", b"/events/")):
        with Wire(daemon.port) as wire:
            wire.send(wrong)
            reply = wire.reply()
            assert reply.status in (401, 404) and reply.json()["message"]


# ---- real clients ------------------------------------------------------------------------------

def test_urllib(site):
    """Python's own client: header names in its case, HTTPS verified."""
    daemon, port, authority = site
    context = client_context(authority.certificate)
    request = urllib.request.Request(
        f"https://localhost:{port}/event/{EVENT}", json.dumps({"id": "1", "text": TEXT}).encode(),
        {"client_key": KEY, "client_secret": SECRET, "Content-type": "application/json"})
    assert "Client_key" in dict(request.header_items())
    with urllib.request.urlopen(request, timeout=10, context=context) as reply:
        assert reply.status == 201 and json.load(reply)["event_name"] == EVENT
    request.add_header("Client_secret", "wrong")
    with pytest.raises(urllib.error.HTTPError) as refused:
        urllib.request.urlopen(request, timeout=10, context=context)
    assert refused.value.code == 401 and json.load(refused.value)["message"]
    refused.value.close()
    assert noted(daemon) == [TEXT]


def test_requests(site):
    requests = pytest.importorskip("requests")
    daemon, port, authority = site
    session = requests.Session()
    session.verify = authority.certificate
    for url in (f"https://localhost:{port}", f"http://localhost:{daemon.port}") * 2:
        reply = session.post(f"{url}/event/{EVENT}", data=json.dumps({"text": TEXT}), timeout=10,
                             headers={"Content-type": "application/json", "client_key": KEY,
                                      "client_secret": SECRET})
        assert reply.status_code == 201, reply.text
    session.close()
    assert noted(daemon) == [TEXT] * 4


@pytest.mark.parametrize("version", ["--http1.1", "--http2", "--http1.0"])
def test_curl(site, version):
    """--http2 offers h2 by ALPN, over plain HTTP by Upgrade, which is not followed."""
    daemon, port, authority = site
    for url in (f"https://localhost:{port}", f"http://localhost:{daemon.port}"):
        done = subprocess.run(
            ["curl", "-sS", version, "--cacert", authority.certificate, "-d", RAW, "--compressed",
             "-H", f"client_key: {KEY}", "-H", f"client_secret: {SECRET}", "-o", "/dev/null",
             "-w", "%{http_code} %{http_version}", f"{url}/event/{EVENT}"],
            capture_output=True, text=True, timeout=30, check=False)
        if "HTTP/2" in done.stderr or "http2" in done.stderr:
            pytest.skip("this curl does not speak HTTP/2")
        assert done.stdout.startswith("201 1"), done.stdout + done.stderr
    assert noted(daemon) == [TEXT] * 2


# ---- nginx in front ----------------------------------------------------------------------------

@pytest.fixture
def nginx(tmp_path):
    """nginx(target port, pair, underscores): HTTPS in front of a daemon; its port."""
    found = shutil.which("nginx", path=os.environ.get("PATH", "") + ":/usr/sbin")
    if not found:
        pytest.skip("no nginx")
    running = []

    def run(target, pair, underscores):
        port = free_port()
        folder = tmp_path / f"nginx-{port}"
        folder.mkdir()
        (folder / "nginx.conf").write_text(f"""
daemon off; worker_processes 1; pid {folder}/pid; error_log {folder}/error.log;
events {{ worker_connections 100; }}
http {{
  access_log off; client_body_temp_path {folder}/body; proxy_temp_path {folder}/proxy;
  fastcgi_temp_path {folder}/fcgi; uwsgi_temp_path {folder}/uwsgi; scgi_temp_path {folder}/scgi;
  underscores_in_headers {underscores};
  server {{
    listen 127.0.0.1:{port} ssl;
    ssl_certificate {pair.certificate}; ssl_certificate_key {pair.key};
    location / {{ proxy_pass http://127.0.0.1:{target}; }}
  }}
}}
""")
        running.append(subprocess.Popen(
            [found, "-p", str(folder), "-c", str(folder / "nginx.conf"), "-e",
             str(folder / "error.log")], stdin=subprocess.DEVNULL))
        wait_until(lambda: is_open(socket.AF_INET, ("127.0.0.1", port)), 20, "nginx")
        return port

    yield run
    for process in running:
        process.terminate()
        process.wait(20)


def through(port, authority, headers):
    connection = http.client.HTTPSConnection(
        "localhost", port, timeout=10, context=ssl.create_default_context(
            cafile=authority.certificate))
    connection.request("POST", f"/event/{EVENT}", RAW.encode(),
                       {"Content-Type": "application/json", **headers})
    answer = connection.getresponse()
    body = answer.read()
    connection.close()
    return answer.status, body


def test_behind_nginx(site, nginx):
    """With underscores_in_headers the SDKs work as they are; without it HTTP Basic does."""
    daemon, _, authority = site
    pair = authority.issue("proxy")
    own = {"client_key": KEY, "client_secret": SECRET}
    kept, dropped = (nginx(daemon.port, pair, value) for value in ("on", "off"))
    assert through(kept, authority, own)[0] == 201
    assert through(kept, authority, basic(KEY, SECRET))[0] == 201
    status, body = through(dropped, authority, own)
    assert status == 401 and "HTTP Basic" in json.loads(body)["message"]
    assert through(dropped, authority, basic(KEY, SECRET))[0] == 201
    assert noted(daemon) == [TEXT] * 3
