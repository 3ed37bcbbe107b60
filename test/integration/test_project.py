"""Project folders: files of the original platform, secrets, substitution, and what is refused."""

import json
import os
import re

import pytest

from actions import insert, set_key
from harness import Project, Volleyd, cli, log_action
from servers import wait_until

EVENT = "customer.new"


def checked(project, env=None):
    """volley test --json: (exit code, the messages, the document)."""
    done = cli("test", "--json", project=project.folder, env=env)
    document = json.loads(done.stdout)
    return done.returncode, document["messages"], document


def check_error(project, file, fragment, hint=None, line=None, env=None):
    """Exactly one error, and it is this one; volleyd and volley test agree that it is one."""
    code, messages, _ = checked(project, env)
    errors = [message for message in messages if message["severity"] == "error"]
    assert code == 1 and len(errors) == 1, messages
    assert errors[0].get("file", file) == file, errors
    assert re.search(fragment, errors[0]["message"]), errors
    if hint:
        assert re.search(hint, errors[0].get("hint", "")), errors
    if line:
        assert errors[0]["line"] == line, errors
    return errors[0]


def check_fine(project, env=None):
    code, messages, document = checked(project, env)
    assert code == 0 and document["ok"] is True, messages
    return [message for message in messages if message["severity"] == "warning"]


# ---- files of the original platform ------------------------------------------------------------

# As its CLI writes them: key order, a dash alone on its line, quotes where it quotes, null and {}.
ORIGINAL = r"""id: payment.payment-received
name: payment-received
eventGroup: payment
version: 0.0.1
model:
  id: String
  amount: Number
  paid: DATE
  live: boolean
  customer:
    email: String
    'vat:id': String
  tags: Array
  meta: Object
filters:
  -
    id: on-event
    name: onEvent
    condition: null
    actions:
      -
        id: store-payment
        async: false
        type: POSTGRES
        action: INSERT
        operation: null
        serviceAccountId: warehouse
        template:
          database: test
          table: payments
          payload:
            id: '{id}'
            amount: '{amount}'
            customer_email: '{customer.email}'
            note: 'It''s {id}'
        onSuccess:
          -
            eventId: payment.payment-received
            payload:
              id: '{id}'
              amount: '{amount}'
        onFailure: null
      -
        id: cache-payment
        async: false
        type: REDIS
        action: SET
        operation: null
        serviceAccountId: cache
        template:
          key: 'payment:{id}'
          stringify: true
          value:
            id: '{id}'
            amount: '{amount}'
            customer:
              email: '{customer.email}'
            tags: '{tags}'
            meta: '{meta}'
  -
    id: big-payment
    name: Big Payment
    condition: 'amount > 100.00 AND customer.email LIKE "%@example.com" AND id IN ("p1", "p2")'
    actions:
      -
        id: charge
        async: false
        type: STRIPE
        action: CREATE_CARD
        operation: null
        serviceAccountId: stripe-account
        template:
          overrideDefault: true
          customerId: '{id}::String'
          payload:
            source: '{customer.email}'
      -
        id: tell-slack
        async: true
        type: SLACK
        action: WEBHOOK
        operation: null
        serviceAccountId: slack-account
        template:
          url: 'https://hooks.slack.com/services/T0/B0/x'
          text: "new payment\n{amount}"
      -
        id: kms
        async: false
        type: AWS
        action: KMS
        operation: encrypt
        serviceAccountId: aws-account
        template:
          KeyId: k
          Data: '{id}'
      -
        id: list
        async: false
        type: MAILCHIMP
        action: LIST
        operation: edit-webhok
        serviceAccountId: mailchimp-account
        template: {}
      -
        id: firestore
        async: false
        type: GCP
        action: FIRESTORE
        operation: set
        serviceAccountId: gcp-account
        template:
          path: 'payments/{id}'
          merge: false
          payload:
            amount: '{amount}'
      -
        id: call
        async: false
        type: API
        action: POST
        operation: null
        serviceAccountId: api-account
        template:
          path: '/payments/{id}'
          headers:
            X-Id: '{id}'
          payload:
            amount: '{amount}'
      -
        id: jira
        async: false
        type: JIRA
        action: CREATE_ISSUE
        operation: null
        serviceAccountId: jira-account
        template:
          payload: {}
"""

