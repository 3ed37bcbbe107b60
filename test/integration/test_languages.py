"""The little languages end to end: every row of the vector tables through the daemon or the CLI."""

import datetime
import json
import os
import re
import shutil

import pytest
import yaml

from harness import SANITIZED, Project, cli, exact_dumps, exact_loads, log_action, vectors


def report(failures):
    assert not failures, f"{len(failures)} failed:\n" + "\n".join(failures)


def messages_of(project):
    """What `volley test --json` says, by file."""
    done = cli("test", "--json", project=project.folder)
    found = {}
    for message in json.loads(done.stdout)["messages"]:
        found.setdefault(message.get("file"), []).append(message)
    return done.returncode, found


def problem_with(case, messages, severity="error", fragment="error"):
    """What is wrong with the messages of one file, or None."""
    errors = [message for message in messages if message["severity"] == severity]
    if len(errors) != 1:
        return f"{len(errors)} messages in place of one: {messages}"
    if case[fragment] not in errors[0]["message"]:
        return f"message {errors[0]['message']!r} without {case[fragment]!r}"
    if "hint" in case and case["hint"] not in errors[0].get("hint", ""):
        return f"hint {errors[0].get('hint')!r} without {case['hint']!r}"
    return None


# ---- conditions --------------------------------------------------------------------------------

def may_be_negated(condition):
    """NOT (...) must stay within the bounds of depth and length."""
    return len(condition) < 60000 and condition.count("(") < 60


def test_conditions(project, start):
    """Each condition as a filter, its negation as another: so false and unknown differ, too."""
    table = vectors("conditions.json")
    for number, case in enumerate(table["cases"]):
        filters = [{"id": "plain", "condition": case["condition"], "actions": None}]
        if may_be_negated(case["condition"]):
            filters.append({"id": "negated", "condition": f"NOT ({case['condition']})",
                            "actions": None})
        project.event(f"cond.c{number}", filters, table["models"][case["model"]])
    daemon = start(project)

    failures = []
    for number, case in enumerate(table["cases"]):
        reply = daemon.post(f"cond.c{number}", raw=exact_dumps(case["payload"]))
        expected = {"true": ["plain"], "false": ["negated"], "unknown": []}[case["result"]]
        if not may_be_negated(case["condition"]):
            expected = [name for name in expected if name == "plain"]
        if reply.status != 201:
            failures.append(f"{case['name']}: {reply.status} {reply.text}")
            continue
        rules = reply.json()["match_rules"]
        if [rule["id"] for rule in rules] != expected:
            failures.append(f"{case['name']}: {case['condition']!r} on {case['payload']}: "
                            f"{[rule['id'] for rule in rules]}, not {case['result']}")
        elif reply.json()["match"] != {"status": bool(expected), "total_matches": len(expected),
                                       "total_rules": 2 if may_be_negated(case["condition"])
                                       else 1}:
            failures.append(f"{case['name']}: {reply.json()['match']}")
        elif "plain" in expected and rules[0]["condition"] != case["condition"]:
            failures.append(f"{case['name']}: condition {rules[0]['condition']!r}")
    report(failures)
    assert len(table["cases"]) >= 120


def test_condition_errors(project):
    """As plain block text, where each character stands in its own column of the file."""
    table = vectors("conditions.json")
    for number, case in enumerate(table["errors"]):
        model = yaml.safe_dump({"model": table["models"][case["model"]]}, width=10000,
                               allow_unicode=True)
        assert "\n" not in case["condition"]
        project.write(f"events/bad.c{number}.yaml",
                      f"id: bad.c{number}\n{model}filters:\n  - id: one\n"
                      f"    condition: |2-\n      {case['condition']}\n    actions: null\n")
    code, found = messages_of(project)
    assert code == 1

    failures = []
    for number, case in enumerate(table["errors"]):
        file = f"events/bad.c{number}.yaml"
        messages = found.pop(file, [])
        problem = problem_with(case, messages)
        if problem is None:
            with open(project.path(file), encoding="utf-8") as content:
                lines = content.read().split("\n")
            text = case["condition"].encode()[:int(case["at"][0])].decode()
            place = lines.index("    condition: |2-") + 2, 7 + len(text)
            if (messages[0]["line"], messages[0]["column"]) != place:
                problem = f"at {messages[0]['line']}:{messages[0]['column']}, not {place}"
        if problem:
            failures.append(f"{case['name']}: {case['condition'][:80]!r}: {problem}")
    assert found == {}
    report(failures)


