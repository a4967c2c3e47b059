"""Blocks that nothing refers to are found; nothing in use is called so."""

import contextlib
import os
import pathlib
import signal
import subprocess
import sys
import time

import pytest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "servers"))
import serve  # noqa: E402

LOST = {"lost_list": (100, 4800), "lost_cycle": (10, 640),
        "lost_root": (5, 640), "lost_leaf": (5, 160)}
PATIENCE = "600"  # seconds, of a program that is told when to go on


@pytest.fixture(scope="session")
def programs(product):
    """The folder of tests/programs/reach."""
    return product.build / "tests/programs/reach"


def unreachable(report):
    """Function below main -> (count, bytes, bytes confirmed)."""
    found = {}
    for site in report["sites"]:
        here = site.get("unreachable")
        assert here is not None, "a scan speaks of every site"
        name = next((f["function"] for f in reversed(site["stack"])
                     if f["function"] != "make"), "?")
        sums = found.get(name, (0, 0, 0))
        found[name] = tuple(a + b for a, b in zip(
            sums, (here["count"], here["bytes"], here["twice_bytes"])))
    return {name: sums for name, sums in found.items() if sums[0]}


@contextlib.contextmanager
def running(product, recording, *command, options=()):
    """Record a command that ends with status 0 and has its own output."""
    with subprocess.Popen(
            [*product.under(recording.path, *options), *command],
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
            stdin=subprocess.DEVNULL) as run:
        try:
            yield run
            run.said = run.communicate(timeout=120)[0]
        finally:
            run.kill()
    assert run.returncode == 0, run.said
    assert "strandline:" not in run.said, run.said


@pytest.fixture
def record_places(product, recording, programs, eventually):
    """Record reach_places, which goes on once it was scanned: two seconds
    after its start and at its end; the report."""
    def scans():
        with contextlib.suppress(subprocess.CalledProcessError):
            return recording.json().get("scans")

    def record(*words, options):
        with running(product, recording, programs / "reach_places", PATIENCE,
                     *words, options=options):
            pid = int(eventually(recording.slabs)[0].stem)
            eventually(scans)
            os.kill(pid, signal.SIGUSR1)
            time.sleep(1.2)  # what was scanned within a second is not again
            os.kill(pid, signal.SIGUSR2)
        return recording.json()

    return record


def children(pid):
    """The processes that @pid has made and not waited for."""
    return [int(word) for task in pathlib.Path(f"/proc/{pid}/task").iterdir()
            for word in (task / "children").read_text().split()]


def check_reach(product, pid):
    """What the command says of a process, on one line."""
    done = subprocess.run([product.tool, "check", "--reach", str(pid)],
                          capture_output=True, text=True, timeout=60)
    assert done.returncode in (0, 10, 13), done.stderr
    return " ".join(done.stdout.split())


def test_exactly_what_is_lost_is_found(record_places, programs):
    report = record_places(programs / "libreach_plugin.so",
                           options=["--mode", "exact"])
    assert len(report["scans"]) >= 2
    assert unreachable(report) == {
        name: (count, size, size) for name, (count, size) in LOST.items()}


def test_hidden_blocks_that_are_freed_later_refute_their_site(
        recording, record_places):
    report = record_places(options=["--mode", "exact"])
    first, last = report["scans"][0], report["scans"][-1]
    assert first["unreachable"]["count"] == 140
    assert last["freed"] == {"bytes": 800, "count": 10}
    assert "hidden" not in unreachable(report)
    assert "their sites hide pointers" in " ".join(recording.text().split())


@pytest.mark.parametrize("rate", ["1", "512"])
def test_samples_raise_no_false_alarm(record_places, programs, rate):
    found = unreachable(record_places(programs / "libreach_plugin.so",
                                      options=["--rate", rate]))
    assert not {name for name in found if name not in LOST}
    assert "lost_root" in found, "nothing but their own leaves is below"


def test_a_process_does_not_notice_that_it_is_scanned(
        product, recording, programs, eventually):
    command = [programs / "reach_signals", PATIENCE]
    with running(product, recording, *command) as run:
        pid = eventually(lambda: children(run.pid))[0]
        eventually(lambda: (recording.path / f"{pid}.slabs").exists())
        for _ in range(3):
            assert "server stood still" in check_reach(product, pid)
        os.kill(pid, signal.SIGTERM)
    assert run.said.startswith("ok:"), run.said
    processes = recording.json()["processes"]
    assert not [p for p in processes if p["command"] != " ".join(
        map(str, command))], "no snapshot is taken for a process"


