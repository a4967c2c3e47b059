"""What the bench runs under each profiler, and the figures it takes."""

import contextlib
import os
import pathlib
import re
import shutil
import signal
import socket
import subprocess
import time
import urllib.error
import urllib.request

import profilers

ROOT = pathlib.Path(__file__).resolve().parents[2]
HERE = pathlib.Path(__file__).resolve().parent
PYTHON = "/usr/bin/python3"


class Broken(Exception):
    """A profiler could not run a workload; says why."""


class Metric:
    def __init__(self, name, title, unit="", digits=1,
                 higher_is_better=False):
        self.name = name
        self.title = title
        self.unit = unit
        self.digits = digits
        self.higher_is_better = higher_is_better

    def format(self, value):
        return f"{value:,.{self.digits}f}"

    def difference(self, value):
        return f"{value:+,.{self.digits}f}"


class Program:
    """A small program that prints nanoseconds a pair and ends."""

    def __init__(self, name, about, title, command, pairs, digits=0):
        self.name = name
        self.about = about
        self.command = command
        self.pairs = pairs
        self.metrics = [Metric("ns", title, "ns", digits)]

    def missing(self):
        program = pathlib.Path(self.command[0])
        return None if program.exists() else f"{program} is not built"

    def prepare(self, folder):
        pass

    def run(self, profiler, folder):
        pairs = max(int(self.pairs * profiler.share), 10000)
        command = [word.format(pairs=pairs) for word in self.command]
        command = profiler.wrap(command, folder, False)
        environment = {**os.environ, **profiler.environment(folder)}
        try:
            done = subprocess.run(command, env=environment, cwd=folder,
                                  stdin=subprocess.DEVNULL, text=True,
                                  capture_output=True, timeout=300,
                                  check=False)
        except subprocess.TimeoutExpired:
            raise Broken("no end after 300 s") from None
        figures = re.findall(r"^\d+\.\d+$", done.stdout, re.MULTILINE)
        if done.returncode != 0 or len(figures) != 1:
            raise Broken(f"exit status {done.returncode}")
        return {"ns": float(figures[0])}


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def children_of(pid):
    """All descendants, the nearest first."""
    found = []
    waiting = [pid]
    while waiting:
        here = waiting.pop(0)
        for task in pathlib.Path(f"/proc/{here}/task").glob("*/children"):
            try:
                direct = [int(word) for word in task.read_text().split()]
            except OSError:
                continue
            found += direct
            waiting += direct
    return found


class Server:
    """A server under a profiler: started, waited for, and always stopped."""

    def __init__(self, profiler, folder, command, name, environment=None):
        self.name = name
        command = profiler.wrap(command, folder, True)
        self.log = open(folder / "server.log", "w+b")
        self.since = time.monotonic()
        self.process = subprocess.Popen(
            command, cwd=ROOT, stdin=subprocess.DEVNULL, stdout=self.log,
            stderr=self.log, start_new_session=True,
            env={**os.environ, **profiler.environment(folder),
                 **(environment or {})})

    def __enter__(self):
        return self

    def wait_for(self, answers, seconds=60):
        while not answers():
            if self.process.poll() is not None:
                raise Broken(f"ended with {self.process.returncode}: "
                             + self.last_words())
            if time.monotonic() - self.since > seconds:
                raise Broken(f"no answer in {seconds} s")
            time.sleep(0.01)
        return time.monotonic() - self.since

    def last_words(self):
        self.log.seek(0)
        lines = self.log.read().decode(errors="replace").strip().split("\n")
        return lines[-1][:200]

    def pids(self):
        """The server's own processes, not the profiler's around it."""
        for pid in [self.process.pid] + children_of(self.process.pid):
            try:
                exe = os.readlink(f"/proc/{pid}/exe")
            except OSError:
                continue
            if self.name in os.path.basename(exe):
                yield pid

    @contextlib.contextmanager
    def joined(self, profiler, folder):
        try:
            with profiler.join(next(self.pids()), folder):
                yield
        except OSError as why:
            raise Broken(str(why)) from None

    def __exit__(self, *_):
        for pid in self.pids():
            try:
                os.kill(pid, signal.SIGTERM)
            except ProcessLookupError:
                pass
        try:
            self.process.wait(60)
        except subprocess.TimeoutExpired:
            pass
        try:
            os.killpg(self.process.pid, signal.SIGKILL)
        except ProcessLookupError:
            pass
        self.process.wait()
        self.log.close()


def run_client(command, seconds):
    try:
        done = subprocess.run(command, capture_output=True, text=True,
                              stdin=subprocess.DEVNULL, timeout=seconds,
                              check=False)
    except subprocess.TimeoutExpired:
        raise Broken(f"{command[0]} took over {seconds} s") from None
    if done.returncode != 0:
        raise Broken(f"{command[0]}: exit status {done.returncode}")
    return done.stdout