# ---- models ------------------------------------------------------------------------------------

def test_models(project, start):
    """The payload of each row is refused with exactly its mismatches, or taken."""
    table = [case for case in vectors("models.json") if "mismatches" in case]
    for number, case in enumerate(table):
        project.event(f"model.m{number}", [log_action()], case["model"],
                      **({"modelPolicy": "strict"} if case.get("strict") else {}))
    daemon = start(project)

    failures = []
    for number, case in enumerate(table):
        reply = daemon.post(f"model.m{number}", raw=exact_dumps(case["payload"]))
        errors = reply.json().get("errors", []) if reply.status == 422 else []
        expected = case["mismatches"]
        if reply.status != (422 if expected else 201):
            failures.append(f"{case['name']}: {reply.status} {reply.text}")
        elif [error["path"] for error in errors] != [item["path"] for item in expected] or \
                not all(item["message"] in error["message"]
                        for error, item in zip(errors, expected)):
            failures.append(f"{case['name']}: {reply.text}, not {expected}")
        elif expected and not (reply.json()["message"] and reply.headers["content-type"] ==
                               "application/problem+json"):
            failures.append(f"{case['name']}: no problem document: {reply.text}")
    report(failures)


def test_model_errors(project):
    table = [case for case in vectors("models.json") if "error" in case]
    for number, case in enumerate(table):
        project.event(f"bad.m{number}", [log_action()])
        project.write(f"events/bad.m{number}.yaml",
                      f"id: bad.m{number}\nmodel: {exact_dumps(case['model'])}\n"
                      "filters: []\n")
    code, found = messages_of(project)
    assert code == 1
    failures = []
    for number, case in enumerate(table):
        messages = found.pop(f"events/bad.m{number}.yaml", [])
        problem = problem_with(case, messages)
        if problem is None and messages[0]["line"] != 2:
            problem = f"line {messages[0]['line']}"
        if problem:
            failures.append(f"{case['name']}: {case['model']}: {problem}")
    assert found == {}
    report(failures)


# ---- wildcards ---------------------------------------------------------------------------------

def served_here(case):
    """Triggers are not in force yet, and a STRIPE template is not rendered."""
    return not case.get("trigger") and not case.get("typed")


def set_action(number, template, stringify):
    return {"id": "set", "type": "REDIS", "action": "SET", "serviceAccountId": "redis",
            "template": {"key": f"w{number}", "stringify": stringify, "value": template}}


def expected_text(case, reply, event):
    """The row's value or text as it should stand in Redis; specials are this run's own."""
    text = exact_dumps(case["value"]) if "value" in case else case["text"]
    values = case.get("values", {})
    mine = {"event_id": reply["id"], "event_name": event, "environment": "test"}
    if "{$event.receivedAt}" in json.dumps(case["template"]):
        return None
    for name, value in mine.items():
        if name in values:
            text = text.replace(values[name], value)
    return text


def check_received_at(text):
    moment = json.loads(text)
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", moment), moment
    age = datetime.datetime.now(datetime.timezone.utc) - datetime.datetime.fromisoformat(
        moment.replace("Z", "+00:00"))
    assert abs(age.total_seconds()) < 60, moment


def test_wildcards(project, start, redis_):
    """SET stores what the template gives: JSON text for a value, else plain text."""
    project.account("redis", "REDIS", test={"url": redis_.url()}, live={"url": redis_.url(1)})
    table = vectors("wildcards.json")
    cases = [(number, case) for number, case in enumerate(table["cases"])
             if "load_error" not in case and served_here(case)]
    for number, case in cases:
        project.event(f"wild.w{number}", [set_action(number, case["template"], "value" in case
                                                     or "error" in case)],
                      table["models"][case["model"]])
    daemon = start(project)
    store = redis_.client()

    failures = []
    for number, case in cases:
        reply = daemon.post(f"wild.w{number}", raw=exact_dumps(case["payload"]))
        if reply.status != 201:
            failures.append(f"{case['name']}: {reply.status} {reply.text}")
            continue
        response = reply.response("set")
        stored = store.get(f"w{number}")
        if "error" in case:
            if response["responseCode"] != 422 or response["status"] is not False or \
                    case["error"] not in response["responseMessage"] or stored is not None:
                failures.append(f"{case['name']}: {case['template']!r}: {response}")
            continue
        if not response["status"] or stored is None:
            failures.append(f"{case['name']}: {case['template']!r}: {response}")
            continue
        expected = expected_text(case, reply.json(), f"wild.w{number}")
        if expected is None:
            check_received_at(stored)
            continue
        got = stored.decode()
        if "value" in case:
            got = exact_dumps(exact_loads(got))
        if got != expected:
            failures.append(f"{case['name']}: {case['template']!r} on {case['payload']}: "
                            f"{got!r}, not {expected!r}")
    report(failures)
    assert len(table["cases"]) >= 120