MAPPED = {"charge": "CREATE_CARD_SOURCE", "tell-slack": "INCOMING_WEBHOOK", "kms": "KMS_ENCRYPT",
          "list": "EDIT_WEBHOOK", "call": "POST", "jira": "CREATE_ISSUE"}


def original(project, postgres, redis_):
    project.write("events/payment.payment-received.yaml", ORIGINAL, 0o644)
    project.write(".rhubrc", json.dumps({part: {"folder": part} for part in
                                         ("events", "listeners", "queries")}), 0o644)
    project.write("listeners/stripe-account/charge.succeeded.yaml",
                  "serviceAccountId: stripe-account\nserviceAccountType: STRIPE\n"
                  "listener: charge.succeeded\ntriggers: null\n", 0o644)
    project.write("queries/payment/by-team.yaml",
                  "id: by-team\nscope: payment\nserviceAccountId: warehouse\n"
                  "query: select *\n  from payments where team='{team}'\n", 0o644)
    project.account("warehouse", "POSTGRES", test={"url": postgres.url("postgres")},
                    live={"url": postgres.url("live")})
    project.account("cache", "REDIS", test={"url": redis_.url()}, live={"url": redis_.url(1)})


def test_original_files(project, start, postgres, redis_):
    """They load with a warning each for what is not served; what is served works, the rest is 501."""
    original(project, postgres, redis_)
    postgres.run("CREATE TABLE payments (id text, amount numeric, customer_email text, note text)",
                 database="test")
    warnings = [message["message"] for message in check_fine(project)]
    for word in ("STRIPE", "SLACK", "AWS", "MAILCHIMP", "JIRA"):
        assert any(word in warning and "not served" in warning for warning in warnings), warnings
    assert any("listeners" in warning for warning in warnings), warnings
    assert any("queries" in warning for warning in warnings), warnings

    daemon = start(project)
    reply = daemon.post("payment.payment-received", {
        "id": "p1", "amount": 100.5, "paid": "2019-02-28T00:00:00.000Z", "live": True,
        "customer": {"email": "a@example.com"}, "tags": ["x"], "meta": {"k": 1}})
    assert reply.status == 201
    assert reply.json()["match"] == {"status": True, "total_rules": 2, "total_matches": 2}
    row = postgres.run("SELECT id, amount::text, customer_email, note FROM payments",
                       database="test")
    assert row == [("p1", "100.5", "a@example.com", "It's p1")]
    assert json.loads(redis_.client().get("payment:p1")) == {
        "id": "p1", "amount": 100.5, "customer": {"email": "a@example.com"}, "tags": ["x"],
        "meta": {"k": 1}}
    seen = {}
    for task in reply.json()["match_rules"][1]["actions"]:
        seen[task["action"]["id"]] = task["action"]["serviceAction"]
        response = task["response"]
        assert response["state"] == "failed" and response["responseCode"] == 501, task
        assert "not served" in response["responseMessage"]
    assert MAPPED.items() <= seen.items() and "firestore" in seen


def test_original_events_with_short_ids(project, start):
    """Older files have the id without the group, in a file named with it."""
    project.write("events/payment.received.yaml",
                  "id: received\neventGroup: payment\nmodel: { keyName: String }\n"
                  "filters:\n  - id: on-event\n    name: onEvent\n    condition: null\n"
                  "    actions: null\n")
    assert check_fine(project) == []
    assert start(project).post("received").status == 201


def test_a_file_with_another_name(project):
    project.event(EVENT, [log_action()])
    os.rename(project.path(f"events/{EVENT}.yaml"), project.path("events/else.yaml"))
    warnings = check_fine(project)
    assert len(warnings) == 1 and EVENT in warnings[0]["message"]


def test_which_files_are_read(project, start):
    project.event(EVENT, [log_action()])
    broken = "this is: [ no event\n"
    for name in ("events/.hidden.yaml", "events/readme.md", "events/backup.yaml~", "notes.yaml",
                 "events/x.yaml.bak", "accounts/.#lock.yaml"):
        project.write(name, broken)
    project.write("events/second.event.yml", "id: second.event\nfilters: []\n")
    assert check_fine(project) == []
    daemon = start(project)
    assert daemon.post("second.event").status == 201