class Search:
    """Bench (c): hybrid search of the bundled FastAPI server."""

    name = "rag"
    about = "rag_fastapi, POST search, 8 connections"
    metrics = [
        Metric("rps", "rag_fastapi, requests/s", "/s", 0, True),
        Metric("start", "its start, s", "s", 2),
        Metric("own", "profiler in the server, MiB", "MiB"),
    ]

    def __init__(self, quick):
        self.seconds = 2 if quick else 6

    def missing(self):
        if not shutil.which("wrk"):
            return "wrk is not installed"
        if not (ROOT / "tests/servers/rag_fastapi").exists():
            return "tests/servers/rag_fastapi is not there"
        return None

    def prepare(self, folder):
        """The first start of all builds the corpus."""
        seconds, self.seconds = self.seconds, 1
        self.run(profilers.Profiler(), folder)
        self.seconds = seconds

    def run(self, profiler, folder):
        port = free_port()
        base = f"http://127.0.0.1:{port}"
        command = [PYTHON, str(ROOT / "tests/servers/rag_fastapi"),
                   "--port", str(port)]

        def healthy():
            try:
                urllib.request.urlopen(f"{base}/health", timeout=5).read()
                return True
            except (urllib.error.URLError, OSError):
                return False

        with Server(profiler, folder, command, "python") as server:
            start = server.wait_for(healthy)
            self.load(base, 1)
            with server.joined(profiler, folder):
                output = self.load(base, self.seconds)
        found = re.search(r"Requests/sec:\s+([\d.]+)", output)
        if not found or "Non-2xx" in output or "Socket errors" in output:
            raise Broken("wrk saw errors: " + output.strip()[-200:])
        figures = {"rps": float(found.group(1)), "start": start}
        own = profiler.own_memory(folder)
        if own is not None:
            figures["own"] = own
        return figures

    @staticmethod
    def load(base, seconds):
        return run_client(
            ["wrk", "-t1", "-c8", f"-d{seconds}s", "--timeout", "20s", "-s",
             str(HERE / "search.lua"),
             f"{base}/api/v1/retrieval/search"], seconds + 60)


class Redis:
    """Bench (d): redis, which brings jemalloc, with pipelining."""

    name = "redis"
    about = "redis-server under redis-benchmark -P 16 -c 20"
    metrics = [
        Metric("SET", "redis SET, 1000/s", "/s", 0, True),
        Metric("GET", "redis GET, 1000/s", "/s", 0, True),
        Metric("LPUSH", "redis LPUSH, 1000/s", "/s", 0, True),
    ]

    def __init__(self, quick):
        self.requests = 400000 if quick else 3000000

    def missing(self):
        for program in ("redis-server", "redis-benchmark"):
            if not shutil.which(program):
                return f"{program} is not installed"
        return None

    def prepare(self, folder):
        pass

    def run(self, profiler, folder):
        port = free_port()
        command = ["redis-server", "--port", str(port), "--save", "",
                   "--appendonly", "no", "--dir", str(folder)]

        def up():
            try:
                socket.create_connection(("127.0.0.1", port), 5).close()
                return True
            except OSError:
                return False

        requests = max(int(self.requests * profiler.share), 20000)
        with Server(profiler, folder, command, "redis") as server:
            server.wait_for(up)
            with server.joined(profiler, folder):
                output = run_client(
                    ["redis-benchmark", "-p", str(port), "-P", "16",
                     "-c", "20", "-r", "100000", "-d", "64",
                     "-n", str(requests), "-t", "set,get,lpush", "--csv"],
                    300)
        rates = dict(re.findall(r'^"(\w+)","([\d.]+)"', output, re.MULTILINE))
        if not {"SET", "GET", "LPUSH"} <= set(rates):
            raise Broken("redis-benchmark printed no rates")
        return {name: float(rates[name]) / 1000
                for name in ("SET", "GET", "LPUSH")}


class Report:
    """Bench (e): print the report of a recording of 20 million events."""

    name = "report"
    about = "the report of a long recording: 512 paths, 10,000 blocks live"
    metrics = [
        Metric("seconds", "report, s", "s", 2),
        Metric("rss", "its memory, MiB", "MiB", 0),
        Metric("bytes", "disk, bytes an event", "B"),
    ]

    def __init__(self, build, quick):
        self.paths = build / "tests/bench/paths"
        self.pairs = 1000000 if quick else 10000000
        self.recorded = {}

    def missing(self):
        return None if self.paths.exists() else f"{self.paths} is not built"

    def prepare(self, folder):
        self.folder = folder

    def record(self, profiler, folder):
        """Once a profiler: what is measured here is the reading."""
        folder = self.folder / f"report-{profiler.name}"
        if not folder.exists():
            folder.mkdir()
            Program("report", "", "", [str(self.paths), "{pairs}", "1"],
                    self.pairs / profiler.share).run(profiler, folder)
        return folder

    def run(self, profiler, folder):
        if not profiler.report(folder):
            return {}
        recording = self.record(profiler, folder)
        command = ["/usr/bin/time", "-f", "%e %M",
                   *profiler.report(recording)]
        done = subprocess.run(command, stdin=subprocess.DEVNULL, text=True,
                              stdout=subprocess.DEVNULL, check=False,
                              stderr=subprocess.PIPE)
        if done.returncode != 0:
            raise Broken(done.stderr.strip()[-200:])
        seconds, rss = done.stderr.strip().split("\n")[-1].split()
        # Sparse: the space given back while recording is not on the disk.
        size = sum(path.stat().st_blocks * 512
                   for path in recording.rglob("*") if path.is_file())
        return {"seconds": float(seconds), "rss": int(rss) / 1024,
                "bytes": size / (2 * (self.pairs + 40000))}


def make(build, quick):
    programs = build / "tests/bench"
    pairs = 200000 if quick else 2000000
    return [
        Program("paths1", "malloc/free pairs, 512 paths, 25 frames, 1 thread",
                "(a) 1 thread, ns a pair",
                [str(programs / "paths"), "{pairs}", "1"], pairs),
        Program("paths2", "the same with 2 threads",
                "(a) 2 threads, ns a pair",
                [str(programs / "paths"), "{pairs}", "2"], pairs),
        Program("tight", "a loop of malloc(64) and free",
                "(b) tight loop, ns a pair",
                [str(programs / "tight"), "{pairs}"], pairs * 10, 1),
        Search(quick),
        Redis(quick),
        Report(build, quick),
    ]


TABLES = [["paths1", "paths2", "tight"], ["rag"], ["redis"], ["report"]]
NAMES = [name for table in TABLES for name in table]