def test_wildcards_in_a_log_line(project, start):
    """The same rows in a field of LOG WRITE, where a value that is one wildcard keeps its type."""
    table = vectors("wildcards.json")
    cases = [(number, case) for number, case in enumerate(table["cases"])
             if "text" in case and served_here(case) and "values" not in case]
    for number, case in cases:
        project.event(f"wild.w{number}",
                      [log_action(message=f"case {number}") | {"template": {
                          "message": f"case {number}", "fields": {"rendered": case["template"]}}}],
                      table["models"][case["model"]])
    project.settings(log={"format": "json"})
    daemon = start(project)
    for number, case in cases:
        reply = daemon.post(f"wild.w{number}", raw=exact_dumps(case["payload"]))
        assert reply.response("note")["status"], (case["name"], reply.text)
    daemon.stop()

    lines = {line["msg"]: line for line in daemon.log_lines() if line["msg"].startswith("case ")}
    failures = []
    for number, case in cases:
        got = lines[f"case {number}"]["rendered"]
        if (got if isinstance(got, str) else json.dumps(got)) != case["text"]:
            failures.append(f"{case['name']}: {got!r}")
    report(failures)


def test_wildcard_errors_and_warnings(project, redis_):
    project.account("redis", "REDIS", test={"url": redis_.url()}, live={"url": redis_.url(1)})
    project.account("stripe", "STRIPE", test={"secretKey": "sk_test_1"},
                    live={"secretKey": "sk_live_1"})
    table = vectors("wildcards.json")
    cases = list(enumerate(table["cases"]))
    for number, case in cases:
        action = set_action(number, case["template"], True)
        if case.get("typed"):
            action = {"id": "charge", "type": "STRIPE", "action": "CREATE_CUSTOMER",
                      "serviceAccountId": "stripe", "template": {"description": case["template"]}}
        elif case.get("trigger"):
            action = log_action(onFailure=[{"eventId": "wild.w0",
                                            "payload": {"value": case["template"]}}])
        project.event(f"wild.w{number}", [action], table["models"][case["model"]])
    code, found = messages_of(project)
    assert code == 1

    failures = []
    for number, case in cases:
        messages = [message for message in found.get(f"events/wild.w{number}.yaml", [])
                    if "not served by this version" not in message["message"]]
        if "load_error" in case:
            problem = problem_with(case, messages, "error", "load_error")
        elif "warning" in case:
            problem = problem_with(case, messages, "warning", "warning")
        else:
            problem = f"messages: {messages}" if messages else None
        if problem:
            failures.append(f"{case['name']}: {case['template']!r}: {problem}")
    report(failures)


# ---- JSON --------------------------------------------------------------------------------------

def json_bytes(case):
    return bytes.fromhex(case["hex"]) if "hex" in case else case["text"].encode(
        "utf-8", "surrogatepass")


def json_folder(tmp_path, redis_, depth):
    project = Project(tmp_path)
    if depth:
        project.settings(limits={"depth": depth})
    project.account("redis", "REDIS", test={"url": redis_.url()}, live={"url": redis_.url(1)})
    project.event("json.echo", [set_action(0, "{$payload}", True)])
    return project


def depths():
    return sorted({int(case["depth"]) if "depth" in case else 0
                   for case in vectors("json.json") if case.get("depth") != "0"})


