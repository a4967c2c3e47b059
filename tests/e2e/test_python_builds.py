"""Interpreters whose frames cannot be read: PyPy, builds that nobody serves
with, versions that nobody knows.

They run as without us, their native stacks are as before, and one line says
what is missing and why; started by us, entered, or looked at.
"""

import contextlib
import json
import pathlib
import re
import struct
import subprocess

import pytest

import serve
from conftest import Recording
from pythons import Python, made
from test_inject import Attached

DEBIAN = serve.PYTHON
MODES = {"exact": ["--mode", "exact"], "sample": ["--rate", "16KiB"]}
MISSING = "Python frames are not shown: the interpreter"

SIZE = 600000
PROGRAM = """
import sys, threading
kept = []
def keep(): kept.append(bytearray(%d))
def work():
    for i in range(4): keep()
for line in sys.stdin:
    threads = [threading.Thread(target=work) for _ in range(4)]
    for t in threads: t.start()
    for t in threads: t.join()
    print("kept", len(kept), flush=True)
""" % SIZE
KEPT = 16 * SIZE


def symbol_offset(path, name):
    """Where in the file what a dynamic symbol names stands."""
    table = subprocess.run(["readelf", "-W", "--dyn-syms", "-l", path],
                           check=True, capture_output=True, text=True).stdout
    at = int(re.search(rf"([0-9a-f]{{16}}) .* {name}\n", table)[1], 16)
    for found in re.finditer(r"LOAD +0x(\w+) 0x(\w+) 0x\w+ 0x(\w+)", table):
        offset, start, size = (int(word, 16) for word in found.groups())
        if start <= at < start + size:
            return offset + at - start
    raise AssertionError(f"{name} is nowhere in {path}")


def patched(folder, version):
    """Debian's interpreter, which says that it is another version."""
    image = bytearray(pathlib.Path(DEBIAN).resolve().read_bytes())
    at = symbol_offset(DEBIAN, "Py_Version")
    assert struct.unpack_from("<I", image, at)[0] >> 16 == 0x30b
    struct.pack_into("<I", image, at, version)
    path = folder / "python3"
    path.write_bytes(image)
    path.chmod(0o755)
    return Python(str(path), (("PYTHONHOME", "/usr"),))


REASONS = {
    "pypy": "is PyPy",
    "debug": "is a debug build",
    "newer": "is newer than CPython 3.14",
    "other": "'s memory is not laid out as that of its version",
    "free-threaded": "is a free-threaded build",
}
SLOW = ["debug", "free-threaded"]  # to name in a report, and to make
VERSIONS = {"newer": 0x030f00f0, "other": 0x030c01f0}


@pytest.fixture(scope="module", params=[
    pytest.param(name, marks=[pytest.mark.long] * (name in SLOW))
    for name in REASONS])
def build(request, tmp_path_factory):
    """(the interpreter, why its frames cannot be read)"""
    name = request.param
    if name in VERSIONS:
        return (patched(tmp_path_factory.mktemp(name), VERSIONS[name]),
                REASONS[name])
    return made(name), REASONS[name]


@pytest.mark.parametrize("mode", MODES)
def test_it_runs_as_without_us(product, recording, build, mode):
    python, reason = build
    done = subprocess.run(
        [*product.under(recording.path, *MODES[mode]), python.path, "-c",
         PROGRAM], input="\n\n", capture_output=True, text=True, timeout=120,
        env=python.env)
    assert (done.returncode, done.stdout) == (0, "kept 16\nkept 32\n"), (
        done.stderr)
    report = recording.json()
    said = [line for line in report["problems"] if MISSING in line]
    assert len(said) == 1 and reason in said[0]
    assert not any(report["losses"].values())
    check_native(report, KEPT)


def check_native(report, kept):
    """No frame is Python's, and those of the machine are all there."""
    frames = [f for site in report["sites"] for f in site["stack"]]
    assert {f["kind"] for f in frames} <= {"native", "marker"}
    large = [s for s in report["sites"]
             if s["allocated"]["bytes"]["value"] > 8 * SIZE / 2]
    assert sum(s["allocated"]["bytes"]["value"] for s in large) > kept
    deep = max(large, key=lambda site: len(site["stack"]))["stack"]
    assert len(deep) > 10
    assert {f["function"] for f in deep} & {"start_thread",
                                            "__libc_start_main"}


@contextlib.contextmanager
def working(python):
    """A process that works when told to, in order and to its end."""
    process = subprocess.Popen(
        [python.path, "-c", PROGRAM], stdin=subprocess.PIPE,
        stdout=subprocess.PIPE, text=True, env=python.env)

    def work():
        process.stdin.write("\n")
        process.stdin.flush()
        return process.stdout.readline()

    try:
        assert work() == "kept 16\n"
        yield process, work
        process.stdin.close()
        assert process.wait(60) == 0
    finally:
        process.kill()
        process.wait()
        process.stdout.close()


def test_it_is_entered_and_left(product, build, tmp_path):
    python, reason = build
    with working(python) as (process, work):
        attached = Attached(product, process.pid, tmp_path / "t.strand",
                            "--mode", "exact")
        assert [work(), work()] == ["kept 32\n", "kept 48\n"]
        attached.interrupt()
        assert work() == "kept 64\n"
    report = Recording(product, tmp_path / "t.strand").json()
    said = [line for line in report["problems"] if MISSING in line]
    assert len(said) == 1 and reason in said[0]
    if "free-threaded" not in reason:  # its own mimalloc had room
        check_native(report, 2 * KEPT)


def test_its_native_stacks_are_told_from_outside(product, build):
    python, reason = build
    with working(python) as (process, work):
        told = json.loads(product("stacks", process.pid, "--json"))
        said = [p for p in told["problems"] if MISSING in p]
        assert len(said) == 1 and reason in said[0]
        main = next(t for t in told["threads"] if t["tid"] == process.pid)
        assert {f["kind"] for f in main["stack"]} == {"native"}
        assert len(main["stack"]) > 10
        assert main["outer_end"] == "root"
        assert work() == "kept 32\n"


@pytest.mark.long
def test_its_native_stacks_are_told_from_the_kernel(product, build,
                                                    tmp_path):
    python, reason = build
    # That it is odd is said of none that was looked at less than 16 times.
    seconds = "30" if "laid out" in reason else "3"
    with working(python) as (process, work):
        done = subprocess.run(
            [product.tool, "attach", str(process.pid), "--with", "bpf",
             "--duration", seconds, "-o", tmp_path / "t.strand"],
            capture_output=True, text=True, timeout=120)
        if "CAP_BPF" in done.stderr:
            pytest.skip("probes need rights: " + done.stderr.strip())
        assert done.returncode == 0, done.stderr
        assert work() == "kept 32\n"
    report = Recording(product, tmp_path / "t.strand").json()
    said = [line for line in report["problems"] if MISSING in line]
    assert len(said) == 1 and reason in said[0]
