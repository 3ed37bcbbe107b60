"""The YAML that README and volley-project(5) show, put into one project folder: all of it loads."""

import os
import re
import subprocess

import yaml

from harness import TOP, Project, cli

DATABASE = {"url": "postgresql://127.0.0.1/shop"}
MODEL = {"id": "String!", "plan": "String!", "address!": {"city": "String!"}}


def examples():
    """Every mapping or list of actions that is shown."""
    with open(os.path.join(TOP, "README.md"), encoding="utf-8") as file:
        texts = re.findall(r"^```yaml\n(.*?)^```", file.read(), re.M | re.S)
    with open(os.path.join(TOP, "man", "volley-project.5"), encoding="utf-8") as file:
        texts += re.findall(r"^\.Bd -literal[^\n]*\n(.*?)^\.Ed", file.read(), re.M | re.S)
    return [yaml.safe_load(text) for text in texts if re.match("(id|- id|actions|template):", text)]


def with_type(template):
    """What a template without its action belongs to."""
    if "args" in template:
        return {"type": "REDIS", "action": "COMMAND", "serviceAccountId": "core-redis"}
    return {"type": "POSTGRESQL", "action": "QUERY" if "sql" in template else "UPDATE",
            "serviceAccountId": "customer-postgresql-database"}


def test_the_examples_load(tmp_path):
    project = Project(tmp_path)
    actions, redis_ = [], []
    for shown in examples():
        if isinstance(shown, list) or "actions" in shown:
            actions += shown if isinstance(shown, list) else shown["actions"]
        elif "template" in shown:
            actions.append({"id": f"shown{len(actions)}", **with_type(shown["template"]), **shown})
        elif "filters" in shown:
            project.write(f"events/{shown['id']}.yaml", shown)
        else:
            redis_.append(shown)
    assert len(actions) >= 9 and len(redis_) == 2
    os.mkdir(project.path("certificates"))
    subprocess.run(["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-subj", "/CN=test",
                    "-keyout", project.path("key.pem"), "-out",
                    project.path("certificates/redis-ca.pem")], check=True, capture_output=True)
    project.account("customer-postgresql-database", "POSTGRESQL", test=DATABASE, live=DATABASE)
    project.event("customer.shown", actions, MODEL)
    for account in redis_:
        project.write("accounts/core-redis.yaml", account)
        done = cli("test", project=project.folder, env={"REDIS_PASSWORD": "secret"})
        assert done.returncode == 0 and "warning" not in done.stderr, done.stderr
