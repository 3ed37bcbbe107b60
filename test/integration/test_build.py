"""The build system: what configure says about missing packages, the layers check, the scripts.

Each test works on its own small copy of the build files, so nothing here waits for a compiler to
go through the sources; test/archive builds and installs the real archive.
"""
import os
import re
import shutil
import subprocess

import pytest

TOP = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
LIBRARIES = {"libevent-dev", "libssl-dev", "libpq-dev", "libhiredis-dev", "libyajl-dev",
             "libfyaml-dev"}


# What the make that runs the tests was told is not for the makes in here.
OUTER = {"MAKEFLAGS", "MFLAGS", "MAKELEVEL", "BUILD", "SANITIZE", "DEBUG", "WERROR"}


def run(command, cwd, **env):
    inherited = {name: value for name, value in os.environ.items() if name not in OUTER}
    return subprocess.run(command, cwd=cwd, env={**inherited, **env}, text=True, timeout=120,
                          stdin=subprocess.DEVNULL, capture_output=True)


@pytest.fixture
def tree(tmp_path):
    """The build files and one source, without config.mk."""
    for name in ("configure.ac", "configure", "config.mk.in", "Makefile"):
        shutil.copy2(os.path.join(TOP, name), tmp_path)
    for folder in ("include/base", "include/value", "src/base", "src/value", "test", "tools"):
        (tmp_path / folder).mkdir(parents=True)
    shutil.copy2(os.path.join(TOP, "test/layers"), tmp_path / "test")
    shutil.copy2(os.path.join(TOP, "tools/packages"), tmp_path / "tools")
    (tmp_path / "include/base/arena.h").write_text("struct arena;\n")
    (tmp_path / "include/value/value.h").write_text('#include "base/arena.h"\n')
    main = "#include <stdio.h>\nint main(void)\n{\n\treturn puts(VOLLEY_%s) < 0;\n}\n"
    (tmp_path / "src/volley.c").write_text(main % "DATADIR")
    (tmp_path / "src/volleyd.c").write_text(main % "VERSION")
    (tmp_path / "src/base/arena.c").write_text("int arena_nothing;\n")
    return tmp_path


def test_every_missing_library_is_named_at_once(tree):
    done = run(["./configure"], tree, PKG_CONFIG_LIBDIR="/nonexistent", PKG_CONFIG_PATH="")
    assert done.returncode != 0
    last = done.stderr.strip().splitlines()[-1]
    assert last.startswith("apt-get install ")
    assert set(last.split()[2:]) == LIBRARIES
    assert "libpq >= 14 (Debian package libpq-dev)" in done.stderr
    assert not (tree / "config.mk").exists()


def test_libraries_without_pkg_config_files_are_named(tree):
    """http_parser and uthash have no .pc file: a compiler that cannot find their headers."""
    compiler = tree / "cc"
    compiler.write_text('#!/bin/sh\nfor a; do case $a in *.c) grep -q "http_parser.h\\|uthash.h" "$a" '
                        '&& exit 1 ;; esac; done\nexec cc "$@"\n')
    compiler.chmod(0o755)
    done = run(["./configure", f"CC={compiler}"], tree)
    assert done.returncode != 0
    assert done.stderr.strip().splitlines()[-1] == "apt-get install libhttp-parser-dev uthash-dev"


def test_an_old_libpq_is_too_old(tree):
    (tree / "pc").mkdir()
    (tree / "pc/libpq.pc").write_text("Name: libpq\nDescription: old\nVersion: 13.9\nLibs: -lpq\n")
    done = run(["./configure"], tree, PKG_CONFIG_PATH=str(tree / "pc"))
    assert done.returncode != 0
    assert "libpq >= 14, found 13.9 (Debian package libpq-dev)" in done.stderr


def test_without_pkg_config_only_it_is_missing(tree):
    tools = tree / "bin"
    tools.mkdir()
    for folder in os.environ["PATH"].split(":") + ["/usr/bin", "/bin"]:
        for name in os.listdir(folder) if os.path.isdir(folder) else []:
            hidden = "pkg-config" in name or "pkgconf" in name
            if not hidden and not os.path.lexists(tools / name):
                os.symlink(os.path.join(folder, name), tools / name)
    done = run(["./configure", "CPPFLAGS=-I/usr/include/postgresql"], tree, PATH=str(tools))
    assert done.returncode != 0
    assert done.stderr.strip().splitlines()[-1] == "apt-get install pkg-config"


