"""volley and volleyd as a person at a shell meets them: words, exit codes, messages."""

import hashlib
import json
import os
import re
import stat
import subprocess
import threading
import time

import pytest
import yaml

from actions import insert, set_key, two_accounts
from harness import BUILD, TOP, Volleyd, cli, log_action
from servers import free_port, wait_until

EVENT = "customer.new"


def volleyd(*arguments, cwd=None, timeout=30):
    return subprocess.run([os.path.join(BUILD, "volleyd"), *arguments], capture_output=True,
                          text=True, timeout=timeout, cwd=cwd, check=False)


def refused(done, code=1, *fragments):
    """The exit code, and what stands on stderr; nothing on stdout."""
    assert done.returncode == code, done.stdout + done.stderr
    for fragment in fragments:
        assert fragment in done.stderr, done.stderr
    assert done.stderr.strip()
    return done


# ---- words and usage ---------------------------------------------------------------------------

def test_help_and_version():
    for words in (["help"], ["--help"], ["-h"]):
        done = cli(*words)
        assert done.returncode == 0 and done.stderr == ""
        for verb in ("init", "add:key", "test", "send", "help"):
            assert verb in done.stdout
    assert re.fullmatch(r"volley \d+\.\d+\.\d+\S*\n", cli("--version").stdout)
    assert re.fullmatch(r"volleyd \d+\.\d+\.\d+\S*\n", volleyd("--version").stdout)
    done = volleyd("--help")
    assert done.returncode == 0 and "volleyd -c" in done.stdout


def test_help_says_all_about_every_verb():
    """`help VERB` and `VERB --help` are the same; each option has a text; 80 columns are enough."""
    verbs = re.findall(r"^  volley (\S+)", cli("help").stdout, re.M)
    assert {"init", "add:key", "test", "send", "help"} <= set(verbs)
    for verb in verbs:
        done = cli("help", verb)
        assert done.returncode == 0 and done.stderr == ""
        assert done.stdout.startswith(f"usage: volley {verb}")
        usage, options = done.stdout.split("\n\n", 1)
        for option in re.findall(r"--[a-z]+", usage):
            assert re.search(rf"^  {option}( [^ ]+)? +\S", options, re.M), (verb, option)
        for line in re.findall(r"^  --.*", options, re.M):
            assert re.fullmatch(r"  --[a-z]+( \S+)? {2,}\S.+", line), line
        for words in ([verb, "--help"], ["--help", verb], [verb, "-h"]):
            again = cli(*words)
            assert (again.returncode, again.stdout) == (0, done.stdout)
    for page in [cli("help"), *(cli("help", verb) for verb in verbs)]:
        assert max(map(len, page.stdout.splitlines())) <= 80
    refused(cli("help", "tset"), 2, "did you mean 'test'?")
    refused(cli("help", "test", "send"), 2, "'send' is too much")


@pytest.mark.parametrize("words", [
    [], ["nonsense"], ["tset"], ["test", "--nonsense"], ["test", "too", "much"],
    ["init", "a", "b"], ["send"], ["send", EVENT], ["add:key"],
    ["add:key", "x"], ["add:key", "x", "--environment", "prod"],
    ["add:key", "b@d", "--environment", "test"], ["add:key", "x", "--environment", "Test"],
    ["send", EVENT, "--key", "k", "--secret", "s", "--repeat", "0"],
    ["send", EVENT, "--key", "k", "--secret", "s", "--repeat", "x"],
    ["send", EVENT, "--key", "k", "--secret", "s", "--rate", "x"],
    ["send", EVENT, "--key", "k", "--secret", "s", "--url", "ftp://x"],
])
def test_usage_errors_are_2(project, words):
    done = cli(*words, project=project.folder if words and words[0] != "init" else None,
               env={"VOLLEY_CLIENT_KEY": "", "VOLLEY_CLIENT_SECRET": ""})
    refused(done, 2)
    assert done.stdout == ""


