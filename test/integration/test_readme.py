"""The README, followed: its files are written and its commands run in order, and each prints what it shows.

Blocks by their language:
  console   lines with "$ " are commands, run in one shell in a fresh folder; the others their output
  yaml      with a path in the first line ("# shop/volley.yaml"): a file, written when its turn comes;
            without: a fragment, which test_examples.py loads as a part of a project
  sh        commands that are not run; each has its reason in NOT_RUN

With README_WRITE=1 in the environment the outputs are written into the README instead; look at what
`git diff` says then.
"""

import os
import re
import subprocess

import pytest
import yaml

from harness import BUILD, TOP, TROUBLE
from servers import free_port

# First line of an "sh" block -> why its commands are not run here.
NOT_RUN = {
    "make demo": "waits for Ctrl-C; the console block behind it runs it with ONCE=1",
    "sudo certbot certonly --standalone -d events.example.com --deploy-hook '":
        "needs a CA and a public name; the console block before it renews a certificate",
    "sudo make install": "changes the system and needs systemd as process 1; test_systemd.py installs"
                         " with DESTDIR, has the units verified, and speaks systemd's protocol",
    "./configure --prefix=/usr --sysconfdir=/etc        # in a clone, `make configure` makes it first":
        "`make check` is what runs this test; test/archive and test_build.py run the others",
}

# What the test puts in place of a command: where it builds, and where its servers are.
REPLACED = {
    "make demo ONCE=1": "VOLLEY_BUILD='{build}' ONCE=1 '{top}/tools/demo' 2>&1",
    "export SHOP_LIVE=postgresql://127.0.0.1/shop SHOP_TEST=postgresql://127.0.0.1/shop_test":
        "export SHOP_LIVE='{live}' SHOP_TEST='{test}'",
    "export SHOP_REDIS=redis://127.0.0.1:6379": "export SHOP_REDIS='{redis}'",
}

# The README's ports, each replaced by one that is free.
PORTS = {"8080": "port", "8081": "admin", "8443": "tls"}

# What differs from run to run; everything else is compared to the letter.
PLACEHOLDERS = [
    ("UUID of version 7", r"\b[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}\b"),
    ("milliseconds in a reply", r'(?<="responseTimeMS": )\d+(\.\d{1,3})?'),
    ("milliseconds in a reply", r'(?<="startedMS": )\d+(\.\d{1,3})?'),
    ("milliseconds in a reply", r'(?<="totalTimeMS": )\d+(\.\d{1,3})?'),
    ("bar and time of a timeline", r"(?<=  )[█─ ]{40} +\d+\.\d{3} ms$"),
    ("time of a log line", r"(?<=time=)\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z\b"),
    ("version in a log line", r"(?<= version=)\d+\.\d+\.\d+\b"),
    ("version in the status", r"(?<=^volleyd )\d+\.\d+\.\d+(?= is )"),
    ("time in the status", r"(?<=, up )\d+s$"),
]


def blocks():
    """(language, lines) of every block, in order."""
    with open(os.path.join(TOP, "README.md"), encoding="utf-8") as file:
        text = file.read()
    assert not re.search(r"\n\n    \S", text), "a block without fences would be overlooked"
    found = re.findall(r"^```(\w*)\n(.*?)^```$", text, re.M | re.S)
    assert len(re.findall(r"^```", text, re.M)) == 2 * len(found)
    return [(language, content.splitlines()) for language, content in found]


def commands_of(lines):
    """The commands of a console block: [command, its output]."""
    commands = []
    for line in lines:
        if line.startswith("$ "):
            commands.append([line[2:], []])
        else:
            commands[-1][1].append(line)
    return [(command, "\n".join(output)) for command, output in commands]


def normal(text):
    for name, pattern in PLACEHOLDERS:
        text = re.sub(pattern, f"<{name}>", text, flags=re.M)
    return text


def own_ports(text, names):
    for shown, name in PORTS.items():
        text = re.sub(rf"(?<=:){shown}\b", str(names[name]), text)
    return text


def runnable(command, names):
    """The command with the test's ports and servers, and a wait behind a daemon's start."""
    for written, instead in REPLACED.items():
        command = command.replace(written, instead.format(**names))
    command = own_ports(command, names)
    if command.startswith("volleyd "):
        command += (f"\nfor i in $(seq 300); do (: < /dev/tcp/127.0.0.1/{names['port']})"
                    " 2> /dev/null && break; sleep 0.1; done")
    return command