@pytest.mark.parametrize("depth", depths())
def test_json(tmp_path, start, redis_, depth):
    """Bad JSON is refused with its offset, and the connection serves on; good JSON arrives whole."""
    daemon = start(json_folder(tmp_path, redis_, depth))
    store = redis_.client()
    failures, connection, tried = [], None, 0
    for case in vectors("json.json"):
        if int(case.get("depth", 0)) != depth:
            continue
        body, tried = json_bytes(case), tried + 1
        reply = daemon.post("json.echo", raw=body)
        connection = connection or daemon.connection
        if "value" in case:
            is_object = case["value"].startswith("{")
            if reply.status != (201 if is_object else 422):
                failures.append(f"{case['name']}: {reply.status} {reply.text}")
            elif is_object and store.get("w0") != case["value"].encode():
                failures.append(f"{case['name']}: {store.get('w0')}")
        elif not body:
            if reply.status != 201 or store.get("w0") != b"{}":
                failures.append(f"{case['name']}: an empty body is {{}}, not {reply.text}")
        elif reply.status != 400 or reply.headers["content-type"] != "application/problem+json" \
                or not re.search(rf"\boffset {case['offset']}\b", reply.json()["message"]) \
                or case["message"] not in reply.json()["message"]:
            failures.append(f"{case['name']}: {body!r}: {reply.status} {reply.text}, "
                            f"not {case['offset']}, {case['message']}")
        good = daemon.post("json.echo", raw=b'{"good":[1.50]}')
        if good.status != 201 or store.get("w0") != b'{"good":[1.50]}':
            failures.append(f"{case['name']}: then {good.text}")
    report(failures)
    assert daemon.connection is connection, "a refused body has cost the connection"
    assert tried


def test_json_values_inside_a_payload(tmp_path, start, redis_):
    daemon = start(json_folder(tmp_path, redis_, 0))
    store = redis_.client()
    failures = []
    for case in vectors("json.json"):
        if "value" in case and "depth" not in case:
            daemon.post("json.echo", raw=b'{"v":' + json_bytes(case) + b"}")
            if store.get("w0") != f'{{"v":{case["value"]}}}'.encode():
                failures.append(f"{case['name']}: {store.get('w0')}")
    report(failures)


def test_depth_counts_the_payload(tmp_path, start, redis_):
    daemon = start(json_folder(tmp_path, redis_, 0))
    assert daemon.post("json.echo", raw='{"a":' + "[" * 63 + "]" * 63 + "}").status == 201
    reply = daemon.post("json.echo", raw='{"a":' + "[" * 64 + "]" * 64 + "}")
    assert reply.status == 400 and "offset 68" in reply.json()["message"]
    assert daemon.post("json.echo", raw="[" * 100000).status == 400
    assert daemon.post("json.echo", raw='{"a":' * 100000).status == 400


def test_digits_of_a_number_are_bounded(tmp_path, start, redis_):
    daemon = start(json_folder(tmp_path, redis_, 0))
    for text, status in (("9" * 1000, 201), ("9" * 1001, 400), ("0." + "1" * 999, 201),
                         ("0." + "1" * 1000, 400), ("1e5", 201)):
        assert daemon.post("json.echo", raw='{"n":%s}' % text).status == status, text[:20]


# ---- catalogs ----------------------------------------------------------------------------------

def write_files(folder, files, modes):
    for name, lines in files.items():
        path = os.path.join(folder, name)
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, "w", encoding="utf-8") as file:
            file.write("\n".join(lines))
        os.chmod(path, int(modes.get(name, "0600"), 8))


def is_expected(message, expected):
    """Severity, place (one that ends with a colon leaves the column open), message and hint."""
    place = ":".join(str(message[part]) for part in ("file", "line", "column") if part in message)
    at = expected.get("at", "")
    return (message["severity"] == ("warning" if expected.get("warning") else "error") and
            (place.startswith(at) if at.endswith(":") else place == at) and
            expected["message"] in message["message"] and
            expected.get("hint", "") in message.get("hint", ""))


def problem_with_folder(folder, expect):
    """What is wrong with the answer of `volley test --json` about one folder, or None."""
    done = cli("test", "--json", project=folder)
    document = json.loads(done.stdout)
    errors = any(not expected.get("warning") for expected in expect)
    if (done.returncode, document["ok"]) != (int(errors), not errors):
        return f"exit code {done.returncode}, {document}"
    missing = [expected for expected in expect
               if not any(is_expected(message, expected) for message in document["messages"])]
    if missing or len(document["messages"]) != len(expect):
        return f"missing {missing} in {document['messages']}"
    return None


def test_catalogs(tmp_path):
    """Folders of the table (each third, for time) have exactly their messages, at their places."""
    table = vectors("catalog.json")
    folder, failures = str(tmp_path / "folder"), []
    for case in table["cases"][::9 if SANITIZED else 3]:
        write_files(folder, {**table["base"], **case["files"]}, case.get("modes", {}))
        problem = problem_with_folder(folder, case["expect"])
        if problem:
            failures.append(f"{case['name']}: {problem}")
        shutil.rmtree(folder)
    report(failures)