# ---- secrets -----------------------------------------------------------------------------------

SECRET = {"url": "redis://:hunter2@127.0.0.1:1"}
FREE = {"url": "redis://127.0.0.1:1"}


@pytest.mark.parametrize("mode, content, fine", [
    (0o600, SECRET, True), (0o400, SECRET, True), (0o640, SECRET, os.getuid() == 0),
    (0o644, SECRET, False), (0o660, SECRET, False), (0o666, SECRET, False), (0o604, SECRET, False),
    (0o644, FREE, True), (0o644, {"url": "redis://:${PASSWORD}@127.0.0.1:1"}, True),
    (0o644, {"url": "redis://127.0.0.1:1", "password": "${PASSWORD}"}, True),
    (0o644, {"url": "redis://127.0.0.1:1", "password": "hunter2"}, False),
    (0o644, {"url": "redis://127.0.0.1:1", "password": "$${PASSWORD}"}, False),
    (0o644, {"url": "${URL}"}, True), (0o644, {"url": "redis://:x${PASSWORD}@127.0.0.1:1"}, False),
], ids=lambda value: oct(value) if isinstance(value, int) and value > 1 else None)
def test_a_file_with_a_secret_is_0600(project, mode, content, fine):
    project.account("redis", "REDIS", test=content, live=FREE)
    os.chmod(project.path("accounts/redis.yaml"), mode)
    env = {"PASSWORD": "hunter2", "URL": "redis://:hunter2@127.0.0.1:1"}
    if fine:
        check_fine(project, env)
        return
    error = check_error(project, "accounts/redis.yaml", "secret", "chmod 600", env=env)
    assert "hunter2" not in json.dumps(error)
    assert "hunter2" not in cli("test", project=project.folder, env=env).stderr


def test_other_secrets_need_0600_too(project):
    project.account("pg", "POSTGRESQL", test={"url": "host=/tmp password=hunter2"}, live={
        "url": "postgresql:///x?host=/tmp"})
    os.chmod(project.path("accounts/pg.yaml"), 0o644)
    check_error(project, "accounts/pg.yaml", "secret", "chmod 600")
    os.chmod(project.path("accounts/pg.yaml"), 0o600)
    project.settings(admin={"token": "hunter2"})
    check_fine(project)
    os.chmod(project.path("volley.yaml"), 0o644)
    check_error(project, "volley.yaml", "secret", "chmod 600")


def test_keys_yaml_is_only_warned_about(project):
    os.chmod(project.path("keys.yaml"), 0o644)
    warnings = check_fine(project)
    assert len(warnings) == 1 and "keys.yaml" in json.dumps(warnings[0])


def test_the_target_of_a_reference_is_checked(project, redis_, start):
    project.account("redis", "REDIS", test={"url": redis_.url().replace(
        "secret", "${file:secrets/redis}")}, live=FREE)
    project.event(EVENT, [set_key(key="k", value="v")], {"id": "String"})
    check_error(project, "accounts/redis.yaml", "secrets/redis")
    project.write("secrets/redis", "secret\n", 0o644)
    check_error(project, "accounts/redis.yaml", "secrets/redis", "chmod 600")
    project.write("secrets/redis", "secret\n", 0o600)
    check_fine(project)
    assert start(project).post(EVENT).response("key")["status"] is True


