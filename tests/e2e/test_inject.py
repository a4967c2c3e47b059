"""`strandline attach --with inject`: into running servers, and out again.

Whatever happens to the strandline process, the server answers all the time,
and after the end its calls lead where they led, its descriptors are its own,
and of us there is code that nobody calls and memory without pages.
STRANDLINE_ALL=1 makes 200 cycles of the 5.
"""

import collections
import contextlib
import json
import os
import pathlib
import re
import shutil
import signal
import struct
import subprocess
import threading
import time

import pytest

import serve
from conftest import ROOT, Recording

CYCLES = 200 if os.environ.get("STRANDLINE_ALL") else 5
IMAGE = "/memfd:strandline"
OURS = re.compile(r"memfd:strandline|\.slabs|\.strand/")
MAPPINGS_OF_A_THREAD = 4  # its stack and an arena, each with its guard
SLOT = re.compile(r"^([0-9a-f]{16}) .* (R_X86_64_(?:JUMP_SLO|GLOB_DAT|64)\S*)"
                  r" +[0-9a-f]{16} (\w+)@?", re.M)


def mappings(pid):
    """(start, end, permissions, offset, path) of a process."""
    for line in pathlib.Path(f"/proc/{pid}/maps").read_text().splitlines():
        words = line.split(maxsplit=5)
        start, end = (int(at, 16) for at in words[0].split("-"))
        yield (start, end, words[1], int(words[2], 16),
               words[5] if len(words) > 5 else "")


def relocations(path):
    """(offset, name) of what the loader binds in a file."""
    text = subprocess.run(["readelf", "-rW", path], capture_output=True,
                          text=True).stdout
    kind = subprocess.run(["readelf", "-hW", path], capture_output=True,
                          text=True).stdout
    return "EXEC" in kind, [(int(m[1], 16), m[3])
                            for m in SLOT.finditer(text)]


class Slots:
    """Through which words a process calls, and where they lead."""

    def __init__(self, pid, exports):
        self.pid = pid
        self.places = []
        for start, _, _, offset, path in mappings(pid):
            if offset or not path.startswith("/") or path.startswith(IMAGE):
                continue
            absolute, bound = relocations(path)
            bias = 0 if absolute else start
            self.places += [bias + at for at, name in bound
                            if name in exports]

    def values(self):
        with open(f"/proc/{self.pid}/mem", "rb") as memory:
            found = {}
            for at in self.places:
                with contextlib.suppress(OSError, ValueError):
                    memory.seek(at)
                    found[at] = struct.unpack("Q", memory.read(8))[0]
        return found

    def ours(self):
        """How many lead to the recorder."""
        inside = [(start, end) for start, end, _, _, path
                  in mappings(self.pid) if path.startswith(IMAGE)]
        return sum(any(start <= value < end for start, end in inside)
                   for value in self.values().values())


def descriptors(pid):
    """(number, file or kind) of those that no client is behind."""
    found = set()
    local = {line.split()[6] for line in pathlib.Path(
        f"/proc/{pid}/net/unix").read_text().splitlines()}
    for fd in os.listdir(f"/proc/{pid}/fd"):
        with contextlib.suppress(FileNotFoundError):
            at = os.readlink(f"/proc/{pid}/fd/{fd}")
            kind, _, inode = at.partition(":[")
            if kind != "socket" or inode[:-1] in local:
                found.add((fd, kind))
    return found


def more_than(found, before):
    """Files and kinds that there are more of than before."""
    return collections.Counter(kind for _, kind in found) - (
        collections.Counter(kind for _, kind in before))


def lasting(pid, looks=20):
    """Descriptors that a server has for long: it opens others as it works."""
    found = descriptors(pid)
    for _ in range(looks):
        time.sleep(0.01)
        found &= descriptors(pid)
    return found


def threads(pid):
    return len(os.listdir(f"/proc/{pid}/task"))


def ours_in(pid):
    """What of an attach is in a process, but for code."""
    status = pathlib.Path(f"/proc/{pid}/status").read_text()
    return ([m for m in mappings(pid) if ".slabs" in m[4]] +
            [d for d in descriptors(pid) if OURS.search(d[1])] +
            re.findall(r"TracerPid:\s*[1-9]\d*", status))


