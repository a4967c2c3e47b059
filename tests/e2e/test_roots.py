"""The one built libstrandline.so under the libc of other releases.

In roots of Debian 11, 13 and unstable (scripts/roots.sh makes them), a root
of which stands for a container: programs there do as without us, by
LD_PRELOAD alone and under `strandline run` from outside, and what was
recorded is right.  Skipped by name where a root cannot be had.
"""

import contextlib
import json
import pathlib
import shutil
import signal
import subprocess

import pytest

import serve
from conftest import ROOT, Recording
from test_truth import seen, truth_of

SUITES = ["bullseye", "trixie", "sid"]
MODES = ["sample", "exact"]
# Imports, threads, a child, blocks of all sizes: a second of work.
WORK = """
import os, threading, zlib
kept = [bytes(n % 5000) for n in range(20000)]
threads = [threading.Thread(target=lambda: [str(n) for n in range(9999)])
           for _ in range(4)]
[t.start() for t in threads]
[t.join() for t in threads]
child = os.fork()
if child == 0:
    os._exit(len({n: str(n) for n in range(5000)}) % 251)
status = os.WEXITSTATUS(os.waitpid(child, 0)[1])
print([status, zlib.crc32(b"".join(kept)), sum(map(len, kept))])
"""


class Container:
    """A root, and a folder that has one path within and without."""

    def __init__(self, product, suite, folder):
        self.product = product
        self.root = self._make(suite)
        self.folder = folder
        self.inside = pathlib.Path(f"{self.root}{folder}")
        self.inside.mkdir(parents=True)
        mounts = [["--bind", str(folder), str(self.inside)],
                  ["-t", "proc", "proc", f"{self.root}/proc"]]
        self.mounted = []
        for mount in mounts:
            if subprocess.run(["mount", *mount]).returncode:
                self.close()
                pytest.skip(f"{suite}: mounting is not allowed here")
            self.mounted.append(mount[-1])
        self.shim = str(shutil.copy(product.shim, folder))
        folder.chmod(0o755)

    @staticmethod
    def _make(suite):
        made = subprocess.run([str(ROOT / "scripts/roots.sh"), suite],
                              capture_output=True, text=True, timeout=500)
        if made.returncode:
            pytest.skip(f"{suite}: {made.stderr.strip().splitlines()[-1]}")
        return made.stdout.split()[-1]

    def close(self):
        for place in reversed(self.mounted):
            subprocess.run(["umount", place], check=True)
        self.inside.rmdir()

    def command(self, *words):
        return ["chroot", self.root, *map(str, words)]

    def printed(self, command, **environment):
        done = subprocess.run(
            ["env", *(f"{k}={v}" for k, v in environment.items()), *command],
            capture_output=True, text=True, timeout=120)
        return done.returncode, done.stdout, done.stderr

    def under(self, recording, *options):
        """In front of a command of ours: the shim that is seen within."""
        return ["env", f"STRANDLINE_LIBRARY={self.shim}",
                *self.product.under(recording, *options)]


@pytest.fixture(params=SUITES)
def container(product, request, tmp_path):
    """One of the roots."""
    if subprocess.run(["unshare", "--mount", "true"],
                      capture_output=True).returncode:
        pytest.skip("roots of other releases need root")
    made = Container(product, request.param, tmp_path / "shared_folder")
    yield made
    made.close()


@pytest.fixture(autouse=True)
def shared_folder(tmp_path):
    """It must exist before it is mounted."""
    (tmp_path / "shared_folder").mkdir()


@pytest.mark.parametrize("mode", MODES)
def test_preload_alone(container, mode):
    work = ["python3", "-c", WORK]
    folder = container.folder / "alone.strand"
    folder.mkdir()
    plain = container.printed(container.command(*work))
    assert plain[0] == 0
    assert container.printed(container.command(
        "env", f"LD_PRELOAD={container.shim}", f"STRANDLINE_DIR={folder}",
        f"STRANDLINE_MODE={mode}", *work)) == plain
    report = Recording(container.product, folder).json()
    assert report["sites"]
    assert not any(report["losses"].values())


@pytest.mark.parametrize("mode", MODES)
def test_strandline_run(container, mode):
    work = container.command("python3", "-c", WORK)
    folder = container.folder / "run.strand"
    plain = container.printed(work)
    assert container.printed(
        [*container.under(folder, "--mode", mode), *work]) == plain
    report = Recording(container.product, folder).json()
    assert not any(report["losses"].values())
    assert any("python3" in p["exe"] and p["allocations"] > 50
               for p in report["processes"])
    assert report["ledger"]


def test_redis_answers_and_is_recorded(container, eventually):
    port = serve.free_port()
    folder = container.folder / "redis.strand"
    server = subprocess.Popen(
        [*container.under(folder, "--mode", "exact"),
         *container.command(*serve.redis(port))],
        stdout=subprocess.DEVNULL, start_new_session=True)
    try:
        eventually(lambda: serve.accepts(port))
        subprocess.run(
            container.command("redis-benchmark", "-p", port, "-q", "-n",
                              20000, "-P", 16, "-c", 10, "-r", 10000, "-t",
                              "set,get,lpush"),
            check=True, stdout=subprocess.DEVNULL, timeout=120)
    finally:
        server.send_signal(signal.SIGTERM)
        status = server.wait(60)
    assert status == 0
    report = Recording(container.product, folder).json()
    assert not any(report["losses"].values())
    server = next(p for p in report["processes"] if p["main"])
    assert "redis" in server["exe"]
    assert server["allocator"] == "jemalloc"
    assert server["allocations"] > 10000


