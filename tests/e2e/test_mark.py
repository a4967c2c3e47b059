"""Marks, and the phases between them, of servers under load."""

import subprocess

import pytest

import serve
from conftest import Recording


@pytest.fixture
def server():
    """One that does what its paths say."""
    port = serve.free_port()
    with serve.running(serve.scripted(port), port) as process:
        yield process.pid, port


def attach(product, pid, folder, way="inject"):
    """Into the recording @folder, until it is interrupted."""
    command = [product.tool, "attach", str(pid), "--with", way]
    possible = subprocess.run([*command, "--dry-run"], capture_output=True,
                              text=True, timeout=60)
    if possible.returncode:
        pytest.skip(possible.stderr.strip())
    process = subprocess.Popen(
        [*command, "--mode", "exact", "-o", str(folder)],
        stderr=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True)
    assert any("attached to" in line for line in process.stderr)
    return process


def leave(process):
    process.terminate()
    process.communicate(timeout=120)
    assert process.returncode == 0


@pytest.mark.parametrize("way", ["inject", "bpf"])
def test_phases_have_the_requests_between_their_marks(
        product, server, tmp_path, eventually, way):
    def made():
        return sum(e["count"] for e in recording.json()["endpoints"])

    pid, port = server
    recording = Recording(product, tmp_path / "t.strand")
    process = attach(product, pid, recording.path, way)
    product.load(port, "-n", 20, "-c", 1, "-m", "/health")
    eventually(lambda: made() == 20)  # a client has its answer before
    product("mark", pid, "load 1")
    product.load(port, "-n", 300, "-c", 2, "-m", "/health")
    eventually(lambda: made() == 320)
    product("mark", recording.path, "load 2")
    product.load(port, "-n", 50, "-c", 2, "-m", "/health")
    eventually(lambda: made() == 370)
    leave(process)
    report = recording.json()
    phases = report["phases"]
    assert [p["label"] for p in phases] == [None, "load 1", "load 2"]
    assert [p["to"] for p in phases[:-1]] == [p["from"] for p in phases[1:]]
    # A window of a quarter of a second that a mark cuts is shared out.
    assert sum(p["requests"] for p in phases) == pytest.approx(370, abs=1)
    assert phases[1]["requests"] > phases[2]["requests"]
    assert all(p["end"]["rss"] > 0 for p in phases)


def test_phases_are_in_the_summary(product, server, tmp_path):
    pid, _ = server
    recording = Recording(product, tmp_path / "t.strand")
    process = attach(product, pid, recording.path)
    product("mark", pid, "deploy 17")
    leave(process)
    summary = recording.text()
    assert "PHASES" in summary
    assert "deploy 17" in summary
    assert "(before the first mark)" in summary


def test_without_marks_there_are_no_phases(product, server, tmp_path):
    pid, _ = server
    recording = Recording(product, tmp_path / "t.strand")
    leave(attach(product, pid, recording.path))
    assert "PHASES" not in recording.text()
    assert "phases" not in recording.json()