@pytest.fixture(scope="session")
def exports():
    """The functions that the recorder has hooks for."""
    text = (ROOT / "preload/exports.map").read_text()
    return set(re.findall(r"\w+", text.split("local:")[0]))


class Attached:
    """A strandline that is attached to a process."""

    def __init__(self, product, pid, folder, *options):
        self.recording = Recording(product, folder)
        self.process = subprocess.Popen(
            [product.tool, "attach", str(pid), "--with", "inject", "-o",
             str(folder), *options], stderr=subprocess.PIPE,
            stdout=subprocess.DEVNULL, text=True, start_new_session=True)
        self.said = self.process.stderr.readline()
        if "attached to process" not in self.said:
            self.failed(pid)

    def failed(self, pid):
        """Whole: an assertion's text would be cut."""
        self.process.kill()
        said = self.said + self.process.communicate()[1]
        left = ours_in(pid) if os.path.exists(f"/proc/{pid}") else "it ended"
        pytest.fail(f"status {self.process.returncode}: {said}\n"
                    f"in the process: {left}", pytrace=False)

    def pause_us(self):
        return int(re.search(r"for (\d+) us", self.said)[1])

    def interrupt(self):
        self.process.send_signal(signal.SIGINT)
        assert self.process.wait(60) == 0, self.process.stderr.read()
        self.process.stderr.close()

    def kill(self):
        self.process.kill()
        self.process.wait()
        self.process.stderr.close()


def released(pid):
    """Nobody is in the process any more."""
    return not ours_in(pid)


def cycle(product, slots, folder, number, eventually, seconds=0.2):
    """Attach and leave, in one of three ways; the pause in us."""
    pid = slots.pid
    attached = Attached(product, pid, folder / f"{number}.strand")
    assert slots.ours() > 0
    time.sleep(seconds)
    if number % 3 == 0:
        attached.interrupt()
    elif number % 3 == 1:
        product("detach", pid)
        assert attached.process.wait(60) == 0
        attached.process.stderr.close()
    else:
        attached.kill()
    eventually(lambda: released(pid), 60)
    eventually(lambda: slots.ours() == 0, 60)
    subprocess.run(["rm", "-rf", str(attached.recording.path)], check=True)
    return attached.pause_us()


def campaign(product, pid, folder, exports, eventually):
    """Cycles on a server under load; what changed between two of them."""
    slots = Slots(pid, exports)
    before, kept = slots.values(), lasting(pid)
    pauses = [cycle(product, slots, folder, 0, eventually)]
    pauses += [cycle(product, slots, folder, 1, eventually)]
    mapped, others = len(list(mappings(pid))), threads(pid)
    for number in range(2, CYCLES):
        pauses.append(cycle(product, slots, folder, number, eventually))
    after = slots.values()
    lazy = {at for at in before if before[at] != after.get(at)}
    assert {at for at in lazy if not bound_lazily(pid, before[at])} == set()
    # What we left would be there at every look; the server's own is not.
    eventually(lambda: kept <= descriptors(pid), 60)
    eventually(lambda: not more_than(descriptors(pid), kept), 60)
    # Its threads come and go with its clients, and their stacks with them.
    eventually(lambda: sum(1 for _ in mappings(pid)) < (
        mapped + 20 + CYCLES / 10 + MAPPINGS_OF_A_THREAD *
        max(0, threads(pid) - others)), 60)
    pauses.sort()
    print(f"{len(pauses)} cycles, pause p50 {pauses[len(pauses) // 2]} us, "
          f"max {pauses[-1]} us")
    return pauses


def bound_lazily(pid, value):
    """It was a stub that has been bound meanwhile."""
    return any(start <= value < end and "x" in permissions
               for start, end, permissions, _, _ in mappings(pid))


@contextlib.contextmanager
def under_load(product, port, *options):
    """A server's clients, none of whom may see an error."""
    over = threading.Event()
    seen = []

    def clients():
        while not over.is_set():
            seen.append(product.load(port, "-d", 2, *options))

    thread = threading.Thread(target=clients)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()
    assert [s["errors"] for s in seen] == [0] * len(seen)
    assert all(s["count"] for s in seen)