def test_references(project, redis_, start):
    """${NAME} and ${file:path} in volley.yaml and accounts, $${ is literal; a missing one is an error."""
    project.write("volley.yaml", 'listen: "127.0.0.1:${PORT}"\nnamespace: "$${PORT}"\n'
                  f"admin: {{ listen: 127.0.0.1:{project.admin_port} }}\n")
    project.account("redis", "REDIS", test={"url": "redis://127.0.0.1:${REDIS_PORT}/${file:db}",
                                            "password": "${WORD}"}, live=FREE)
    project.write("db", "3\n")
    project.event(EVENT, [set_key(key="k", value="${{id?}")], {"id": "String"})
    env = {"PORT": str(project.port), "REDIS_PORT": str(redis_.port), "WORD": "secret"}
    check_fine(project, env)
    check_error(project, "accounts/redis.yaml", "WORD", env={k: v for k, v in env.items()
                                                            if k != "WORD"})
    reply = start(project, env=env).post(EVENT)
    assert reply.response("key")["status"] is True, reply.text
    assert redis_.client(3).get("k") == b"${"  # templates are left alone
    project.write("volley.yaml", 'listen: "127.0.0.1:${PORT"\n')
    check_error(project, "volley.yaml", r"\$\{", env=env)


# ---- what would be unsafe to ignore ------------------------------------------------------------

def redis_half(**keys):
    return {"test": {**FREE, **keys}, "live": FREE}


@pytest.mark.parametrize("settings, fragment", [
    ({"listen": {"address": "127.0.0.1:8080", "tls": True}}, "TLS needs a certificate"),
    ({"listen": [{"address": "0.0.0.0:443", "tls": True}, "127.0.0.1:80"]},
     "TLS needs a certificate"),
    ({"tls": {"certificate": "a.pem"}}, "'tls' needs 'key'"),
    ({"journal": {"engine": "file"}}, "journal"),
    ({"admin": {"listen": "0.0.0.0:8081"}}, "token"),
])
def test_unsafe_settings_are_errors(project, settings, fragment):
    project.write("volley.yaml", settings)
    check_error(project, "volley.yaml", fragment)


def test_harmless_forms_of_the_same(project):
    project.write("volley.yaml", {"listen": {"address": "127.0.0.1:8080", "tls": False},
                                  "journal": {"engine": "none"}})
    assert check_fine(project) == []


@pytest.mark.parametrize("half, fragment", [
    ({"tls": {"ca": "x"}}, "rediss://"), ({"tls": {}}, "rediss://"),
    ({"url": "rediss://127.0.0.1:1", "tls": {"ca": "x"}}, "No such file"),
    ({"url": "rediss://127.0.0.1:1", "tls": {"verify": False}}, "full|none"),
    ({"url": "rediss://127.0.0.1:1", "tls": {"certificate": "x"}}, "no 'key'"),
    ({"url": "redis://redis,example.com:6379"}, "redis,example.com"),
    ({"url": "redis://user@127.0.0.1"}, "password"), ({"url": "http://127.0.0.1"}, "redis://"),
    ({"url": "redis://127.0.0.1:99999"}, "port"), ({"url": "redis://127.0.0.1/x"}, "database"),
    ({"url": ""}, "."), ({"url": 5}, "url"), ({"url": None}, "url"),
    ({"pool": {"connections": 0}}, "connections"), ({"pool": {"nonsense": 1}}, "nonsense"),
    ({"nonsense": 1}, "nonsense"),
])
def test_redis_accounts_that_are_errors(project, half, fragment):
    project.account("redis", "REDIS", **redis_half(**half))
    check_error(project, "accounts/redis.yaml", fragment)


@pytest.mark.parametrize("url, fragment", [
    ("host=127.0.0.1 nonsense=1", "no option"), ("host='127", "."),
    ("service=x", "service"), ("host=127.0.0.1 port=x", "port"),
    ("host='db example' dbname=x", "no host name, IP address"),
    ("host=127.0.0.1 sslmode=verify-full sslrootcert=ca.pem", "ca.pem': No such file"),
    ("host=127.0.0.1 sslmode=full", "sslmode is one of"),
])
def test_postgresql_accounts_that_are_errors(project, url, fragment):
    project.account("pg", "POSTGRESQL", test={"url": url}, live={"url": "host=/tmp"})
    check_error(project, "accounts/pg.yaml", fragment)


@pytest.mark.parametrize("rate", ["fast", "100", "0/s", "-1/s", "1.5/s", "10/d", ["10/s"]])
def test_a_rate_that_is_none_is_an_error(project, rate):
    project.keys[0]["rate"] = rate
    project.write("keys.yaml", {"keys": project.keys})
    check_error(project, "keys.yaml", "rate")


