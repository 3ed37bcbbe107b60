"""SIGHUP: the folder is read again beside the events that are served, and put in force whole."""

import os
import signal
import ssl

import pytest

from actions import (ANY, EVENT, MODEL, insert, insert_into, pg_account, redis_account, set_key,
                     sleeping, slow_table)
from certificates import Authority
from harness import Wire, exact_loads, log_action, parse_logfmt, request_bytes
from servers import server_folder, wait_until
from test_tls_redis import TlsRedis


def ends(daemon):
    """The last lines of the reloads so far."""
    lines = [line for line in daemon.log().split("\n")[:-1]
             if "in force" in line and "duration_ms" in line]
    return [exact_loads(line) if line.startswith("{") else parse_logfmt(line) for line in lines]


def hang_up(daemon):
    daemon.process.send_signal(signal.SIGHUP)


def reload(daemon, succeeds=True):
    """One reload; its last line."""
    before = len(ends(daemon))
    hang_up(daemon)
    wait_until(lambda: len(ends(daemon)) > before, 30, "the end of the reload")
    last = ends(daemon)[-1]
    assert last["msg"].startswith("catalog") == succeeds, daemon.log()
    return last


def version(reply):
    return int(reply.headers["volley-catalog"])


def volley_clients(client):
    """The ids of Redis' connections but for the test's own."""
    return {entry["id"] for entry in client.client_list()} - {str(client.client_id())}


def volley_backends(postgres):
    return {row[0] for row in postgres.run(
        "SELECT pid FROM pg_stat_activity WHERE application_name = 'volley'")}


# ---- what changes --------------------------------------------------------------------------------

def test_a_changed_event(project, start):
    project.event(EVENT, [log_action(message="first plan")], ANY)
    project.event("other.event", [log_action()], ANY)
    daemon = start(project)
    old = daemon.post(EVENT)
    assert (old.status, version(old)) == (201, 1)
    project.event(EVENT, [log_action("later", "second plan")], ANY)
    project.event("new.event", [log_action()], ANY)
    os.remove(project.path("events/other.event.yaml"))
    line = reload(daemon)
    assert (line["catalog"], line["events"]) == ("2", "2")
    assert (line["events_added"], line["events_changed"], line["events_removed"]) == ("1", "1", "1")
    assert (line["accounts"], line["pools_opened"], line["pools_closing"]) == ("0", "0", "0")
    new = daemon.post(EVENT)
    assert (new.status, version(new)) == (201, 2)
    assert new.response("later")["status"] is True
    wait_until(lambda: 'msg="second plan"' in daemon.log(), 10, "the new plan's line")
    assert 'msg="first plan"' in daemon.log()
    assert daemon.post("new.event").status == 201
    assert daemon.post("other.event").status == 404
    # A run that is over is told about as it was.
    kept = daemon.run(old.json()["id"])
    assert (kept.text, version(kept)) == (old.text, 1)


def test_a_renamed_id(project, start):
    project.event(EVENT, [log_action()], ANY)
    daemon = start(project)
    assert daemon.post(EVENT).status == 201
    with open(project.path(f"events/{EVENT}.yaml"), encoding="utf-8") as file:
        text = file.read()
    project.write(f"events/{EVENT}.yaml", text.replace(f"id: {EVENT}", "id: renamed.event"))
    line = reload(daemon)
    assert (line["events_added"], line["events_removed"]) == ("1", "1")
    assert daemon.post(EVENT).status == 404
    assert daemon.post("renamed.event").status == 201


def test_keys(project, start):
    project.event(EVENT, [log_action()], ANY)
    daemon = start(project)
    old = project.credentials["test"]
    project.keys = [key for key in project.keys if key["clientKey"] != old[0]]
    project.credentials["test"] = project.key("test", "another")
    assert daemon.post(EVENT).status == 401
    reload(daemon)
    assert daemon.post(EVENT).status == 201
    project.credentials["test"] = old
    assert daemon.post(EVENT).status == 401