@pytest.mark.parametrize("loop", ["asyncio", "uvloop"])
def test_fastapi(product, tmp_path, exports, eventually, loop):
    port = serve.free_port()
    with serve.running(serve.rag_fastapi(port, loop), port) as server:
        with under_load(product, port):
            campaign(product, server.pid, tmp_path, exports, eventually)


def test_rag_c_with_64_threads(product, tmp_path, exports, eventually):
    port = serve.free_port()
    with serve.running(serve.rag_c(port, product.build), port) as server:
        with under_load(product, port, "-c", 64):
            campaign(product, server.pid, tmp_path, exports, eventually)


def test_redis(product, tmp_path, exports, eventually):
    port = serve.free_port()
    with serve.running(serve.redis(port), port, serve.accepts) as server:
        load = subprocess.Popen(
            ["redis-benchmark", "-p", str(port), "-q", "-l", "-n", "50000",
             "-P", "16", "-c", "10", "-r", "10000", "-t", "set,get,lpush,ltrim"],
            stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
        try:
            campaign(product, server.pid, tmp_path, exports, eventually)
            assert load.poll() is None, load.stderr.read()
        finally:
            load.kill()
            load.communicate()


def children_of(pid):
    with open(f"/proc/{pid}/task/{pid}/children") as children:
        return [int(child) for child in children.read().split()]


def test_an_nginx_worker(product, tmp_path, exports, eventually):
    port = serve.free_port()
    with serve.running(serve.nginx(port, tmp_path / "n", workers=2), port) \
            as server:
        worker = eventually(lambda: children_of(server.pid))[0]
        with under_load(product, port, "-m", "/page.html"):
            campaign(product, worker, tmp_path, exports, eventually)


def refused(product, pid):
    """The one sentence by which it is not entered."""
    done = subprocess.run(
        [product.tool, "attach", str(pid), "--with", "inject", "--dry-run"],
        capture_output=True, text=True, timeout=60)
    assert done.returncode == 1
    assert done.stdout == ""
    assert len(done.stderr.splitlines()) == 1
    return done.stderr


@contextlib.contextmanager
def sleeping(*command, **options):
    """A process that says when it is there, and then does nothing."""
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True,
                               **options)
    try:
        assert process.stdout.readline() == "ready\n"
        yield process
    finally:
        process.kill()
        process.communicate()


def python(*lines):
    """One that does this first."""
    return [serve.PYTHON, "-c", "import ctypes, os, time\n"
            "libc = ctypes.CDLL(None)\n" + "\n".join(lines) +
            "\nprint('ready', flush=True)\ntime.sleep(100)"]


def test_what_would_be_done_is_said(product):
    with sleeping(*python()) as target:
        said = product("attach", target.pid, "--with", "inject", "--dry-run")
    assert f"a thread of process {target.pid}" in said
    assert "libc.so.6" in said


def test_room_in_static_tls_is_told(product):
    with sleeping(*python()) as target:
        said = product("attach", target.pid, "--with", "inject", "--dry-run")
    assert re.search(r"static TLS it needs \d+ bytes", said)


def test_without_room_in_static_tls_it_is_refused(product, tmp_path):
    for size in (1024, 512, 256, 128, 64):
        subprocess.run(
            ["gcc", "-shared", "-fPIC", "-ftls-model=initial-exec",
             "-x", "c", "-", "-o", tmp_path / f"{size}.so"],
            input=f"__thread char taken[{size}];"
            "char *f(void) { return taken; }", text=True, check=True)
    with sleeping(*python(
            "import shutil",
            "for size in (1024, 512, 256, 128, 64):",
            "    for copy in range(9):",
            f"        at = f'{tmp_path}/{{size}}.so'",
            "        try: ctypes.CDLL(shutil.copy(at, f'{at}.{copy}'))",
            "        except OSError: break")) as target:
        assert "static TLS" in refused(product, target.pid)


def test_a_sandboxed_process_is_refused(product):
    with sleeping(*python("libc.prctl(38, 1, 0, 0, 0)",
                          "code = (ctypes.c_uint64 * 1)(0x7fff000000000006)",
                          "program = (ctypes.c_uint64 * 2)"
                          "(1, ctypes.addressof(code))",
                          "assert libc.prctl(22, 2, program) == 0")) as target:
        assert "seccomp" in refused(product, target.pid)


