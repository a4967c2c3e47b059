"""strandline doctor: what it says of this machine and of programs on it."""

import json
import os
import pathlib
import subprocess

import pytest

FOLDER = "tests/programs/stacks"


@pytest.fixture
def running():
    """Start programs that are ended afterwards."""
    processes = []

    def start(*words, **more):
        process = subprocess.Popen([str(w) for w in words],
                                   stdin=subprocess.PIPE,
                                   stdout=subprocess.PIPE, text=True, **more)
        processes.append(process)
        return process

    yield start
    for process in processes:
        process.kill()
        process.wait()
        process.stdout.close()


def examine(product, *words):
    """{name: check}"""
    report = json.loads(product("doctor", "--json", *words))
    return {check["name"]: check for check in report["checks"]}


def program(product, name):
    """One of tests/programs/stacks, or a skip."""
    path = product.build / FOLDER / name
    if not path.exists():
        pytest.skip(f"{name} was not built here")
    return path


def state(checks, name):
    """Of one check."""
    return checks[name]["state"]


def test_the_machine_is_examined_without_a_process(product):
    checks = examine(product)
    release = os.uname().release
    assert checks["release"]["text"] == f"Linux {release}"
    has = pathlib.Path("/sys/kernel/btf/vmlinux").exists()
    assert (state(checks, "BTF") == "works") == has
    assert state(checks, "run") == "works"
    assert "stacks" not in checks


def test_its_lines_fit_a_terminal(product):
    for line in product("doctor").splitlines():
        assert len(line) <= 80


def test_a_python_process(product, running):
    process = running("/usr/bin/python3", "-c",
                      "import ssl; print('ready', flush=True); input()")
    process.stdout.readline()
    checks = examine(product, process.pid)
    assert checks["C library"]["text"].startswith("glibc 2.")
    assert checks["allocator"]["text"] == "glibc"
    assert checks["interpreter"]["text"] == "CPython"
    assert checks["Python frames"]["text"].startswith("of CPython 3.")
    assert checks["TLS"]["text"] == "OpenSSL"
    assert checks["recorder"]["text"] == "not in"
    assert state(checks, "stacks") == "works"
    assert checks["stacks"]["mend"] == f"strandline stacks {process.pid}"
    assert state(checks, "check --reach") == "fails"


@pytest.mark.parametrize("name, said", [
    ("stacks_static", "linked statically"), ("stacks_musl", "musl"),
    ("stacks_musl_static", "linked statically")])
def test_what_the_recorder_cannot_be_in(product, running, name, said):
    process = running(program(product, name))
    process.stdout.readline()
    checks = examine(product, process.pid)
    assert said in checks["C library"]["text"]
    assert state(checks, "C library") == "fails"
    assert state(checks, "attach --with inject") == "fails"
    assert state(checks, "run") == "partly"
    assert state(checks, "stacks") == "works"


def test_an_allocator_in_a_library(product, running):
    library = "/usr/lib/x86_64-linux-gnu/libjemalloc.so.2"
    if not os.path.exists(library):
        pytest.skip("no libjemalloc2 here")
    process = running(program(product, "stacks_places"),
                      env={**os.environ, "LD_PRELOAD": library})
    process.stdout.readline()
    assert examine(product, process.pid)["allocator"]["text"] == "jemalloc"


def test_a_process_that_records(product, running, recording):
    words = [*product.under(recording.path),
             program(product, "stacks_places")]
    tool = running(*words)
    assert tool.stdout.readline() == "ready\n"
    child = int(pathlib.Path(
        f"/proc/{tool.pid}/task/{tool.pid}/children").read_text())
    checks = examine(product, child)
    assert str(recording.path) in checks["recorder"]["text"]
    assert state(checks, "check --reach") == "works"


def test_who_has_ended_is_told_with_status_1(product):
    gone = subprocess.Popen(["true"])
    gone.wait()
    done = subprocess.run([product.tool, "doctor", str(gone.pid)],
                          capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == f"strandline: there is no process {gone.pid}\n"


def test_without_rights_the_way_to_them_is_told(product):
    if os.geteuid() != 0:
        pytest.skip("becoming somebody else takes root")
    done = subprocess.run(
        ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups",
         "--bounding-set=-bpf", product.tool, "doctor", "--json"],
        capture_output=True, text=True, timeout=60, cwd="/")
    if done.returncode in (126, 127):
        pytest.skip("nobody may not read the built tree")
    checks = {c["name"]: c for c in json.loads(done.stdout)["checks"]}
    assert state(checks, "CAP_BPF") == "fails"
    assert "--cap-add=BPF" in checks["CAP_BPF"]["mend"]
    assert state(checks, "attach (eBPF)") == "fails"
    assert done.returncode == 0, "run works"