class Follower:
    """Collects the README into one script, and what it must print."""

    def __init__(self, names):
        self.names = names
        self.script = []
        self.expected = []

    def mark(self, label, output):
        self.script.append(f"echo; echo '@@@{len(self.expected)}'")
        self.expected.append((label, output))

    def console(self, lines):
        for command, output in commands_of(lines):
            self.mark(command, output)
            self.script.append(runnable(command, self.names))
            if command.startswith("volley init"):  # the ports that are free here
                self.script.append("printf 'listen: 127.0.0.1:{port}\\nadmin: {{ listen: 127.0.0.1:{admin} "
                                   "}}\\n' > shop/volley.yaml".format(**self.names))

    def file(self, path, lines):
        text = own_ports("\n".join(lines), self.names)
        self.script.append(f"cat > '{path}' << '@@@'\n{text}\n@@@")

    def run(self, folder):
        """[(command, expected output, output)]"""
        self.mark("the end", "")
        done = subprocess.run(
            ["bash", "-c", "\n".join(self.script)], cwd=folder, text=True, timeout=300, check=False,
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
            env={**os.environ, "PATH": f"{BUILD}:{os.environ['PATH']}", "LC_ALL": "C.UTF-8"})
        assert not TROUBLE.search(done.stdout), done.stdout
        parts = re.split(r"^@@@\d+\n", done.stdout, flags=re.M)[1:]
        assert len(parts) == len(self.expected), done.stdout
        return [(command, expected, output) for (command, expected), output in
                zip(self.expected, parts)]


def write_outputs(answers):
    """Puts what was printed in place of what the README shows."""
    path = os.path.join(TOP, "README.md")
    with open(path, encoding="utf-8") as file:
        pieces = re.split(r"^(```console\n.*?^```\n)", file.read(), flags=re.M | re.S)
    rest = iter(answers)
    for number, piece in enumerate(pieces):
        if piece.startswith("```console"):
            count = len(re.findall(r"^\$ ", piece, re.M))
            shown = "".join(f"$ {command}\n{output}\n" if output else f"$ {command}\n"
                            for command, _, output in (next(rest) for _ in range(count)))
            pieces[number] = f"```console\n{shown}```\n"
    with open(path, "w", encoding="utf-8") as file:
        file.write("".join(pieces))


def follow(names, folder):
    follower, not_run = Follower(names), []
    for language, lines in blocks():
        path = re.fullmatch(r"# (\S+\.yaml|prometheus\.yml)", lines[0])
        if language == "console":
            assert lines[0].startswith("$ "), lines
            follower.console(lines)
        elif language == "yaml" and path:
            follower.file(path[1], lines)
        elif language == "sh":
            not_run.append(lines[0])
        else:
            assert language == "yaml" and re.match("(id|- id):", lines[0]), lines
    assert sorted(not_run) == sorted(NOT_RUN), "each block that is not run has its reason"
    return follower.run(folder)


def as_shown(output, names, folder):
    """An output with the README's port and folder, and without blanks at the ends of its lines."""
    for shown, name in PORTS.items():
        output = re.sub(rf"(?<=[:=]){names[name]}\b", shown, output)
    output = output.replace(f"{folder}/", "/home/ana/")
    return "\n".join(line.rstrip() for line in output.strip("\n").splitlines())


def test_every_command_of_the_readme(tmp_path, postgres, redis_):
    """Some 10 s: most of it is the demo, which starts a PostgreSQL of its own."""
    names = {"build": BUILD, "top": TOP, "live": postgres.url("live"),
             "test": postgres.url("test"), "redis": redis_.url().rsplit("/", 1)[0],
             **{name: free_port() for name in PORTS.values()}}
    answers = [(command, expected, as_shown(output, names, tmp_path))
               for command, expected, output in follow(names, tmp_path)]
    assert len(answers) >= 40
    if os.environ.get("README_WRITE"):
        write_outputs(answers)
        return
    with open(tmp_path / "prometheus.yml", encoding="utf-8") as file:
        [job] = yaml.safe_load(file)["scrape_configs"]
    assert job["static_configs"] == [{"targets": [f"127.0.0.1:{names['admin']}"]}]
    wrong = []
    for command, expected, output in answers:
        if normal(output) != normal(expected):
            wrong.append(f"$ {command}\n--- shown:\n{expected}\n--- printed:\n{output}")
    assert not wrong, "\n\n".join(wrong)


@pytest.mark.parametrize("name, page", [("volley-project", 5), ("volley.yaml", 5), ("volley", 1),
                                        ("volleyd", 8)])
def test_the_pages_it_names_are_there(name, page):
    with open(os.path.join(TOP, "README.md"), encoding="utf-8") as file:
        assert f"man ./man/{name}.{page}" in file.read()
    assert os.path.exists(os.path.join(TOP, "man", f"{name}.{page}"))


def test_the_files_it_links_are_there():
    with open(os.path.join(TOP, "README.md"), encoding="utf-8") as file:
        links = re.findall(r"\]\(([^)#]+)\)", file.read())
    assert links and all(os.path.exists(os.path.join(TOP, link)) for link in links)


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
