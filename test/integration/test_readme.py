"""The README, followed: every command of its console blocks is run, and answers as it says."""

import os
import re
import subprocess

from harness import BUILD, TOP
from servers import free_port


def console_blocks():
    """The commands of the README in order: (command, expected output)."""
    with open(os.path.join(TOP, "README.md"), encoding="utf-8") as file:
        text = file.read()
    commands = []
    for block in re.findall(r"^```console\n(.*?)^```", text, re.M | re.S):
        for line in block.splitlines():
            if line.startswith("$ "):
                commands.append((line[2:], []))
            else:
                commands[-1][1].append(line)
    return [(command, "\n".join(lines)) for command, lines in commands]


def normal(text):
    """Without what differs from run to run: ids and times."""
    text = re.sub(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", "UUID", text)
    text = re.sub(r'("(responseTimeMS|startedMS|totalTimeMS)": )[\d.]+', r"\1TIME", text)
    text = re.sub(r"[ █]*[\d.]+ ms", " TIME ms", text)
    return text.strip()


def test_every_command_of_the_readme(tmp_path):
    port = free_port()
    commands = console_blocks()
    assert len(commands) >= 8
    script = []
    for number, (command, _) in enumerate(commands):
        script.append(f"echo; echo '@@@{number}'")
        script.append(command.replace("8080", str(port)))
        if command.startswith("volley init"):
            script.append(f"sed -i s/8080/{port}/ shop/volley.yaml")
            script.append(f"echo 'admin: {{ listen: 127.0.0.1:{free_port()} }}' "
                          ">> shop/volley.yaml")
        if command.endswith("&"):
            script.append(f"daemon=$!; for i in $(seq 300); do (: < /dev/tcp/127.0.0.1/{port}) "
                          "2> /dev/null && break; sleep 0.1; done")
    script += ["echo; echo '@@@end'", "kill $daemon", "wait $daemon", 'echo "ended with $?"']
    done = subprocess.run(
        ["bash", "-c", "\n".join(script)], cwd=tmp_path, text=True, timeout=120, check=False,
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
        env={**os.environ, "PATH": f"{BUILD}:{os.environ['PATH']}", "LC_ALL": "C.UTF-8"})

    parts = re.split(r"^@@@(?:\d+|end)\n", done.stdout, flags=re.M)[1:]
    assert len(parts) == len(commands) + 1, done.stdout
    for (command, expected), output in zip(commands, parts):
        assert normal(output) == normal(expected), command
    assert "ended with 0" in parts[-1]


def test_the_examples_load(tmp_path):
    """The YAML of the README's and the manual's examples is what etc/example shows at work."""
    environment = {**os.environ, "VOLLEY_DEMO_POSTGRESQL": "postgresql://127.0.0.1/x",
                   "VOLLEY_DEMO_REDIS": "redis://127.0.0.1"}
    done = subprocess.run([os.path.join(BUILD, "volley"), "test", "--project",
                           os.path.join(TOP, "etc", "example")], env=environment, text=True,
                          capture_output=True, check=False)
    assert done.returncode == 0, done.stderr
    sample = tmp_path / "volley.yaml"
    with open(os.path.join(TOP, "etc", "volley.yaml"), encoding="utf-8") as file:
        text = file.read()
    # The sample as it is, and with every commented key in force.
    keys = re.sub(r"^# (?=( *)[a-zA-Z]+:( |$))", "", text, flags=re.M)
    assert keys != text
    for content in (text, keys):
        sample.write_text(content, encoding="utf-8")
        done = subprocess.run([os.path.join(BUILD, "volley"), "test", "--project", str(tmp_path)],
                              text=True, capture_output=True, check=False)
        assert done.returncode == 0, done.stderr + content