def test_a_misspelt_verb_gets_a_suggestion():
    refused(cli("tset"), 2, "did you mean 'test'?")
    refused(cli("add-key"), 2, "did you mean 'add:key'?")


def test_missing_arguments_are_named(project):
    """Standard input is no terminal here, so nothing is asked."""
    refused(cli("add:key", project=project.folder, stdin=""), 2, "NAME")
    refused(cli("add:key", "x", project=project.folder, stdin=""), 2, "--environment")
    refused(cli("send", project=project.folder, stdin=""), 2, "EVENT")


@pytest.mark.parametrize("words", [[], ["-c"], ["-x"], ["volley.yaml"], ["-c", "a", "b"],
                                   ["--nonsense"]])
def test_usage_errors_of_volleyd(words):
    refused(volleyd(*words), 2, "usage")


@pytest.mark.parametrize("words", [["test"], ["add:key", "x", "--environment", "test"],
                                   ["send", EVENT, "--key", "k", "--secret", "s"]])
def test_a_folder_that_is_no_project(tmp_path, words):
    refused(cli(*words, project=tmp_path), 1, "volley init")
    refused(cli(*words, project=tmp_path / "missing"), 1, "missing")


# ---- init, add:key -----------------------------------------------------------------------------

def test_init_makes_a_project_that_works(tmp_path):
    """init, test, add:key, volleyd, send: the first minutes of a user, word for word."""
    folder = tmp_path / "shop"
    done = cli("init", str(folder))
    assert done.returncode == 0, done.stderr
    assert cli("test", project=folder).returncode == 0
    before = {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    refused(cli("init", str(folder)), 1, "exists")
    assert before == {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}

    done = cli("add:key", "backend", "--environment", "test", "--json", project=folder)
    assert done.returncode == 0, done.stderr
    key = json.loads(done.stdout)
    assert set(key) == {"clientKey", "clientSecret"}
    port = free_port()
    (folder / "volley.yaml").write_text(f"listen: 127.0.0.1:{port}\n"
                                        "admin: { listen: 'unix:admin.sock' }\n")

    class Made:
        """What Volleyd wants to know of a project."""
        path = staticmethod(lambda name: str(folder / name))
    Made.port = port
    daemon = Volleyd(Made)
    payload = folder / "payload.json"
    payload.write_text('{"id": "c1", "name": "Ana"}')
    done = cli("send", "customer.new-customer", str(payload), project=folder, env={
        "VOLLEY_CLIENT_KEY": key["clientKey"], "VOLLEY_CLIENT_SECRET": key["clientSecret"]})
    assert done.returncode == 0, done.stdout + done.stderr
    daemon.stop()
    assert 'msg="new customer c1"' in daemon.log() and "name=Ana" in daemon.log()


def test_init_in_the_current_folder(tmp_path):
    done = subprocess.run([os.path.join(BUILD, "volley"), "init"], cwd=tmp_path, check=False,
                          capture_output=True, text=True)
    assert done.returncode == 0 and (tmp_path / "volley.yaml").exists()
    done = subprocess.run([os.path.join(BUILD, "volley"), "test"], cwd=tmp_path, check=False,
                          capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def test_init_keeps_files_of_the_user(tmp_path):
    (tmp_path / "events").mkdir()
    mine = tmp_path / "events" / "customer.new-customer.yaml"
    mine.write_text("id: customer.new-customer\nfilters: []\n")
    assert cli("init", str(tmp_path)).returncode == 0
    assert mine.read_text() == "id: customer.new-customer\nfilters: []\n"


def test_init_where_it_cannot_write(tmp_path):
    (tmp_path / "file").write_text("")
    refused(cli("init", str(tmp_path / "file" / "below")), 1, "file")


def test_add_key(project, start):
    """keys.yaml is 0600, keeps what stands in it, holds only hashes; the key works at once."""
    os.remove(project.path("keys.yaml"))
    made = {}
    for name, environment, more in (("one", "test", []), ("two", "live", []),
                                    ("three", "test", ["--events", f"{EVENT},other.event"])):
        done = cli("add:key", name, "--environment", environment, *more, project=project.folder)
        assert done.returncode == 0, done.stderr
        made[name] = tuple(re.search(rf"{word}: (\S+)", done.stdout)[1]
                           for word in ("client_key", "client_secret"))
    content = open(project.path("keys.yaml"), encoding="utf-8").read()
    assert stat.S_IMODE(os.stat(project.path("keys.yaml")).st_mode) == 0o600
    keys = {key["name"]: key for key in yaml.safe_load(content)["keys"]}
    assert keys["one"]["environment"] == "test" and keys["two"]["environment"] == "live"
    assert keys["three"]["events"] == [EVENT, "other.event"] and "events" not in keys["one"]
    for name, (key, secret) in made.items():
        assert keys[name]["clientKey"] == key and secret not in content
        assert keys[name]["secretHash"] == "sha256:" + hashlib.sha256(secret.encode()).hexdigest()
        # 192 bits of randomness or more in each
        assert len(key.split("_")[-1]) * 4 >= 192 and len(secret.split("_")[-1]) * 4 >= 192
    assert len({word for pair in made.values() for word in pair}) == 6

    refused(cli("add:key", "one", "--environment", "live", project=project.folder), 1, "one")
    project.event(EVENT, [log_action()])
    project.event("other.event", [log_action()])
    project.event("third.event", [log_action()])
    daemon = start(project)
    for name, event, status in (("one", EVENT, 201), ("two", EVENT, 201), ("three", EVENT, 201),
                                ("three", "third.event", 403)):
        reply = daemon.request("POST", f"/event/{event}", b"{}", {
            "client_key": made[name][0], "client_secret": made[name][1]})
        assert reply.status == status, (name, reply.text)


def test_add_key_keeps_comments(project):
    project.write("keys.yaml", "# mine\nkeys:\n  # the first\n  - { name: a, environment: test, "
                  f"clientKey: vk_a, secretHash: \"sha256:{'0' * 64}\" }}  # here\n")
    assert cli("add:key", "b", "--environment", "test", project=project.folder).returncode == 0
    content = open(project.path("keys.yaml"), encoding="utf-8").read()
    assert "# mine\n" in content and "# the first\n" in content and "# here\n" in content
    assert [key["name"] for key in yaml.safe_load(content)["keys"]] == ["a", "b"]


def test_add_key_does_not_touch_a_broken_file(project):
    project.write("keys.yaml", "keys: [ {")
    refused(cli("add:key", "b", "--environment", "test", project=project.folder), 1, "keys.yaml")
    assert open(project.path("keys.yaml"), encoding="utf-8").read() == "keys: [ {"


def test_add_key_with_a_rate(project):
    before = open(project.path("keys.yaml"), encoding="utf-8").read()
    refused(cli("add:key", "b", "--environment", "test", "--rate", "often",
                project=project.folder), 2, "rate")
    assert open(project.path("keys.yaml"), encoding="utf-8").read() == before
    done = cli("add:key", "b", "--environment", "test", "--rate", "10/s", project=project.folder)
    assert done.returncode == 0, done.stderr
    with open(project.path("keys.yaml"), encoding="utf-8") as file:
        assert yaml.safe_load(file)["keys"][-1]["rate"] == "10/s"
    assert cli("test", project=project.folder).returncode == 0


# ---- test --------------------------------------------------------------------------------------

BROKEN = """\
id: customer.new
model:
  id: String!
  name: Strin
filtres:
  - id: x
filters:
  - id: on-event
    condition: nmae = "x" AND id > 5
    actions:
      - id: save
        type: REDSI
        action: SET
        serviceAccountId: core-redis
      - id: key
        type: REDIS
        action: SETT
        serviceAccountId: core-rediss
        template: { key: "{idd}", value: "x" }
"""


def broken(project):
    project.account("core-redis", "REDIS", test={"url": "redis://127.0.0.1:1"},
                    live={"url": "redis://127.0.0.1:1"})
    project.write("events/customer.new.yaml", BROKEN)
    project.write("events/other.event.yaml", "id: other.event\nfilters: [\n")
    project.write("volley.yaml", f"listen: 127.0.0.1:{project.port}\nlimts: {{}}\n")


# Line, column, fragment of the message, hint: all of one folder in one go.
FOUND = [
    ("events/customer.new.yaml", 4, 9, "'Strin' is no type", "did you mean 'String'?"),
    ("events/customer.new.yaml", 5, 1, "unknown key 'filtres'", "did you mean 'filters'?"),
    ("events/customer.new.yaml", 9, 16, "no property 'nmae'", "did you mean 'name'?"),
    ("events/customer.new.yaml", 12, 15, "REDSI", "did you mean 'REDIS'?"),
    ("events/customer.new.yaml", 17, 17, "SETT", "did you mean 'SET'?"),
    ("events/customer.new.yaml", 18, 27, "core-rediss", "did you mean 'core-redis'?"),
    ("events/other.event.yaml", None, None, "no YAML", None),
    ("volley.yaml", 2, 1, "unknown key 'limts'", "did you mean 'limits'?"),
]


def test_every_error_in_one_go(project):
    broken(project)
    done = cli("test", project=project.folder)
    assert done.returncode == 1
    lines = done.stderr.split("\n")
    for file, line, column, fragment, hint in FOUND:
        place = f"{file}:{line}:{column}: error: " if line else f"{file}:"
        at = [n for n, text in enumerate(lines) if text.startswith(place) and fragment in text]
        assert at, f"{place}{fragment} is not in\n{done.stderr}"
        if line:
            source = open(project.path(file), encoding="utf-8").read().split("\n")[line - 1]
            quoted, caret = lines[at[0] + 1], lines[at[0] + 2]
            assert quoted == f"{line:5} | {source}"
            assert re.match(r"      \| " + " " * (column - 1) + r"\^~*$", caret), caret
        if hint:
            assert hint in "\n".join(lines[at[0] + 3:at[0] + 5]), done.stderr
    assert re.search(r"\d+ errors", done.stderr)


def test_every_error_as_json(project):
    broken(project)
    done = cli("test", "--json", project=project.folder)
    assert done.returncode == 1 and done.stderr == ""
    document = json.loads(done.stdout)
    assert document["ok"] is False
    for file, line, column, fragment, hint in FOUND:
        assert any(message["file"] == file and fragment in message["message"] and
                   message["severity"] == "error" and
                   (line is None or (message["line"], message["column"]) == (line, column)) and
                   (hint is None or message["hint"] == hint)
                   for message in document["messages"]), (fragment, document)


def test_volleyd_refuses_the_same_folder(project):
    """Exit 1 with the same messages; nothing is listened on."""
    broken(project)
    done = refused(volleyd("-c", project.path("volley.yaml")))
    for file, _, _, fragment, hint in FOUND:
        assert file in done.stderr and fragment in done.stderr, fragment
        assert hint is None or hint in done.stderr


def test_a_good_folder(project):
    project.event(EVENT, [log_action()])
    done = cli("test", project=project.folder)
    assert done.returncode == 0 and done.stderr == ""
    assert "Checking 1 event." in done.stdout and "Event config test passed." in done.stdout
    document = json.loads(cli("test", "--json", project=project.folder).stdout)
    assert document["ok"] is True and document["events"] == 1 and document["messages"] == []


def test_the_example_and_the_sample_settings(tmp_path):
    """What is shipped must itself pass."""
    folder = os.path.join(TOP, "etc", "example")
    done = cli("test", project=folder, env={"VOLLEY_DEMO": "1", "POSTGRES_URL": "host=/tmp",
                                            "REDIS_URL": "redis://127.0.0.1"})
    variables = re.findall(r"no environment variable '(\w+)'", done.stderr)
    if variables:
        done = cli("test", project=folder, env={
            name: "redis://127.0.0.1" if "REDIS" in name else "host=/tmp" for name in variables})
    assert done.returncode == 0, done.stderr
    (tmp_path / "volley.yaml").write_text(open(os.path.join(TOP, "etc", "volley.yaml"),
                                               encoding="utf-8").read())
    done = cli("test", project=tmp_path)
    assert done.returncode == 0 and "warning" not in done.stderr, done.stderr


# ---- send --------------------------------------------------------------------------------------

@pytest.fixture
def sending(project, start, postgres, redis_):
    """A daemon with a good and a failing event; the credentials as environment variables."""
    postgres.run("CREATE TABLE customers (id text PRIMARY KEY, name text, amount numeric)",
                 database="test")
    two_accounts(project, postgres, redis_)
    project.event(EVENT, [insert(), set_key(), log_action()],
                  {"id": "String!", "name": "String", "amount": "Number"})
    project.event("good.event", [log_action("first-note"), log_action("second")])
    key, secret = project.credentials["test"]
    return start(project), {"VOLLEY_CLIENT_KEY": key, "VOLLEY_CLIENT_SECRET": secret}


def test_send(sending, tmp_path):
    """The reply, then a timeline: a bar per task and the total."""
    daemon, credentials = sending
    payload = tmp_path / "payload.json"
    payload.write_text('{"id": "c1", "name": "Ana", "amount": 12345678901234567890.10}')
    done = cli("send", EVENT, str(payload), project=daemon.project.folder,
               env={**credentials, "LC_ALL": "C.UTF-8"})
    assert done.returncode == 0 and done.stderr == "", done.stdout + done.stderr
    end = done.stdout.index("\n}\n") + 3
    reply = json.loads(done.stdout[:end])
    assert reply["event_name"] == EVENT
    lines = done.stdout[end:].strip("\n").split("\n")
    assert len(lines) == 4
    for line, (name, what, code) in zip(lines, (("row", "INSERT", "201"), ("key", "SET", "201"),
                                                ("note", "WRITE", "200"))):
        assert re.search(rf"^ *{name} +{what} +{code} +█+ +[\d.]+ ms$", line), line
    assert re.search(r"^ *total +─+ +[\d.]+ ms$", lines[3]), lines[3]
    done = cli("send", "good.event", project=daemon.project.folder,
               env={**credentials, "LC_ALL": "C"})
    assert "#" in done.stdout and done.stdout.isascii()


def test_send_reads_standard_input_and_arguments(sending):
    daemon, credentials = sending
    key, secret = credentials.values()
    done = cli("send", EVENT, "-", "--key", key, "--secret", secret, "--json", "--url",
               f"http://127.0.0.1:{daemon.port}", stdin='{"id": "stdin"}',
               project=daemon.project.folder)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["match"]["status"] is True
    done = cli("send", "good.event", "--json", project=daemon.project.folder, env=credentials)
    assert done.returncode == 0 and json.loads(done.stdout)["event_name"] == "good.event"


def test_send_tells_failures(sending, tmp_path):
    daemon, credentials = sending
    folder = daemon.project.folder

    def send(*words, stdin=None, env=credentials):
        return cli("send", *words, project=folder, env=env, stdin=stdin)
    assert send(EVENT, "-", stdin='{"id": "twice"}').returncode == 0
    done = send(EVENT, "-", stdin='{"id": "twice"}')  # an action fails: 1
    assert done.returncode == 1 and re.search(r"row +INSERT +409 .*duplicate key", done.stdout)
    refused(send(EVENT, "-", stdin='{"id": 1}'), 1, "422", "id")
    refused(send(EVENT, "-", stdin='{"id": '), 1, "400", "offset")
    refused(send("no.such"), 1, "404", "no.such")
    refused(send(EVENT, env={**credentials, "VOLLEY_CLIENT_SECRET": "x"}), 1, "401")
    refused(send(EVENT, str(tmp_path / "missing.json")), 1, "missing.json")
    refused(send(EVENT, env={"VOLLEY_CLIENT_KEY": "", "VOLLEY_CLIENT_SECRET": ""}), 2,
            "VOLLEY_CLIENT_KEY")


def test_send_to_nobody_is_3(project):
    done = cli("send", EVENT, project=project.folder,
               env={"VOLLEY_CLIENT_KEY": "k", "VOLLEY_CLIENT_SECRET": "s"})
    refused(done, 3, str(project.port))
    refused(cli("send", EVENT, "--repeat", "3", project=project.folder,
                env={"VOLLEY_CLIENT_KEY": "k", "VOLLEY_CLIENT_SECRET": "s"}), 3)


def test_send_repeated(sending):
    daemon, credentials = sending
    done = cli("send", "good.event", "--repeat", "50", project=daemon.project.folder,
               env=credentials)
    assert done.returncode == 0 and "50 sent, 0 failed" in done.stdout, done.stdout
    wait_until(lambda: daemon.log().count('msg="noted"') == 100, 10, "the lines")
    done = cli("send", EVENT, "-", "--repeat", "5", "--json", stdin='{"id": "same"}',
               project=daemon.project.folder, env=credentials)
    assert done.returncode == 1  # four of the five are duplicates
    summary = json.loads(done.stdout)
    assert (summary["sent"], summary["failed"]) == (5, 4)


def test_send_at_a_rate(sending):
    daemon, credentials = sending
    began = time.monotonic()
    done = cli("send", "good.event", "--repeat", "6", "--rate", "10/s",
               project=daemon.project.folder, env=credentials)
    assert done.returncode == 0 and time.monotonic() - began >= 0.5


# ---- volleyd's start ---------------------------------------------------------------------------

def test_a_port_that_is_taken(project, start):
    project.settings(admin={"listen": "127.0.0.1:0"})
    project.event(EVENT, [log_action()])
    start(project)
    refused(volleyd("-c", project.path("volley.yaml")), 1, str(project.port))


def test_a_missing_settings_file(tmp_path):
    refused(volleyd("-c", str(tmp_path / "volley.yaml")), 1, "volley.yaml")


def test_the_folder_stands_for_its_settings(project, start):
    project.event(EVENT, [log_action()])
    daemon = start(project)
    daemon.stop()
    refused(volleyd("-c", project.folder + "/missing"), 1, "missing")


def test_send_reaches_ipv6(project, start):
    project.settings(listen=f"[::1]:{project.port}")
    project.event("customer.new-customer", [log_action()])
    start(project, ready=False)
    key, secret = project.credentials["test"]

    def send(*more):
        return cli("send", "customer.new-customer", "--key", key, "--secret", secret, "--json",
                   *more, project=project.folder)

    wait_until(lambda: send().returncode == 0, 60, "volleyd's first answer")
    assert send("--url", f"http://[::1]:{project.port}").returncode == 0


def test_send_reads_a_pipe(project, start):
    project.event("customer.new-customer", [log_action(message="{id}")], {"id": "String!"})
    start(project)
    key, secret = project.credentials["test"]
    fifo = project.path("payload")
    os.mkfifo(fifo)
    writer = threading.Thread(target=lambda: open(fifo, "w", encoding="ascii").write('{"id": "1"}'))
    writer.start()
    done = cli("send", "customer.new-customer", fifo, "--key", key, "--secret", secret,
               project=project.folder)
    writer.join()
    assert done.returncode == 0, done.stderr


def test_add_key_to_an_empty_list(project):
    project.write("keys.yaml", "# mine\nkeys: []\n")
    assert cli("add:key", "one", "--environment", "test", project=project.folder).returncode == 0
    assert cli("add:key", "two", "--environment", "live", project=project.folder).returncode == 0
    with open(project.path("keys.yaml"), encoding="utf-8") as file:
        text = file.read()
    assert text.startswith("# mine\n")
    assert [key["name"] for key in yaml.safe_load(text)["keys"]] == ["one", "two"]


def test_init_as_json(tmp_path):
    done = cli("init", str(tmp_path / "shop"), "--json")
    assert json.loads(done.stdout) == {"created": str(tmp_path / "shop" / "volley.yaml")}