def test_exactly_once_is_an_error(project):
    project.event(EVENT, [log_action(delivery="exactly-once")])
    check_error(project, f"events/{EVENT}.yaml", "exactly once")


# ---- what is checked but not in force ----------------------------------------------------------

def test_what_is_not_in_force_is_one_line(project, start):
    project.settings(
        breaker={"failures": 3}, deadLetters={"keep": 5}, idempotency={"window": "1h"},
        retry={"attempts": 3})
    project.event("ops.failed", [log_action()], {"reason": "String"})
    project.event(EVENT, [log_action(retry=False, delivery="at-least-once",
                                     onFailure=[{"eventId": "ops.failed", "payload": {
                                         "reason": "{$error.message}"}}],
                                     onSuccess=[{"eventId": "ops.failed", "payload": {
                                         "reason": "{$response}"}}])],
                  {"card": {"number": "String"}}, secret=["card.number"], tests=[])
    done = cli("test", project=project.folder)
    assert done.returncode == 0, done.stderr
    lines = [line for line in done.stderr.split("\n") if "ot in force" in line]
    words = {"breaker", "deadLetters", "idempotency", "retry", "delivery",
             "onFailure", "onSuccess", "secret", "tests"}
    assert len(lines) == 1
    assert words <= set(re.findall(r"\w+", lines[0])), lines[0]
    document = json.loads(cli("test", "--json", project=project.folder).stdout)
    assert words <= set(re.findall(r"\w+", document["notInForce"]))
    daemon = start(project)
    assert daemon.post(EVENT).status == 201
    daemon.stop()
    starts = [line for line in daemon.log_lines() if "not in force" in line["msg"]]
    assert len(starts) == 1 and words <= set(re.findall(r"\w+", json.dumps(starts[0])))


def test_nothing_is_said_when_all_is_in_force(project, start):
    project.event(EVENT, [log_action()])
    assert "in force" not in cli("test", project=project.folder).stderr
    daemon = start(project)
    daemon.stop()
    assert "in force" not in daemon.log()


@pytest.mark.parametrize("keys, fragment", [
    ({"retry": "never"}, "retry"), ({"retry": {"attempts": 0}}, "attempts"),
    ({"retry": {"delay": "soon"}}, "delay"), ({"delivery": "once"}, "delivery"),
    ({"group": "yes"}, "group"), ({"onFailure": {"eventId": "x"}}, "onFailure"),
    ({"onFailure": [{"eventId": "no.such", "payload": {}}]}, "no.such"),
    ({"onFailure": [{"eventId": EVENT, "payload": {"x": "{idd}"}}]}, "idd"),
    ({"onFailure": [{"eventId": EVENT, "payload": {"x": "{$error.nothing}"}}]}, "error"),
    ({"timeout": "0s"}, "timeout"), ({"timeout": 5}, "timeout"), ({"async": "yes"}, "async"),
    ({"enabled": 1}, "enabled"), ({"nonsense": 1}, "nonsense"), ({"operation": "x"}, "operation"),
    ({"id": "b@d"}, "id"), ({"id": ".x"}, "id"), ({"id": "x" * 101}, "id"),
    ({"template": {"message": "{idd}"}}, "idd"), ({"template": {}}, "message"),
    ({"template": {"message": "x", "level": "loud"}}, "level|loud"),
    ({"template": {"message": "x", "level": "{id}"}}, "wildcard|level"),
    ({"template": {"mesage": "x", "message": "x"}}, "mesage"), ({"template": ["x"]}, "template"),
    ({"template": None}, "message|template"),
])
def test_action_keys_are_checked(project, keys, fragment):
    project.event(EVENT, [log_action() | keys], {"id": "String"})
    check_error(project, f"events/{EVENT}.yaml", fragment)


