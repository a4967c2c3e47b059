"""The profilers that the bench stands side by side, and how each is started.

Strandline is used as a user would: servers under `strandline run`, small
programs with the shim preloaded and nothing else.
"""

import contextlib
import glob
import json
import os
import pathlib
import platform
import re
import shutil
import signal
import subprocess
import time


def library(pattern):
    found = sorted(glob.glob(f"/usr/lib/*/{pattern}"))
    return found[0] if found else None


class Profiler:
    """No profiler: what all others are compared with."""

    name = "none"
    title = "none"
    baseline = "none"
    # The share of the usual operations that it gets: slow ones take less.
    share = 1.0

    def missing(self):
        """Why it cannot be used here, or None."""
        return None

    def fits(self, workload):
        return True

    def baseline_in(self, workload):
        """The profiler's name to compare with."""
        return self.baseline

    def environment(self, folder):
        return {}

    def wrap(self, command, folder, server):
        """@command as it is started under this profiler."""
        return command

    def join(self, pid, folder):
        """Look at server @pid from now on, where that is the profiler's way;
        what to end then."""
        return contextlib.nullcontext()

    def own_memory(self, folder):
        """MiB it took inside the server, by its own account; or None."""
        return None

    def report(self, folder):
        """The command that prints what was recorded in @folder, or None."""
        return None


class Strandline(Profiler):
    def __init__(self, build, mode):
        self.name = mode
        self.title = f"strandline {mode}"
        self.mode = mode
        self.shim = build / "preload/libstrandline.so"
        self.tool = build / "strandline"
        self.server = False

    def missing(self):
        for path in (self.shim, self.tool):
            if not path.exists():
                return f"{path} is not built"
        return None

    def environment(self, folder):
        if self.server:
            return {}
        recording = folder / "bench.strand"
        recording.mkdir(exist_ok=True)
        return {
            "LD_PRELOAD": str(self.shim),
            "STRANDLINE_DIR": str(recording),
            "STRANDLINE_MODE": self.mode,
            # Never reached: at the cap it would stop, and look cheap.
            "STRANDLINE_MAX_BYTES": str(4 << 30),
        }

    def wrap(self, command, folder, server):
        self.server = server
        if not server:
            return command
        return [str(self.tool), "run", "--quiet", "--mode", self.mode,
                "-o", str(folder / "bench.strand"), "--"] + command

    def own_memory(self, folder):
        answer = subprocess.run(
            [str(self.tool), "report", "-f", "json",
             str(folder / "bench.strand")],
            capture_output=True, text=True, check=True)
        return json.loads(answer.stdout)["cost"]["self_bytes_peak"] / 2**20

    def report(self, folder):
        if self.mode != "exact":
            return None
        return [str(self.tool), "report", str(folder / "bench.strand")]


class Attached(Profiler):
    """Strandline, sent to a server that runs."""

    def __init__(self, build, way):
        self.name = way
        self.title = f"strandline attach, {way}"
        self.way = way
        self.tool = build / "strandline"

    def missing(self):
        if os.geteuid() != 0:
            return "takes root here"
        return None if self.tool.exists() else f"{self.tool} is not built"

    def fits(self, workload):
        return workload.name in ("rag", "redis")

    @contextlib.contextmanager
    def join(self, pid, folder):
        recording = folder / "bench.strand"
        attach = subprocess.Popen(
            [str(self.tool), "attach", str(pid), "--with", self.way,
             "--quiet", "-o", str(recording)], stdin=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
        try:
            until = time.monotonic() + 60
            while not list(recording.glob("[0-9]*.slabs")):
                if attach.poll() is not None or time.monotonic() > until:
                    raise OSError("could not attach")
                time.sleep(0.05)
            yield
            if attach.poll() is not None:
                raise OSError("left before it was asked to")
        finally:
            attach.send_signal(signal.SIGINT)
            attach.wait(60)


class Heaptrack(Profiler):
    name = "heaptrack"
    title = "heaptrack"
    share = 0.25

    def missing(self):
        return None if shutil.which("heaptrack") else "not installed"

    def wrap(self, command, folder, server):
        return ["heaptrack", "-o", str(folder / "heaptrack")] + command

    def report(self, folder):
        return ["heaptrack_print"] + glob.glob(f"{folder}/heaptrack*")


class Allocator(Profiler):
    """Another allocator, with its own profiler when @setting is given."""

    def __init__(self, name, title, pattern, baseline=None, share=1.0,
                 setting=None):
        self.name = name
        self.title = title
        self.baseline = baseline or name
        self.share = share
        self.path = library(pattern)
        self.setting = setting or (lambda folder: {})

    def missing(self):
        return None if self.path else "not installed"

    def environment(self, folder):
        return {"LD_PRELOAD": self.path, **self.setting(folder)}


def jemalloc_prof(lg_sample):
    return lambda folder: {
        "MALLOC_CONF": "prof:true,prof_active:true,"
        f"lg_prof_sample:{lg_sample},prof_prefix:{folder}/jeprof"}


def heap_profile(folder):
    return {"HEAPPROFILE": f"{folder}/gperf"}


class JemallocProf(Allocator):
    """redis brings jemalloc itself: there its baseline is no profiler."""

    def baseline_in(self, workload):
        return "none" if workload.name == "redis" else "jemalloc"


class Jemalloc(Allocator):
    def fits(self, workload):
        return workload.name != "redis"


def make(build):
    return [
        Profiler(),
        Strandline(build, "sample"),
        Strandline(build, "exact"),
        Attached(build, "bpf"),
        Attached(build, "inject"),
        Heaptrack(),
        Jemalloc("jemalloc", "jemalloc, no profiler", "libjemalloc.so.2"),
        JemallocProf("prof19", "jemalloc prof, lg 19", "libjemalloc.so.2",
                     "jemalloc", 1.0, jemalloc_prof(19)),
        JemallocProf("prof0", "jemalloc prof, lg 0", "libjemalloc.so.2",
                     "jemalloc", 0.1, jemalloc_prof(0)),
        Allocator("tcmalloc", "tcmalloc, no profiler", "libtcmalloc.so.4"),
        Allocator("heapprofile", "gperftools HEAPPROFILE",
                  "libtcmalloc.so.4", "tcmalloc", 0.05, heap_profile),
    ]


NAMES = [p.name for p in make(pathlib.Path())]


def package_version(package):
    answer = subprocess.run(["dpkg-query", "-W", "-f", "${Version}", package],
                            capture_output=True, text=True, check=False)
    return answer.stdout if answer.returncode == 0 else None


def processor():
    text = pathlib.Path("/proc/cpuinfo").read_text()
    found = re.search(r"model name\s*: (.*)", text)
    return found.group(1) if found else platform.machine()


def versions(build):
    answer = subprocess.run([str(build / "strandline"), "--version"],
                            capture_output=True, text=True, check=False)
    yield answer.stdout.strip() or "strandline"
    for package in ("heaptrack", "libjemalloc2", "libgoogle-perftools4",
                    "redis-server", "python3-uvicorn", "libc6", "gcc"):
        version = package_version(package)
        if version:
            yield f"{package} {version}"
    yield f"Linux {os.uname().release}"
    yield processor()