def test_settings(project, start):
    """What is in force at once, and what is said to need a restart."""
    project.event(EVENT, [log_action()], ANY)
    daemon = start(project)
    project.settings(routes=["/in/"], limits={"depth": 2}, log={"format": "json"})
    reload(daemon)
    key, secret = project.credentials["test"]
    words = {"client_key": key, "client_secret": secret}
    assert daemon.request("POST", f"/event/{EVENT}", b"{}", words).status == 404
    assert daemon.request("POST", f"/in/{EVENT}", b"{}", words).status == 201
    assert daemon.request("POST", f"/in/{EVENT}", b'{"value":[[]]}', words).status == 400
    assert daemon.log().strip().split("\n")[-1].startswith('{"time"')
    assert "needs a restart" not in daemon.log()


# ---- accounts and their connections --------------------------------------------------------------

def served(project, start, postgres, redis_):
    """A daemon with an event of two actions, through which one event went."""
    postgres.run("CREATE TABLE t (id text)", database="test")
    pg_account(project, postgres)
    redis_account(project, redis_)
    project.event(EVENT, [insert_into(payload={"id": "{id}"}), set_key(key="k{id}", value="v")],
                  ANY)
    daemon = start(project)
    works(daemon, "1")
    return daemon


def works(daemon, ident):
    reply = daemon.post(EVENT, {"id": ident})
    assert reply.response("row")["status"] is True, reply.text
    assert reply.response("key")["status"] is True, reply.text
    return reply


def test_unchanged_accounts_keep_their_connections(project, start, postgres, own_redis):
    redis_ = own_redis()
    client = redis_.client()
    daemon = served(project, start, postgres, redis_)
    wait_until(lambda: len(volley_clients(client)) == 2, 10, "both halves' connections")
    clients, backends = volley_clients(client), volley_backends(postgres)
    for number in range(5):
        project.event(f"more.event{number}", [set_key()], MODEL)
        # The same text at another time, as a deploy writes it.
        redis_account(project, redis_)
        line = reload(daemon)
        assert (line["pools_kept"], line["pools_opened"], line["pools_closing"]) == \
            ("4", "0", "0")
        works(daemon, f"again{number}")
    assert volley_clients(client) == clients
    assert backends and backends <= volley_backends(postgres)


def test_a_changed_account_gets_a_new_pool(project, start, postgres, own_redis):
    redis_ = own_redis()
    client = redis_.client()
    daemon = served(project, start, postgres, redis_)
    wait_until(lambda: len(volley_clients(client)) == 2, 10, "both halves' connections")
    clients, backends = volley_clients(client), volley_backends(postgres)
    project.account("redis", "REDIS", test={"url": redis_.url(5)}, live={"url": redis_.url(1)})
    line = reload(daemon)
    assert line["accounts_changed"] == "1"
    assert (line["pools_kept"], line["pools_opened"], line["pools_closing"]) == ("3", "1", "1")
    works(daemon, "2")
    assert redis_.client(5).get("k2") == b"v"
    wait_until(lambda: len(volley_clients(client) & clients) == 1 and
               len(volley_clients(client)) >= 2, 10, "the old connection's end")
    assert backends <= volley_backends(postgres)


def test_a_longer_timeout_of_an_action_reaches_the_server(project, start, postgres, own_redis):
    """statement_timeout is of the session: the pool is opened anew."""
    daemon = served(project, start, postgres, own_redis())
    backends = volley_backends(postgres)
    project.event("slow.event", [insert_into(payload={"id": "{id}"}, timeout="77s")], ANY)
    line = reload(daemon)
    assert (line["pools_kept"], line["pools_opened"], line["pools_closing"]) == ("2", "2", "2")
    works(daemon, "2")
    wait_until(lambda: not backends & volley_backends(postgres), 10, "the old connections' end")
    os.remove(project.path("events/slow.event.yaml"))
    assert reload(daemon)["pools_opened"] == "2"


def test_added_and_removed_accounts(project, start, postgres, own_redis):
    redis_ = own_redis()
    client = redis_.client()
    daemon = served(project, start, postgres, redis_)
    project.account("second", "REDIS", test={"url": redis_.url(7)}, live={"url": redis_.url(8)})
    project.event(EVENT, [set_key(account="second", key="k{id}", value="v")], ANY)
    for account in ("redis", "pg"):
        os.remove(project.path(f"accounts/{account}.yaml"))
    line = reload(daemon)
    assert (line["accounts_added"], line["accounts_removed"]) == ("1", "2")
    assert (line["pools_kept"], line["pools_opened"], line["pools_closing"]) == ("0", "2", "4")
    assert daemon.post(EVENT, {"id": "2"}).response("key")["status"] is True
    assert redis_.client(7).get("k2") == b"v"
    wait_until(lambda: not volley_backends(postgres), 10, "the old connections' end")
    wait_until(lambda: len(volley_clients(client)) == 2, 10, "the old connections' end")