@pytest.mark.parametrize("text, fragment, hint", [
    ("id: customer.new\nfilters:\n - &a [*a]\n", "alias", None),
    ("id: customer.new\nfilters: []\n---\nid: x\n", "second document", None),
    ("id: customer.new\nfilters: []\nfilters: []\n", "filters", None),
    ("id: customer.new\nfilters:\n\t- id: x\n", "YAML|tab", None),
    ("id: customer.new\nmodel: { p: String }\nfilters:\n - id: a\n   actions:\n"
     "    - { id: x, type: LOG, action: WRITE, template: { message: {p} } }\n", ".", '"{p}"'),
    ("id: customer.new\nfilters: !!python/object []\n", "tag", None),
    ("- id: customer.new\n", "mapping", None), ("just text\n", "mapping|text", None),
    ("", ".", None), ("id: [\n", "YAML", None),
    ("filters: []\n", "id", None), ("id: customer.new\nfilters: 5\n", "filters", None),
    ("id: customer.new\nfilters:\n - id: a\n - id: a\n", "twice", None),
    ("id: customer.new\nfilters:\n - name: x\n", "id", None),
    ("id: customer.new\nfilters:\n - id: a\n   condition: [1]\n", "condition", None),
    ("id: customer.new\nfilters: []\nx: " + "[" * 70 + "]" * 70 + "\n", "deep", None),
    ("id: customer.new\nfilters: []\nname: a\0b\n", "control|NUL", None),
    ("id: customer.new\nx-a: &a [1,1,1,1,1,1,1,1,1,1]\nx-b: &b [*a,*a,*a,*a,*a,*a,*a,*a,*a,*a]\n"
     "x-c: &c [*b,*b,*b,*b,*b,*b,*b,*b,*b,*b]\nx-d: &d [*c,*c,*c,*c,*c,*c,*c,*c,*c,*c]\n"
     "x-e: [*d,*d,*d,*d,*d,*d,*d,*d,*d,*d]\nfilters: []\n", "nodes", None),
])
def test_event_files_that_are_errors(project, text, fragment, hint):
    project.write(f"events/{EVENT}.yaml", text)
    check_error(project, f"events/{EVENT}.yaml", fragment, hint)


def test_a_large_file_and_bad_bytes(project):
    project.write(f"events/{EVENT}.yaml", "id: customer.new\nfilters: []\n" + "# x\n" * 300000)
    check_error(project, f"events/{EVENT}.yaml", "larger")
    with open(project.path(f"events/{EVENT}.yaml"), "wb") as file:
        file.write(b"id: customer.new\nname: caf\xe9\nfilters: []\n")
    check_error(project, f"events/{EVENT}.yaml", "UTF-8")


def test_aliases_and_merges(project, start):
    """Resolved as YAML 1.2 has them, with << in place."""
    project.write(f"events/{EVENT}.yaml", """\
id: customer.new
x-base: &base
  type: LOG
  action: WRITE
  template: &template { message: "from {id?}" }
model: { id: String }
filters:
  - id: one
    actions:
      - { <<: *base, id: first }
      - <<: [*base, { name: Unused }]
        id: second
        template: { <<: *template, level: error }
""")
    assert check_fine(project) == []
    reply = start(project).post(EVENT, {"id": "x"})
    names = [(task["action"]["id"], task["action"]["name"])
             for task in reply.json()["match_rules"][0]["actions"]]
    assert [ident for ident, _ in names] == ["first", "second"] and names[1][1] == "Unused"


def test_ids_that_stand_twice(project):
    project.event(EVENT, [log_action()])
    project.write("events/other.yaml", f"id: {EVENT}\nfilters: []\n")
    code, messages, _ = checked(project)
    assert code == 1 and any("twice" in message["message"] for message in messages)
    done = cli("test", project=project.folder)
    assert f"events/{EVENT}.yaml" in done.stderr and "events/other.yaml" in done.stderr  # both places


