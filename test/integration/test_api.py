"""The Event API: who may send what, and in which order that is looked at."""

import base64

import pytest

from harness import Wire, basic, log_action, request_bytes
from replies import check_problem

EVENT = "customer.new"


@pytest.fixture
def daemon(project, start):
    project.event(EVENT, [log_action()], {"id": "String!"})
    project.event("other.event", [log_action()])
    return start(project)


# ---- credentials ---------------------------------------------------------------------------------

def send_with(daemon, headers, event=EVENT):
    return daemon.request("POST", f"/event/{event}", b'{"id":"1"}', headers)


def test_credentials_that_are_right(daemon):
    key, secret = daemon.project.credentials["test"]
    for headers in ({"client_key": key, "client_secret": secret},
                    {"CLIENT_KEY": key, "Client_Secret": secret},
                    {"Client_key": f"  {key}\t", "client_secret": secret},
                    basic(key, secret),
                    {"authorization": "bASIC   " + basic(key, secret)["Authorization"][6:]},
                    {"client_key": key, "client_secret": secret, "Authorization": "Basic xxx"},
                    {"client_key": key, "client_secret": secret, "namespace": "default",
                     "Accept-Encoding": "gzip"}):
        reply = send_with(daemon, headers)
        assert reply.status == 201, (headers, reply.text)


def wrong_credentials(project):
    key, secret = project.credentials["test"]
    live_key, live_secret = project.credentials["live"]
    yield "none", {}
    yield "no secret", {"client_key": key}
    yield "no key", {"client_secret": secret}
    yield "empty", {"client_key": "", "client_secret": ""}
    yield "empty secret", {"client_key": key, "client_secret": ""}
    yield "unknown key", {"client_key": "vk_test_unknown", "client_secret": secret}
    yield "wrong secret", {"client_key": key, "client_secret": secret + "x"}
    yield "shorter secret", {"client_key": key, "client_secret": secret[:-1]}
    yield "another key's secret", {"client_key": key, "client_secret": live_secret}
    yield "swapped", {"client_key": secret, "client_secret": key}
    yield "the hash as secret", {"client_key": key,
                                 "client_secret": project.keys[0]["secretHash"][7:]}
    yield "dashes", {"client-key": key, "client-secret": secret}
    yield "key in other letters", {"client_key": key.upper(), "client_secret": secret}
    yield "Basic, wrong secret", basic(key, secret[:-1])
    yield "Basic, no colon", {"Authorization": "Basic " + base64.b64encode(
        key.encode()).decode()}
    yield "Basic, no base64", {"Authorization": "Basic !!!!"}
    yield "Basic, empty", {"Authorization": "Basic "}
    yield "Basic without blank", {"Authorization": "Basic" + basic(key, secret)[
        "Authorization"][6:]}
    yield "Bearer", {"Authorization": f"Bearer {secret}"}
    yield "wrong headers win over right Basic", {"client_key": key, "client_secret": "x",
                                                 **basic(key, secret)}
    yield "half in headers, right Basic", {"client_key": live_key, **basic(key, secret)}


def test_credentials_that_are_wrong(daemon):
    """Every 401 is the same, so that it never says which half was wrong."""
    answers = set()
    for name, headers in wrong_credentials(daemon.project):
        reply = send_with(daemon, headers)
        assert reply.status == 401, (name, reply.text)
        assert "Basic" in reply.headers["www-authenticate"]
        check_problem(reply, 401)
        answers.add(reply.text)
    assert len(answers) == 1
    assert send_with(daemon, {}, event="no.such").text in answers
    assert daemon.request("GET", "/run/0193572e-0000-7000-8000-000000000000").text in answers


def test_doubled_credentials_are_wrong(daemon):
    key, secret = daemon.project.credentials["test"]
    for extra in (("client_key", key), ("client_secret", secret), ("client_key", "x"),
                  ("Client_Secret", "x")):
        with Wire(daemon.port) as wire:
            wire.send(request_bytes(daemon, EVENT, b'{"id":"1"}', headers=[extra]))
            assert wire.reply().status == 401
    with Wire(daemon.port) as wire:
        header = ("Authorization", basic(key, secret)["Authorization"])
        wire.send(request_bytes(daemon, EVENT, b'{"id":"1"}', [header] * 2, credentials=False))
        assert wire.reply().status == 401


def test_a_key_for_some_events(project, start):
    project.event(EVENT, [log_action()])
    project.event("other.event", [log_action()])
    key, secret = project.key("test", "narrow", events=["other.event"])
    daemon = start(project)
    mine = {"client_key": key, "client_secret": secret}
    assert send_with(daemon, mine, "other.event").status == 201
    check_problem(send_with(daemon, mine), 403, EVENT)
    # 403 comes before 404: the key learns nothing about what else there is.
    check_problem(send_with(daemon, mine, "no.such"), 403)
    check_problem(send_with(daemon, daemon.credentials(), "no.such"), 404, "no.such")
    # nor does it see runs of other events
    ident = daemon.post(EVENT).json()["id"]
    assert daemon.run(ident).status == 200
    assert daemon.request("GET", f"/run/{ident}", None, mine).status == 404