def test_a_traced_process_is_refused(product):
    with sleeping(*python("libc.ptrace(0, 0, 0, 0)")) as target:
        assert "traced" in refused(product, target.pid)


def test_a_stopped_process_is_refused(product, eventually):
    with sleeping(*python()) as target:
        target.send_signal(signal.SIGSTOP)
        eventually(lambda: "State:\tT" in pathlib.Path(
            f"/proc/{target.pid}/status").read_text(), 60)
        assert "stopped" in refused(product, target.pid)


def test_a_static_program_is_refused(product, tmp_path):
    source = tmp_path / "s.c"
    source.write_text('#include <stdio.h>\n#include <unistd.h>\n'
                      'int main(void) { puts("ready"); fflush(stdout);'
                      ' pause(); }')
    subprocess.run(["gcc", "-static", "-o", tmp_path / "s", source],
                   check=True)
    with sleeping(str(tmp_path / "s")) as target:
        assert "statically" in refused(product, target.pid)


@pytest.mark.parametrize("name", [
    "libc.so", "ld-musl-x86_64.so.1", "libc.musl-x86_64.so.1"])
def test_a_musl_program_is_refused(product, tmp_path, name):
    if not shutil.which("musl-gcc"):
        pytest.skip("there is no musl-gcc")
    source, program = tmp_path / "m.c", tmp_path / "m"
    source.write_text('#include <stdio.h>\n#include <unistd.h>\n'
                      'int main(void) { puts("ready"); fflush(stdout);'
                      ' pause(); }')
    subprocess.run(["musl-gcc", "-o", program, source], check=True)
    loader = re.search(r"interpreter: (\S+)\]", subprocess.run(
        ["readelf", "-lW", program], capture_output=True, text=True).stdout)
    copy = shutil.copy(loader[1], tmp_path / name)  # it is its libc, too
    subprocess.run(["musl-gcc", "-o", program, source,
                    f"-Wl,--dynamic-linker={copy}"], check=True)
    with sleeping(str(program)) as target:
        assert "runs on musl" in refused(product, target.pid)
        said = product("doctor", target.pid, "--json")
        libc, = (line for line in json.loads(said)["checks"]
                 if line["name"] == "C library")
        assert libc["text"].startswith("musl")
        assert target.poll() is None


def test_a_process_that_is_gone_is_refused(product):
    target = subprocess.Popen(["true"])
    target.wait()
    assert "no process" in refused(product, target.pid)


def test_a_thread_of_the_kernel_is_refused(product):
    if not pathlib.Path("/proc/2/comm").read_text().startswith("kthreadd"):
        pytest.skip("process 2 is no thread of the kernel here")
    assert "kernel" in refused(product, 2)


def test_of_two_at_once_one_attaches(product, tmp_path):
    with sleeping(*python()) as target:
        for number in range(2):
            both = [subprocess.Popen(
                [product.tool, "attach", str(target.pid), "--with", "inject",
                 "-o", str(tmp_path / f"{number}.{n}.strand")],
                stderr=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True)
                for n in range(2)]
            said = [process.stderr.readline() for process in both]
            there = [n for n in range(2) if "attached to" in said[n]]
            assert len(there) == 1, said
            first, second = both[there[0]], both[1 - there[0]]
            assert "being recorded already" in said[1 - there[0]]
            assert second.communicate(timeout=60)[1] == ""
            assert second.returncode == 1
            first.send_signal(signal.SIGINT)
            assert first.communicate(timeout=60)[1] == ""
            assert first.returncode == 0
            assert released(target.pid)


def test_right_after_a_kill_one_attaches(product, tmp_path, exports):
    with sleeping(*python()) as target:
        slots = Slots(target.pid, exports)
        for number in range(6):
            attached = Attached(product, target.pid,
                                tmp_path / f"{number}.strand")
            assert slots.ours() > 0
            attached.kill()
        last = Attached(product, target.pid, tmp_path / "last.strand")
        last.interrupt()
        assert released(target.pid)
        assert slots.ours() == 0


def test_one_attaches_at_a_time(product, tmp_path):
    with sleeping(*python()) as target:
        first = Attached(product, target.pid, tmp_path / "first.strand")
        second = subprocess.run(
            [product.tool, "attach", str(target.pid), "--with", "inject",
             "-o", str(tmp_path / "second.strand")], capture_output=True,
            text=True, timeout=60)
        assert second.returncode == 1
        assert "being recorded already" in second.stderr
        assert not (tmp_path / "second.strand").exists()
        first.interrupt()