def test_a_password_in_a_file(project, start, own_redis):
    redis_ = own_redis()
    project.write("password", "secret\n")
    project.account("redis", "REDIS", test={"url": f"redis://127.0.0.1:{redis_.port}",
                                            "password": "${file:password}"})
    project.event(EVENT, [set_key(key="k{id}", value="v")], ANY)
    daemon = start(project)
    assert daemon.post(EVENT, {"id": "1"}).response("key")["status"] is True
    redis_.client().config_set("requirepass", "rotated")
    project.write("password", "rotated\n")
    line = reload(daemon)
    assert (line["accounts_changed"], line["pools_opened"]) == ("1", "1")
    assert daemon.post(EVENT, {"id": "2"}).response("key")["status"] is True
    assert reload(daemon)["pools_kept"] == "1"
    assert "rotated" not in daemon.log()


# ---- folders that are not in order ---------------------------------------------------------------

BROKEN = {
    "no YAML": ("events/service.event.yaml", "id: [\n", "file=events/service.event.yaml"),
    "unknown key": ("events/service.event.yaml", "id: service.event\nfiltres: []\n",
                    "file=events/service.event.yaml line=2 column=1 "
                    "hint=\"did you mean 'filters'?\""),
    "condition": ("events/b.yaml", "id: b\nmodel: {n: Number}\nfilters:\n"
                  "- {id: f, condition: n >, actions: []}\n", "file=events/b.yaml line=4"),
    "no account": ("events/b.yaml", "id: b\nfilters: [{id: f, actions: [{id: x, type: REDIS, action: "
                   "SET,\n  serviceAccountId: nobody, template: {key: k, value: v}}]}]\n",
                   "msg=\"no account 'nobody'\" file=events/b.yaml line=3 column=21"),
    "twice": ("events/b.yaml", "id: service.event\n", "note_file="),
    "account": ("accounts/a.yaml", "id: a\ntype: REDIS\ntest: {url: \"nonsense\"}\n",
                "file=accounts/a.yaml line=3"),
    "reference": ("accounts/a.yaml", "id: a\ntype: REDIS\ntest: {url: \"${VOLLEY_NOT_THERE}\"}\n",
                  "VOLLEY_NOT_THERE"),
    "no CA": ("accounts/a.yaml", "id: a\ntype: REDIS\ntest: {url: \"rediss://h\", tls: {ca: no.pem}}\n",
              "no.pem"),
    "keys": ("keys.yaml", "keys: [{name: x}]\n", "file=keys.yaml"),
    "settings": ("volley.yaml", "listen: 127.0.0.1:8080\nlimits: {depth: many}\n",
                 "file=volley.yaml line=2"),
}


@pytest.mark.parametrize("name, content, words", BROKEN.values(), ids=BROKEN)
def test_a_broken_folder(project, start, name, content, words):
    """Says what is wrong and where; the catalog in force stays, and so does its version."""
    project.event(EVENT, [log_action()], ANY)
    daemon = start(project)
    saved = None
    if os.path.exists(project.path(name)):
        with open(project.path(name), encoding="utf-8") as file:
            saved = file.read()
    project.write(name, content)
    line = reload(daemon, succeeds=False)
    assert line["level"] == "error" and line["catalog"] == "1" and int(line["errors"]) >= 1
    assert "catalog 1 stays in force" in line["msg"]
    assert words in daemon.log()
    assert "^~" not in daemon.log()
    reply = daemon.post(EVENT)
    assert (reply.status, version(reply)) == (201, 1)
    if saved is None:
        os.remove(project.path(name))
    else:
        project.write(name, saved)
    assert reload(daemon)["catalog"] == "2"


