"""strandline stacks: Python frames as Python tells them, in each version.

Interpreters: Debian's, those of pyenv, and 3.14 in a root of unstable
(scripts/roots.sh).  What a machine lacks is skipped by name.
"""

import contextlib
import glob
import json
import os
import pathlib
import re
import shutil
import subprocess

import pytest

from test_roots import Container

PROGRAMS = pathlib.Path(__file__).parents[1] / "programs/stacks"
WANTED = ["3.9", "3.10", "3.11", "3.12", "3.13", "3.14"]


def interpreters():
    """{version: path} of what pyenv has, and Debian's own."""
    found = {"debian": "/usr/bin/python3"}
    root = os.environ.get("PYENV_ROOT", os.path.expanduser("~/.pyenv"))
    for path in glob.glob(f"{root}/versions/*/bin/python3"):
        version = re.search(r"versions/(\d+\.\d+)", path)
        if version and version[1] in WANTED:
            found[version[1]] = path
    return found


FOUND = interpreters()


@contextlib.contextmanager
def command_of(product, version, program, folder):
    """What runs that program with that version."""
    if FOUND.get(version):
        yield [FOUND[version], str(PROGRAMS / program)]
        return
    if version != "3.14" or os.geteuid():
        pytest.skip(f"no Python {version} here")
    shared = folder / "shared"
    shared.mkdir()
    container = Container(product, "sid", shared)
    try:
        yield container.command("python3", shutil.copy(PROGRAMS / program,
                                                       shared))
    finally:
        container.close()


@contextlib.contextmanager
def running(command):
    """A process that has told where it is: (process, what it told)."""
    process = subprocess.Popen(command, stdin=subprocess.PIPE,
                               stdout=subprocess.PIPE, text=True)
    try:
        yield process, json.loads(process.stdout.readline() or "null")
    finally:
        process.kill()
        process.wait()
        process.stdin.close()
        process.stdout.close()


@pytest.fixture(params=["debian", *WANTED])
def told(product, request, tmp_path):
    """A process of that version, and what it tells of its threads."""
    with command_of(product, request.param, "places.py",
                    tmp_path) as command:
        with running(command) as (process, places):
            yield process, {int(tid): frames for tid, frames
                            in places["threads"].items()}


def stacks(product, pid, *options):
    """{tid: thread} of the report in JSON."""
    report = json.loads(product("stacks", pid, "--json", *options))
    assert report["problems"] == []
    return {thread["tid"]: thread for thread in report["threads"]}


def test_frames_and_lines_are_those_that_python_tells(product, told):
    process, threads = told
    seen = stacks(product, process.pid, "--python-only")
    for tid, frames in threads.items():
        stack = [[f["function"], f["file"], f["line"]]
                 for f in reversed(seen[tid]["stack"])]
        assert stack == frames


def test_python_stands_between_the_native_frames(product, told):
    process, threads = told
    seen = stacks(product, process.pid)
    for tid in threads:
        names = [f["function"] for f in seen[tid]["stack"]]
        kinds = [f["kind"] for f in seen[tid]["stack"]]
        assert kinds[0] == "native" and kinds[-1] == "native"
        assert not any("_PyEval_EvalFrameDefault" in name for name in names)
        assert seen[tid]["outer_end"] == "root"
    through = next(t for tid, t in seen.items() if tid in threads and any(
        f["function"].endswith("through_native") for f in t["stack"]))
    kinds = [f["kind"] for f in through["stack"]]
    names = [f["function"].split(".")[-1] for f in through["stack"]]
    between = kinds[names.index("through_native"):names.index("wait")]
    assert "native" in between, "sorted() called back"


def test_the_evaluator_itself_is_shown_when_asked(product, told):
    process, threads = told
    seen = stacks(product, process.pid, "--native-only")
    for tid in threads:
        frames = seen[tid]["stack"]
        assert all(f["kind"] == "native" for f in frames)
        assert any("_PyEval_EvalFrameDefault" in f["function"]
                   for f in frames)