@pytest.mark.parametrize("wait", [
    "time.sleep(1000)", "select.select([0], [], [], 1000)",
    "poll = select.poll(); poll.register(0); poll.poll()",
    "threading.Event().wait(1000)"])
def test_one_that_does_nothing_is_entered_and_left(
        product, tmp_path, eventually, wait):
    with sleeping(*python("import select, threading",
                          "print('ready', flush=True)", wait),
                  stdin=subprocess.PIPE) as target:
        for number in range(3):
            attached = Attached(product, target.pid,
                                tmp_path / f"{number}.strand")
            attached.process.send_signal(signal.SIGINT)
            assert attached.process.communicate(timeout=60)[1] == ""
            assert attached.process.returncode == 0
            assert released(target.pid)


# Threads and children that come and go, all of which allocate.
RESTLESS = """
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

static void *work(void *seed)
{
	for (size_t n = 1; n < 200; n++) {
		char *at = malloc(n * 37 + (size_t)seed);

		at[0] = at[n] = 1;
		free(at);
	}
	return NULL;
}

static void *start_threads(void *arg)
{
	pthread_t threads[8];

	for (;;) {
		for (size_t i = 0; i < 8; i++)
			if (pthread_create(&threads[i], NULL, work, (void *)i))
				abort();
		for (size_t i = 0; i < 8; i++)
			pthread_join(threads[i], arg);
	}
	return NULL;
}

static void *start_children(void *arg)
{
	for (int status;;) {
		pid_t pid = fork();

		if (pid == 0) {
			work(NULL);
			_exit(7);
		}
		if (pid < 0 || waitpid(pid, &status, 0) != pid ||
		    !WIFEXITED(status) || WEXITSTATUS(status) != 7)
			abort();
	}
	return arg;
}

int main(void)
{
	pthread_t threads[2];

	pthread_create(&threads[0], NULL, start_threads, NULL);
	pthread_create(&threads[1], NULL, start_children, NULL);
	puts("ready");
	fflush(stdout);
	pthread_join(threads[0], NULL);
	return 0;
}
"""


@pytest.mark.long
def test_one_that_starts_threads_and_children(product, tmp_path, exports,
                                              eventually):
    source, program = tmp_path / "r.c", tmp_path / "r"
    source.write_text(RESTLESS)
    subprocess.run(["cc", "-O1", "-pthread", "-o", program, source],
                   check=True)
    with sleeping(str(program)) as target:
        slots = Slots(target.pid, exports)
        for number in range(CYCLES):
            cycle(product, slots, tmp_path, number, eventually, 0.05)
        assert target.poll() is None


WORK = """
import time
kept = []
while True:
    kept += [bytearray(3000) for _ in range(20)]
    del kept[:-200]
    time.sleep(0.001)
    print("ready", flush=True) if len(kept) == 20 else None
"""


def test_blocks_from_before_are_no_leaks(product, tmp_path):
    with sleeping(serve.PYTHON, "-c", WORK) as target:
        attached = Attached(product, target.pid, tmp_path / "t.strand",
                            "--mode", "exact", "--duration", "3")
        assert attached.process.wait(60) == 0
        attached.process.stderr.close()
    report = attached.recording.json()
    assert report["verdict"]["class"] in ("clean", "inconclusive")
    assert report["sites"]
    assert not any(report["losses"].values())


@contextlib.contextmanager
def faulty(product, recording, fault, asked, *options):
    """Attached, in exact mode, to a server whose clients have long been there.

    Said of the fault: tests/servers/rag_fastapi/faults.py.
    """
    port = serve.free_port()
    with serve.running(serve.rag_fastapi(port), port,
                       env={**os.environ, "RAG_FAULT": fault}) as server:
        load = subprocess.Popen(
            [product.load_tool, "-d", "600", "-m", asked,
             f"127.0.0.1:{port}"], stdout=subprocess.DEVNULL)
        try:
            time.sleep(1)  # for its start to be over
            attached = Attached(product, server.pid, recording.path, "--mode",
                                "exact", *options)
            yield server
            attached.interrupt()
        finally:
            load.kill()
            load.wait()