def test_check_reach_names_what_is_lost(product, recording, programs,
                                        eventually):
    with running(product, recording, programs / "reach_places", PATIENCE,
                 options=["--mode", "exact", "--no-reach"]):
        pid = int(eventually(recording.slabs)[0].stem)
        # Its blocks must be older than a moment.
        eventually(lambda: "4.7 KiB in 100 blocks, definite:" in
                   check_reach(product, pid))
        left = children(pid)
        os.kill(pid, signal.SIGUSR1)
        os.kill(pid, signal.SIGUSR2)
    assert not left, "the snapshots are gone, and no zombie is left"


def test_without_scans_there_is_none(product, recording, programs):
    with running(product, recording, programs / "reach_places", "3",
                 options=["--no-reach", "--mode", "exact"]):
        pass
    assert "scans" not in recording.json()


def test_what_cannot_be_scanned_is_said(product, programs):
    for word, why in [("1000000000", "there is no process"),
                      ("shop", "is not the number of a process"),
                      (str(os.getpid()), "records nothing")]:
        done = subprocess.run([product.tool, "check", "--reach", word],
                              capture_output=True, text=True, timeout=60)
        assert done.returncode in (1, 2)
        assert why in done.stderr
        assert done.stderr.count("\n") == 1


@pytest.fixture
def small_cgroup():
    """A memory cgroup of 96 MiB, or a skip."""
    for limit in ("/sys/fs/cgroup/{}/memory.max",
                  "/sys/fs/cgroup/memory/{}/memory.limit_in_bytes"):
        limit = pathlib.Path(limit.format(f"strandline-{os.getpid()}"))
        group = limit.parent
        try:
            group.mkdir()
        except OSError:
            continue
        if limit.exists():  # the kernel has put it there
            limit.write_text(str(96 << 20))
            yield group
            group.rmdir()
            return
        group.rmdir()
    pytest.skip("no memory cgroup can be made here")


def test_a_tight_cgroup_is_refused_with_a_sentence(product, recording,
                                                   small_cgroup):
    program = ("import time; held = bytearray(b'x') * (70 << 20); "
               "time.sleep(4)")
    done = subprocess.run(
        ["sh", "-c", f"echo $$ > {small_cgroup}/cgroup.procs; exec \"$@\"",
         "sh", *product.under(recording.path), "/usr/bin/python3", "-c",
         program], capture_output=True, text=True, timeout=120)
    assert done.returncode == 0
    assert "its memory cgroup has room for" in done.stderr
    scans = recording.json().get("scans", [])
    assert not [scan for scan in scans if scan["t"] < 3]  # later is its end


def serve_and_load(product, recording, command, port, seconds, *options):
    """Record a server under load, ended with SIGTERM; its report."""
    run = subprocess.Popen([*product.under(recording.path, *options),
                            *command], stdout=subprocess.DEVNULL)
    try:
        serve.wait_until(lambda: serve.answers(port))
        product.load(port, "-c", 4, "-d", seconds, "-m", "search")
    finally:
        run.send_signal(signal.SIGTERM)
        run.wait(timeout=120)
    return recording.json()


@pytest.mark.parametrize("mode", ["sample", "exact"])
@pytest.mark.parametrize("name", ["rag_c", "rag_fastapi"])
def test_a_clean_server_has_nothing_definite(product, recording, name, mode):
    port = serve.free_port()
    command = (serve.rag_c(port, product.build) if name == "rag_c"
               else serve.rag_fastapi(port))
    report = serve_and_load(product, recording, command, port, 5,
                            "--mode", mode)
    assert len(report["scans"]) >= 2
    assert not [site for site in report["sites"]
                if site["unreachable"]["twice_bytes"]]
    [search] = [e for e in report["endpoints"]
                if e["route"] == "/api/v1/retrieval/search"]
    # Four connections share one event loop in Python: its scan found out
    # which function answers them.
    assert search["attribution"] == ("exact" if name == "rag_c"
                                     else "handler")
    assert search["alloc_bytes_per_request"] > 1000