# ---- statuses, and the order of the checks -------------------------------------------------------

def test_paths_and_methods(daemon):
    mine = daemon.credentials()
    for path in ("/", "/event", "/event/", "/events/x", "/event/a/b", "/run", "/run/", "/healthz",
                 "/EVENT/" + EVENT, "/event/customer.new/x/"):
        check_problem(daemon.request("POST", path, b"{}", mine), 404)
    for method in ("GET", "PUT", "DELETE", "PATCH", "OPTIONS"):
        reply = daemon.request(method, f"/event/{EVENT}", None, mine)
        check_problem(reply, 405, method)
        assert reply.headers["allow"] == "POST"
    reply = daemon.request("POST", "/run/0193572e-0000-7000-8000-000000000000", b"{}", mine)
    assert reply.status == 405 and reply.headers["allow"] == "GET"
    assert daemon.post(EVENT + "/", {"id": "1"}).status == 201
    assert daemon.post(EVENT + "?a=b", {"id": "1"}).status == 201
    assert daemon.post("%63ustomer.new", {"id": "1"}).status == 201


@pytest.mark.parametrize("kind, status", [
    ("application/json", 201), ("APPLICATION/JSON; charset=utf-8", 201), ("text/plain", 201),
    ("application/json;charset=UTF-8", 201), ('application/json; charset="utf-8"', 201),
    ("application/x-www-form-urlencoded", 201), ("application/vnd.api+json", 201), ("", 201),
    ("application/json; charset=latin1", 415), ("text/html", 415), ("application/xml", 415),
    ("multipart/form-data; boundary=x", 415), ("application/jsonx", 415), ("json", 415),
])
def test_content_types(daemon, kind, status):
    reply = daemon.post(EVENT, {"id": "1"}, headers={"Content-Type": kind})
    assert reply.status == status, reply.text


def test_content_encodings(daemon):
    assert daemon.post(EVENT, {"id": "1"}, headers={"Content-Encoding": "identity"}).status == 201
    for encoding in ("gzip", "deflate", "br", "identity, gzip"):
        check_problem(daemon.post(EVENT, {"id": "1"}, headers={"Content-Encoding": encoding}),
                      415)


def test_bodies(daemon):
    check_problem(daemon.post("other.event", raw=b"[1 2]"), 400, "offset 3")
    for raw in (b"[]", b"1", b'"x"', b"null", b"true"):
        problem = check_problem(daemon.post("other.event", raw=raw), 422)
        assert [set(error) for error in problem["errors"]] == [{"path", "message"}]
    assert daemon.post("other.event", raw=b"").status == 201
    assert daemon.request("POST", "/event/other.event", None, daemon.credentials()).status == 201
    problem = check_problem(daemon.post(EVENT, raw=b""), 422)
    assert problem["errors"] == [{"path": "id", "message": problem["errors"][0]["message"]}]


def test_idempotency_key_is_refused(daemon):
    """Unserved it would be unsafe: a repeat would be processed again."""
    check_problem(daemon.post(EVENT, {"id": "1"}, headers={"Idempotency-Key": "a"}), 501,
                  "Idempotency-Key")
    check_problem(daemon.post(EVENT, {"id": 1}, headers={"Idempotency-Key": "a"}), 422)
    daemon.stop()
    assert "noted" not in daemon.log()


def test_order_of_the_checks(project, start):
    """One request with every mistake; each correction brings the next answer."""
    project.settings(limits={"body": 60, "inflight": 1})
    project.event(EVENT, [log_action()], {"id": "String!"})
    narrow = project.key("test", "narrow", events=["no.such"])
    daemon = start(project)
    mine = dict(zip(("client_key", "client_secret"), narrow))
    good = daemon.credentials()
    long_body = b"[" * 70
    odd = {"Content-Type": "text/html", "Idempotency-Key": "a"}
    steps = [
        ("POST", "/nowhere", long_body, {**odd}, 404),
        ("PUT", f"/event/{EVENT}", long_body, {**odd}, 405),
        ("POST", f"/event/{EVENT}", long_body, {**odd}, 401),
        ("POST", f"/event/{EVENT}", long_body, {**odd, **mine}, 403),
        ("POST", "/event/no.such", long_body, {**odd, **mine}, 404),
        ("POST", f"/event/{EVENT}", long_body, {**odd, **good}, 415),
        ("POST", f"/event/{EVENT}", long_body, {"Idempotency-Key": "a", **good}, 413),
        ("POST", f"/event/{EVENT}", b"[", {"Idempotency-Key": "a", **good}, 400),
        ("POST", f"/event/{EVENT}", b"[]", {"Idempotency-Key": "a", **good}, 422),
        ("POST", f"/event/{EVENT}", b"{}", {"Idempotency-Key": "a", **good}, 422),
        ("POST", f"/event/{EVENT}", b'{"id":"1"}', {"Idempotency-Key": "a", **good}, 501),
        ("POST", f"/event/{EVENT}", b'{"id":"1"}', good, 201),
    ]
    for method, path, body, headers, status in steps:
        reply = daemon.request(method, path, body, headers)
        assert reply.status == status, (path, headers, reply.text)