@pytest.mark.long
def test_a_leak_has_its_function_and_its_endpoint(product, recording,
                                                  eventually):
    def leak():
        findings = recording.json()["findings"]
        return [f for f in findings if f["class"] == "leak" and
                "POST /api/v1/chat" in f["sentence"]]

    with faulty(product, recording, "native_leak", "chat", "--reach"):
        found = eventually(leak)[0]
    assert found["where"]["function"] == "parse_prompt"
    # Of all clients, whose connections were there before us.
    assert found["bytes_per_request"]["value"] == pytest.approx(1024, rel=0.2)


@pytest.mark.long
def test_python_s_blocks_have_types_and_holders_in_the_end(
        product, recording, eventually):
    def kept():
        return [s for s in recording.json()["sites"]
                if s["function"].endswith("remember_answer")]

    def seconds():
        return len(recording.json()["ledger"])

    with faulty(product, recording, "python_cache", "search"):
        eventually(kept)
        begun = seconds()
        eventually(lambda: seconds() > begun + 2)  # young ones do not count
    assert kept()[0]["objects"]["holder"] == "rag_fastapi.app.fault.answers"


def test_modules_that_come_later_are_hooked(product, tmp_path, exports,
                                            eventually):
    with sleeping(*python("import sys", "print('ready', flush=True)",
                          "sys.stdin.readline()",
                          "import sqlite3, ssl, time",
                          "b = sqlite3.connect(':memory:')",
                          "print('ready', flush=True)",
                          "while True: b.execute('select 1'); "
                          "[bytearray(9999) for _ in range(99)]"),
                  stdin=subprocess.PIPE) as target:
        attached = Attached(product, target.pid, tmp_path / "t.strand",
                            "--mode", "exact")
        early = Slots(target.pid, exports).ours()
        target.stdin.write("\n")
        target.stdin.flush()
        assert target.stdout.readline() == "ready\n"
        slots = Slots(target.pid, exports)
        eventually(lambda: slots.ours() > early + 20, 60)
        attached.kill()
        eventually(lambda: slots.ours() == 0, 60)


@pytest.fixture
def waiting(product, tmp_path):
    """A server with the recorder in it, which waits."""
    port = serve.free_port()
    folder = tmp_path / "cwd"
    folder.mkdir()
    env = {**os.environ, "LD_PRELOAD": product.shim, "STRANDLINE": "idle"}
    with serve.running(serve.scripted(port), port, env=env,
                       cwd=folder) as server:
        yield server.pid, port
    assert not list(folder.iterdir())


def switched(product, pid, folder, *options):
    """One that is switched on, by the way that is chosen by itself."""
    process = subprocess.Popen(
        [product.tool, "attach", str(pid), "-o", str(folder), *options],
        stderr=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True,
        start_new_session=True)
    said = process.stderr.readline()
    # The second where the server did not get to look for two seconds.
    assert "which had waited" in said or "recorded from when" in said
    return process


def counted(recording):
    """Requests that are in a recording so far."""
    with contextlib.suppress(subprocess.CalledProcessError):
        return sum(e["count"] for e in recording.json()["endpoints"])
    return 0  # it has not begun


def test_a_recorder_that_waits_is_switched_on_and_off(product, waiting,
                                                      tmp_path, eventually):
    pid, port = waiting
    with under_load(product, port, "-m", "/health"):
        for number in range(3):
            recording = Recording(product, tmp_path / f"{number}.strand")
            process = switched(product, pid, recording.path, "--mode",
                               "exact")
            eventually(lambda: counted(recording) > 10, 60)
            process.send_signal(signal.SIGINT)
            process.communicate(timeout=60)
            assert process.returncode == 0
            eventually(lambda: released(pid), 60)
            assert recording.json()["sites"]


def test_a_recorder_that_waits_sees_its_strandline_killed(
        product, waiting, tmp_path, eventually):
    pid, port = waiting
    with under_load(product, port, "-m", "/health"):
        recording = Recording(product, tmp_path / "t.strand")
        process = switched(product, pid, recording.path)
        eventually(lambda: counted(recording) > 0, 60)
        process.kill()
        process.communicate()
        eventually(lambda: released(pid), 60)