@pytest.mark.parametrize("name, source", [
    ("peak", "peak.c"), ("forms", "forms.c"), ("handover", "handover.c"),
    ("deep", "deep.c"), ("spawns", "spawns.c")])
def test_exact_is_exact(container, name, source):
    program = shutil.copy(container.product.program(f"truth_{name}"),
                          container.folder)
    code, _, error = container.printed(container.command(program))
    if code == 1 and "GLIBC_" in error:
        pytest.skip(f"truth_{name} needs a newer libc than this release has")
    folder = container.folder / "truth.strand"
    assert container.printed(
        [*container.under(folder, "--mode", "exact"),
         *container.command(program)])[0] == code
    truth = truth_of(source)
    report = Recording(container.product, folder).json()
    named = {key: value for key, value in truth.items() if key != "*"}
    assert seen(report, named) == named, json.dumps(report["losses"])


@pytest.fixture(params=SUITES)
def root(request):
    """One of the roots, as it is: nothing of ours is seen within."""
    if subprocess.run(["unshare", "--mount", "true"],
                      capture_output=True).returncode:
        pytest.skip("roots of other releases need root")
    return Container._make(request.param)


ENDLESS = """
import threading, time
kept = []
def work():
    while True:
        kept.append(bytearray(3000))
        del kept[:-200]
        time.sleep(0.001)
threading.Thread(target=work, daemon=True).start()
while True:
    time.sleep(0.01)
"""


SPINNING = """
import threading, time, zlib
threading.Thread(target=time.sleep, args=(1000,), daemon=True).start()
def spin():
    while True:
        zlib.compress(bytes(100000))
spin()
"""


@contextlib.contextmanager
def contained(root, *command):
    """A process in mount and PID name spaces of its own."""
    outer = subprocess.Popen(
        ["unshare", "--mount", "--pid", "--fork", "--kill-child",
         f"--root={root}", "--mount-proc=/proc", *command],
        stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL, start_new_session=True)
    try:
        yield outer
    finally:
        outer.kill()
        outer.wait()


def inner_of(outer):
    """The PID out here of what runs in them, once it is at work."""
    with open(f"/proc/{outer.pid}/task/{outer.pid}/children") as children:
        for pid in children.read().split():
            with open(f"/proc/{pid}/status") as status:
                if "Threads:\t2" in status.read():
                    return int(pid)
    return None


def test_a_container_is_entered_and_left(product, root, tmp_path, eventually):
    with contained(root, "python3", "-c", ENDLESS) as outer:
        pid = eventually(lambda: inner_of(outer))
        for number in range(2):
            recording = Recording(product, tmp_path / f"{number}.strand")
            product("attach", pid, "--with", "inject", "--mode", "exact",
                    "--duration", 1, "-o", recording.path)
            report = recording.json()
            assert any(frame["function"] == "work"
                       for site in report["sites"]
                       for frame in site["stack"])
            assert not any(report["losses"].values())
            assert [p["pid"] for p in report["processes"]] == [1]
        assert inner_of(outer) == pid
        with open(f"/proc/{pid}/maps") as maps:
            assert ".slabs" not in maps.read()


def stacks_of(recording, kind):
    """Folded stacks of a kind, as one text; "" where there is nothing yet."""
    with contextlib.suppress(subprocess.CalledProcessError):
        return recording.text("-k", kind, "-f", "folded")
    return ""


def attach_by_probes(product, recording, pid, until, eventually):
    """Programs in the kernel, until what they saw is enough."""
    attached = subprocess.Popen(
        [product.tool, "attach", str(pid), "--with", "bpf", "--duration",
         "120", "-o", str(recording.path)], stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE, text=True)
    said = attached.stderr.readline()
    try:
        if "CAP_" in said or "not permitted" in said:
            pytest.skip(said.strip())
        assert "attached to process" in said
        eventually(until, 120)
    finally:
        attached.send_signal(signal.SIGINT)
        error = attached.communicate(timeout=60)[1]
    assert attached.returncode == 0, error


@pytest.mark.parametrize("root", [
    pytest.param("bullseye", marks=pytest.mark.long), "trixie",
    pytest.param("sid", marks=pytest.mark.long)], indirect=True)
def test_a_container_is_seen_from_the_kernel(product, root, tmp_path,
                                             eventually):
    recording = Recording(product, tmp_path / "t.strand")
    with contained(root, "python3", "-c", SPINNING) as outer:
        pid = eventually(lambda: inner_of(outer), 60)
        attach_by_probes(
            product, recording, pid,
            lambda: ";spin (" in stacks_of(recording, "cpu"),
            eventually)
        assert inner_of(outer) == pid
    # Its number out here, its interpreter by its own path, its functions by
    # name.
    process, = recording.json()["processes"]
    assert process["pid"] == pid
    assert "python3" in process["exe"]
    whole = [line for line in stacks_of(recording, "cpu").splitlines()
             if line.startswith("_start;") and ";spin (" in line]
    assert whole