def test_no_folder_and_no_file(project, start):
    project.event(EVENT, [log_action()], ANY)
    daemon = start(project)
    os.rename(project.path("volley.yaml"), project.path("away"))
    reload(daemon, succeeds=False)
    assert daemon.post(EVENT).status == 201
    os.rename(project.folder, project.folder + ".away")
    try:
        daemon.log_path = project.folder + ".away/volleyd.log"
        reload(daemon, succeeds=False)
    finally:
        os.rename(project.folder + ".away", project.folder)
        daemon.log_path = project.path("volleyd.log")
    assert daemon.post(EVENT).status == 201
    os.rename(project.path("away"), project.path("volley.yaml"))
    reload(daemon)


# ---- runs in flight ------------------------------------------------------------------------------

def test_a_run_in_flight_ends_as_it_began(project, start, own_redis, proxy):
    """Its reply and what it wrote follow the plans of its own catalog."""
    redis_ = own_redis()
    between = proxy(redis_.port)
    redis_account(project, redis_, between.port)
    project.event(EVENT, [set_key("old", key="old:{id}", value="v")], ANY)
    daemon = start(project)
    assert daemon.post(EVENT, {"id": "0"}).status == 201
    between.mode = "mute"
    with Wire(daemon.port) as one, Wire(daemon.port) as two:
        one.send(request_bytes(daemon, EVENT, b'{"id":"1"}'))
        wait_until(lambda: redis_.client().exists("old:1"), 10, "the first command")
        project.event(EVENT, [set_key("new", key="new:{id}", value="v")], ANY)
        assert reload(daemon)["pools_kept"] == "2"
        two.send(request_bytes(daemon, EVENT, b'{"id":"2"}'))
        wait_until(lambda: redis_.client().exists("new:2"), 10, "the second command")
        between.mode = "pass"
        old, new = one.reply(), two.reply()
    assert (old.status, version(old)) == (201, 1) and old.response("old")["status"] is True
    assert (new.status, version(new)) == (201, 2) and new.response("new")["status"] is True
    assert version(daemon.run(old.json()["id"])) == 1


def test_an_old_pool_serves_its_runs_to_the_end(project, start, postgres, own_redis):
    slow_table(postgres, 1)
    pg_account(project, postgres)
    project.event(EVENT, [insert(), insert("again", id="{id}2")], MODEL)
    daemon = start(project)
    with Wire(daemon.port) as wire:
        wire.send(request_bytes(daemon, EVENT, b'{"id":"a"}'))
        wait_until(lambda: sleeping(postgres), 10, "the slow INSERT")
        old = volley_backends(postgres)
        pg_account(project, postgres, pool={"connections": 3})
        line = reload(daemon)
        assert (line["pools_opened"], line["pools_closing"]) == ("2", "2")
        looked = daemon.request("GET", "/run/none", headers=daemon.credentials())
        assert looked.status == 404
        reply = wire.reply()
    assert reply.response("row")["status"] is True and version(reply) == 1
    wait_until(lambda: not old & volley_backends(postgres), 10, "the old connections' end")


def test_a_body_that_comes_during_a_reload(project, start):
    """The event that its head found is the one that runs."""
    project.event(EVENT, [log_action("old")], ANY)
    daemon = start(project)
    data = request_bytes(daemon, EVENT, b'{"id":"late"}')
    with Wire(daemon.port) as wire:
        wire.send(data[:-5])
        assert wire.is_silent(0.1)
        os.remove(project.path(f"events/{EVENT}.yaml"))
        reload(daemon)
        wire.send(data[-5:])
        reply = wire.reply()
    assert (reply.status, version(reply)) == (201, 1)
    assert daemon.post(EVENT).status == 404


def test_a_failure_names_its_catalog(project, start, own_redis):
    redis_ = own_redis()
    redis_account(project, redis_)
    project.event(EVENT, [set_key(key="k", value="{text}")], ANY)
    daemon = start(project)
    reload(daemon)
    assert daemon.post(EVENT, {}).response("key")["status"] is False
    wait_until(lambda: "task failed" in daemon.log(), 10, "the line of the log")
    line = next(line for line in daemon.log_lines() if line["msg"] == "task failed")
    assert line["catalog"] == "2"


# ---- signals -------------------------------------------------------------------------------------

def minds_hang_up(daemon):
    """Whether SIGHUP is held or caught."""
    with open(f"/proc/{daemon.process.pid}/status", encoding="ascii") as file:
        masks = dict(line.split(":", 1) for line in file if line.startswith("Sig"))
    return (int(masks["SigBlk"], 16) | int(masks["SigCgt"], 16)) & 1


