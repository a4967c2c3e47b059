"""Into programs that run, and bring their own allocator: their code is changed.

tests/programs/own has them: with OWN_GATE they wait before they begin, and a
storm never stops allocating while somebody comes and goes.
"""

import contextlib
import os
import re
import subprocess

import pytest

from conftest import Recording
from test_inject import Attached, mappings, released
from test_own_malloc import PROGRAMS, outcome, program, truth_of
from test_truth import seen

CYCLES = 200 if os.environ.get("STRANDLINE_ALL") else 3
SHORT = {"jemalloc", "tcmalloc_hidden", "_rjem_jemalloc", "careful",
         "shared_tcmalloc"}
STORMS = ["_rjem_jemalloc_storm",
          pytest.param("jemalloc_storm", marks=pytest.mark.long),
          pytest.param("tcmalloc_storm", marks=pytest.mark.long)]


@contextlib.contextmanager
def ready(command, **environment):
    """A program that has said that it is."""
    with subprocess.Popen(
            [command], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
            text=True, env={**os.environ, **environment}) as process:
        try:
            assert process.stdout.readline() == "ready\n"
            yield process
        finally:
            process.kill()


@pytest.mark.parametrize("name, source", [
    pytest.param(*p, marks=[] if p[0] in SHORT else pytest.mark.long, id=p[0])
    for p in PROGRAMS])
def test_exact_is_exact(product, tmp_path, name, source):
    truth, path = truth_of(source), program(product, name)
    with ready(path, OWN_GATE="1") as process:
        attached = Attached(product, process.pid, tmp_path / "t.strand",
                            "--mode", "exact")
        process.stdin.write("\n")
        process.stdin.flush()
        assert process.wait(60) == outcome(path)[0]
        assert attached.process.wait(60) == 0
        attached.process.stderr.close()
    report = attached.recording.json()
    assert report["problems"] == []
    assert any("patched at entry" in note for note in report["notes"])
    assert not any(report["losses"].values())
    if name.endswith("_stripped"):  # there are no names: all that it did
        calls = sum(figures["calls"] for figures in truth.values())
        assert report["totals"]["allocations"] >= calls
    else:
        assert seen(report, truth) == truth


def code_of(pid, path):
    """The program's code as it is in memory."""
    with open(f"/proc/{pid}/mem", "rb") as memory:
        found = b""
        for start, end, permissions, _, file in mappings(pid):
            if file == path and "x" in permissions:
                memory.seek(start)
                found += memory.read(end - start)
        return found


@pytest.mark.parametrize("name", STORMS)
def test_a_storm_is_entered_and_left(product, tmp_path, eventually, name):
    path = program(product, name)
    with ready(path) as process:
        before = code_of(process.pid, path)
        stood = []
        for number in range(CYCLES):
            folder = tmp_path / f"{number}.strand"
            attached = Attached(product, process.pid, folder)
            stood += map(int, re.findall(r"all of them for (\d+) us",
                                         attached.said))
            eventually(lambda: Recording(product, folder).json()["sites"], 60)
            assert code_of(process.pid, path) != before
            if number % 2:
                attached.kill()
            else:
                attached.interrupt()
            eventually(lambda: released(process.pid), 60)
            eventually(lambda: code_of(process.pid, path) == before, 60)
            subprocess.run(["rm", "-rf", folder], check=True)
        assert len(stood) == CYCLES
        process.stdin.close()
        assert process.wait(60) == 23
    stood.sort()
    print(f"{CYCLES} cycles, all threads stood still p50 "
          f"{stood[CYCLES // 2]} us, max {stood[-1]} us")