def test_a_changed_prefix_reaches_the_programs(tree):
    for prefix in ("/usr", "/opt/volley"):
        assert run(["./configure", f"--prefix={prefix}", "CFLAGS=-O0"], tree).returncode == 0
        built = run(["make", "WERROR=1"], tree)
        assert built.returncode == 0, built.stderr
        said = run(["build/volley"], tree).stdout
        assert said == f"{prefix}/share/volley\n"


def test_a_changed_header_builds_what_includes_it(tree):
    source = '#include "value/value.h"\nint value_size(void);\nint value_size(void)\n{\n\treturn SIZE;\n}\n'
    (tree / "src/value/value.c").write_text(source)
    (tree / "include/base/arena.h").write_text("#define SIZE 1\n")
    assert run(["./configure", "CFLAGS=-O0"], tree).returncode == 0
    assert "src/value/value.c" in run(["make"], tree).stdout
    assert "src/value/value.c" not in run(["make"], tree).stdout
    header = tree / "include/base/arena.h"
    header.write_text("#define SIZE 2\n")
    later = (tree / "build/volley").stat().st_mtime + 2
    os.utime(header, (later, later))
    said = run(["make"], tree).stdout
    assert "src/value/value.c" in said and "src/base/arena.c" not in said


def test_layers_are_in_order(tree):
    done = run(["test/layers"], tree)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("path, text, message", [
    ("src/base/up.c", '#include "base/arena.h"\n#include "value/value.h"\n',
     r'^src/base/up\.c:2: base includes "value/value\.h", a layer above it$'),
    ("include/base/up.h", '#  include "value/value.h"\n',
     r'^include/base/up\.h:1: base includes "value/value\.h"'),
    ("src/base/plain.c", '#include "arena.h"\n',
     r'^src/base/plain\.c:1: "arena\.h" is not written as "layer/file\.h"$'),
    ("src/value/sly.c", '#include "base/../value/value.h"\n', r"^src/value/sly\.c:1: "),
    ("src/extra/new.c", "\n", r"^src/extra/new\.c:1: folder 'extra' is no layer"),
    ("include/value/needy.h", "size_t needy(void);\n",
     r"^include/value/needy\.h:1: does not compile alone$"),
])
def test_layers_find_a_planted_mistake(tree, path, text, message):
    (tree / path).parent.mkdir(exist_ok=True)
    (tree / path).write_text(text)
    done = run(["test/layers"], tree)
    assert done.returncode == 1
    assert re.search(message, done.stderr, re.M), done.stderr


def test_packages_are_listed_by_name(tree):
    done = run(["tools/packages", "list", "build", "demo"], tree)
    names = done.stdout.split()
    assert done.returncode == 0
    assert LIBRARIES | {"postgresql", "redis-server", "uthash-dev"} <= set(names)
    assert run(["tools/packages", "missing", "build", "demo"], tree).stdout == ""
    assert run(["tools/packages", "list", "nonsense"], tree).returncode == 2


def fake_system(tree, installed):
    """Programs in place of dpkg-query, apt-get, id and sudo, as on a machine with little installed."""
    tools = tree / "fake"
    tools.mkdir()
    lines = "".join(f"installed {name}\\n" for name in installed)
    for name, text in {"dpkg-query": f"printf '{lines}'", "apt-get": 'echo "apt-get $*" >> "$TOLD"',
                       "sudo": 'echo "sudo $*" >> "$TOLD"', "id": "echo 1000"}.items():
        (tools / name).write_text(f"#!/bin/sh\n{text}\n")
        (tools / name).chmod(0o755)
    return {"PATH": f"{tools}:{os.environ['PATH']}", "TOLD": str(tree / "told")}


def test_packages_asks_sudo_for_the_missing_ones(tree):
    env = fake_system(tree, ["redis-server", "curl"])
    done = run(["tools/packages", "install", "demo"], tree, **env)
    assert done.returncode == 0
    assert done.stderr.strip() == "packages to install: postgresql"
    assert (tree / "told").read_text().endswith("tools/packages install demo\n")


def test_packages_takes_an_alternative_and_leaves_apt_alone(tree):
    env = fake_system(tree, ["postgresql-16", "redis-server", "curl"])
    done = run(["tools/packages", "install", "demo"], tree, **env)
    assert (done.returncode, done.stderr) == (0, "")
    assert not (tree / "told").exists()