def test_threads_are_named_as_in_threading(product, told):
    process, threads = told
    seen = stacks(product, process.pid)
    named = {seen[tid]["python_name"] for tid in threads}
    assert named == {"py-deep", "py-through_native", "py-drive"}
    assert seen[process.pid]["python_name"] == "MainThread"


HANG = """
import re, threading, time
def other():
    while True: time.sleep(0.001)
def serve():
    print("null", flush=True)
    re.match(r"(a+)+b", "a" * 64)
threading.Thread(target=other, name="other", daemon=True).start()
serve()
"""


@pytest.mark.parametrize("version", ["debian", "3.13"])
def test_a_server_that_hangs_in_native_code(product, version, eventually):
    """It keeps the lock; an interpreter without symbols tells so, too."""
    def hangs():
        main, other = sorted(stacks(product, process.pid).values(),
                             key=lambda thread: thread["python_name"])
        names = {f["function"] for f in main["stack"]}
        return {"serve", "match"} <= names and other["waits_for"] == (
            "Python's global interpreter lock (futex)")

    with running([FOUND.get(version) or pytest.skip(f"no {version}"), "-c",
                  HANG]) as (process, _):
        eventually(hangs, 60)


@pytest.mark.parametrize("version", [
    pytest.param("3.9", marks=pytest.mark.long), "3.10", "3.11", "3.12",
    "3.13", pytest.param("3.14", marks=pytest.mark.long)])
def test_interpreters_within_the_interpreter(product, version, tmp_path):
    with command_of(product, version, "within.py", tmp_path) as command:
        with running(command) as (process, _):
            seen = stacks(product, process.pid)
    for thread in seen.values():
        kinds = {f["function"]: f["kind"] for f in thread["stack"]}
        named = [f["function"] for f in thread["stack"]
                 if f["kind"] == "python"]
        assert named[-4:] == ["begin", "enter", "<module>", "within"]
        assert not any("_PyEval_EvalFrameDefault" in name for name in kinds)
    assert len(seen) == 2


@pytest.mark.parametrize("version", ["debian", "debian uvloop", *WANTED])
def test_tasks_are_where_their_coroutines_await(product, version, tmp_path):
    version, *loop = version.split()
    with command_of(product, version, "tasks.py", tmp_path) as command:
        if subprocess.run([*command[:-1], "-c", "import asyncio"],
                          capture_output=True).returncode:
            pytest.skip(f"{' '.join(command[:-1])} has no asyncio")
        with running([*command, *loop]) as (process, places):
            report = json.loads(product("stacks", process.pid, "--json"))
    tasks = {t["name"]: t for t in report["tasks"]}
    for name, (waits, frames) in places.items():
        seen = [[f["function"], f["line"]]
                for f in reversed(tasks[name]["stack"])]
        assert [tasks[name]["waits_for"], seen] == [waits, frames], name
        assert tasks[name]["state"] == "waiting"
    assert len(tasks) == len(places) + 3, "main, and the two of gather()"


def test_fifty_threads_stand_still_for_less_than_5_ms(product, tmp_path,
                                                     eventually):
    stopped = []

    def soon_over(process):
        report = json.loads(product("stacks", process.pid, "--json"))
        assert len(report["threads"]) == 51
        stopped.append(report["stopped_ms"])
        return stopped[-1] < 5

    with command_of(product, "debian", "places.py", tmp_path) as command:
        with running([*command, "47"]) as (process, places):
            assert len(places["threads"]) == 50
            # What others make of the CPUs is not the tool's: the best of many.
            eventually(lambda: soon_over(process))
    print(f"50 Python threads stood still for {min(stopped):.2f} ms")


def test_a_process_without_an_interpreter_has_nothing_to_say_of_it(product):
    process = subprocess.Popen(["sleep", "30"])
    try:
        stacks(product, process.pid)
    finally:
        process.kill()
        process.wait()