@pytest.mark.parametrize("action, fragment", [
    (insert(account="nobody"), "nobody"), (insert() | {"serviceAccountId": None}, "serviceAccountId"),
    (insert() | {"serviceAccountId": "redis"}, "type"), (insert() | {"type": "POSTGRESQ"}, "POSTGRESQ"),
    (insert() | {"action": "INSRT"}, "INSRT"), (insert(id="{idd}"), "idd"),
    (insert() | {"template": {"payload": {"a": 1}}}, "table"),
    (insert() | {"template": {"table": "t"}}, "payload"),
    (insert() | {"template": {"table": "t", "payload": [1]}}, "payload"),
    (insert() | {"template": {"table": "t", "payload": {"{id}": 1}}}, "wildcard"),
    (insert() | {"template": {"table": "t", "payload": {}, "database": "{id}"}}, "database"),
    (insert() | {"template": {"table": "a.b", "schema": "c", "payload": {"a": 1}}}, "schema"),
    (insert() | {"template": {"table": "t", "payload": {"a": 1}, "onConflict": {"do": "update"}}},
     "columns"),
    (insert() | {"template": {"table": "t", "payload": {"a": 1}, "onConflict": {"do": "x"}}}, "do"),
    (insert() | {"template": {"table": "t", "payload": {"a": 1}, "returning": {"a": 1}}},
     "returning"),
    (insert() | {"template": {"table": "t", "payload": {"a": 1}, "retruning": "*"}}, "retruning"),
    (set_key() | {"template": {"key": "k"}}, "value"),
    (set_key(key="k", value={"a": 1}), "mapping"), (set_key(key="k", value="{address}"), "object"),
    (set_key(key="k", value=["{id}"]), "array|list"), (set_key(key="{address}", value="v"), "object"),
    (set_key(key="k", value="v", stringify="{id}"), "stringify"),
    (set_key(key="k", value="v", ttl="soon"), "ttl|duration"),
    (set_key(key="k", value="v", ttl="0s"), "ttl|duration"),
    (set_key(key="k", value="{subscription.price}"), "array"),
    (set_key(key="k{subscription.price}", value="v"), "array"),
    ({"id": "x", "type": "POSTGRESQL", "action": "UPDATE", "serviceAccountId": "pg",
      "template": {"table": "t", "payload": {"a": 1}}}, "condition"),
    ({"id": "x", "type": "POSTGRESQL", "action": "DELETE", "serviceAccountId": "pg",
      "template": {"table": "t"}}, "condition"),
    ({"id": "x", "type": "AWS", "action": "KMS", "operation": "decrypt", "serviceAccountId": "aws",
      "template": {}}, "decrypt"),
    ({"id": "x", "type": "STRIPE", "action": "CREATE_CHRAGE", "serviceAccountId": "s",
      "template": {}}, "CREATE_CHRAGE"),
    ({"id": "x", "type": "STRIPE", "action": "CREATE_CHARGE", "serviceAccountId": "s",
      "template": {"payload": {"amount": "{idd}"}}}, "idd"),
])
def test_actions_that_are_errors(project, action, fragment):
    project.account("pg", "POSTGRESQL", test={"url": "host=/tmp"}, live={"url": "host=/tmp"})
    project.account("redis", "REDIS", test=FREE, live=FREE)
    project.event(EVENT, [action], {"id": "String", "name": "String", "amount": "Number",
                                    "address": {"city": "String"},
                                    "subscription": [{"price": "Number"}]})
    check_error(project, f"events/{EVENT}.yaml", fragment)


def test_several_accounts_and_a_half_that_is_missing(project):
    project.account("redis", "REDIS", test=FREE)
    project.event(EVENT, [set_key(key="k", value="v")])
    warnings = check_fine(project)
    assert len(warnings) == 1 and "live" in warnings[0]["message"]


def test_an_account_twice_and_other_mistakes(project):
    project.account("redis", "REDIS", test=FREE, live=FREE)
    project.write("accounts/again.yaml", "id: redis\ntype: REDIS\ntest: { url: 'redis://127.0.0.1' }\n"
                  "live: { url: 'redis://127.0.0.1' }\n")
    code, messages, _ = checked(project)
    assert code == 1 and [m["message"] for m in messages if "twice" in m["message"]]


def test_an_empty_folder_serves(tmp_path):
    """Only a volley.yaml: every event is unknown, and that is said."""
    project = Project(tmp_path)
    for part in ("accounts", "events"):
        os.rmdir(project.path(part))
    os.remove(project.path("keys.yaml"))
    check_fine(project)
    daemon = Volleyd(project)
    try:
        wait_until(daemon.is_up, 5)
        assert daemon.request("POST", "/event/x", b"{}").status == 401
    finally:
        daemon.stop()