def test_a_signal_during_the_start(project, start):
    """What has changed since may be in files that were read already."""
    for number in range(300):
        project.event(f"many.event{number}", [log_action()], ANY)
    daemon = start(project, ready=False)
    wait_until(lambda: minds_hang_up(daemon), 10, "the first thing that it does")
    hang_up(daemon)
    wait_until(daemon.is_up, 30, "the start")
    assert daemon.process.poll() is None
    daemon.stop()


def test_signals_during_a_reload_are_one_more(project, start):
    for number in range(400):
        project.event(f"many.event{number}", [log_action()], ANY)
    project.event(EVENT, [log_action()], ANY)
    daemon = start(project)
    hang_up(daemon)
    wait_until(lambda: "reload begins" in daemon.log(), 10, "the first reload")
    project.event(EVENT, [log_action("late")], ANY)
    for _ in range(3):
        hang_up(daemon)
    wait_until(lambda: len(ends(daemon)) == 2, 30, "the second reload")
    assert daemon.post(EVENT).response("late")["status"] is True
    assert len([line for line in daemon.log_lines() if line["msg"] == "reload begins"]) == 2


def test_no_reload_during_the_drain(project, start, postgres):
    slow_table(postgres, 1)
    pg_account(project, postgres)
    project.event(EVENT, [insert()], MODEL)
    daemon = start(project)
    with Wire(daemon.port) as wire:
        wire.send(request_bytes(daemon, EVENT, b'{"id":"a"}'))
        wait_until(lambda: sleeping(postgres), 10, "the slow INSERT")
        daemon.terminate()
        wait_until(lambda: "draining" in daemon.log(), 10, "the drain")
        hang_up(daemon)
        wait_until(lambda: "reload ignored" in daemon.log(), 10, "the line of the log")
        assert wire.reply().status == 201
    daemon.stop()


def test_the_drain_ends_a_reload(project, start):
    for number in range(300):
        project.event(f"many.event{number}", [log_action()], ANY)
    daemon = start(project)
    hang_up(daemon)
    wait_until(lambda: "reload begins" in daemon.log(), 10, "the reload")
    daemon.stop()
    assert len(ends(daemon)) == 1


# ---- the system's certificates -------------------------------------------------------------------

@pytest.fixture(scope="module")
def tls_server():
    folder = server_folder("volley-test-reload.")
    authority = Authority(folder)
    server = TlsRedis(authority.issue("server", mode=0o644), authority.certificate,
                      "--tls-auth-clients", "no")
    server.authority = authority
    yield server
    server.remove()


def test_the_systems_certificates(project, start, tls_server):
    """Needed for the first time at a reload; the bundle is looked at again at each."""
    bundle = project.path("bundle.pem")
    with open(tls_server.authority.certificate, encoding="ascii") as file:
        ours = file.read()
    with open(ssl.get_default_verify_paths().openssl_cafile, encoding="ascii",
              errors="replace") as file:
        others = file.read()
    project.write("bundle.pem", others + ours)
    project.event(EVENT, [log_action()], ANY)
    daemon = start(project, env={"SSL_CERT_FILE": bundle})
    project.account("redis", "REDIS", test={"url": tls_server.tls_url()})
    project.event(EVENT, [set_key(key="k{id}", value="v")], ANY)
    line = reload(daemon)
    assert int(line["steps"]) > 40  # some certificates a step
    assert daemon.post(EVENT, {"id": "1"}).response("key")["status"] is True
    assert reload(daemon)["pools_kept"] == "1"
    project.write("bundle.pem", others)
    assert reload(daemon)["pools_opened"] == "1"
    assert "certificate" in daemon.post(EVENT, {"id": "2"}).response("key")["responseMessage"]
    project.write("bundle.pem", "-----BEGIN CERTIFICATE-----\nnone\n-----END CERTIFICATE-----\n")
    reload(daemon, succeeds=False)
    assert "certificate 1 is broken" in daemon.log()
    project.write("bundle.pem", ours)
    reload(daemon)
    assert daemon.post(EVENT, {"id": "3"}).response("key")["status"] is True
