#!/usr/bin/python3
"""Hold the verdict to servers whose memory is known: tests/programs/corpus.

Runs each case under strandline, judges each recording, and prints one line a
case and a confusion table for each mode.  Exit status 0: all is as it must
be; 1: something is not.

    corpus.py                       every case, exact and sample: two hours
    corpus.py --short               ten cases in a minute
    corpus.py leak_small sawtooth   these
    corpus.py --rag                 the faults of the RAG servers
    corpus.py --keep DIR            keep the recordings
    corpus.py --judge DIR           judge kept ones again, run nothing
    corpus.py --repeats 100         the clean cases in turn, a hundred runs
"""

import argparse
import collections
import concurrent.futures
import dataclasses
import json
import os
import pathlib
import signal
import subprocess
import sys
import tempfile
import time

import corpus_cases
from corpus_judge import MODES, Judge, confusion, failures

SHORT = ["lru_fill", "sawtooth", "session_ttl", "table_doubling", "warm_up",
         "leak_small", "cache_unbounded", "strdup_kept", "mmap_kept",
         "fd_kept"]
BRIEF = 15  # seconds: below, the ledger is read more often


class Load:
    """The load tool on a port, and what it has made."""

    def __init__(self, build, port):
        self.tool = build / "tests/servers/load"
        self.target = f"127.0.0.1:{port}"
        self.count = collections.Counter()

    def _start(self, stream, seconds, faster):
        return subprocess.Popen(
            [self.tool, "--json", "--unique", "-c", str(stream.connections),
             "-r", str(stream.rate * faster), "-d", str(seconds),
             "-m", stream.mix, self.target],
            stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)

    def phase(self, phase, seconds, faster):
        """Run one; the tools that still wait for answers at its end."""
        share = float(phase.share) * seconds
        deadline = time.monotonic() + share + 2
        tools = [self._start(stream, share, faster)
                 for stream in phase.streams]
        late = []
        for tool in tools:
            try:
                tool.wait(max(0, deadline - time.monotonic()))
                self.collect(tool)
            except subprocess.TimeoutExpired:
                late.append(tool)
        return late

    def collect(self, tool):
        """Add what it counted."""
        out = tool.communicate(timeout=120)[0]
        for kind in json.loads(out)["requests"] if out else []:
            path = corpus_cases.PATHS.get(kind["name"], kind["name"])
            self.count[path] += kind["count"] + kind["errors"]


@dataclasses.dataclass
class Run:
    """How a case is run."""

    build: pathlib.Path
    seconds: float = 0  # 0: as long as the case is given
    faster: float = 1   # times the rate

    def record(self, case, mode, folder):
        """Make folder/run.strand, and folder/run.json beside it."""
        folder.mkdir(parents=True)
        seconds = self.seconds or case.seconds
        under = [self.build / "strandline", "run", "--quiet",
                 "-o", folder / "run.strand", *MODES[mode],
                 "--interval", 1000 if seconds >= BRIEF else 250, "--"]
        under = list(map(str, under))
        with (folder / "stderr").open("w") as errors:
            server, port = case.start(
                under, self.build, case.requests(seconds, self.faster),
                seconds, stderr=errors)
            try:
                load = self._load(case, server, port, seconds)
            finally:
                self._end(server)
        if server.returncode not in (0, 128 + signal.SIGTERM):
            raise RuntimeError(f"{case.name}: ended with {server.returncode}: "
                               + (folder / "stderr").read_text()[-500:])
        (folder / "run.json").write_text(json.dumps({
            "case": case.name, "mode": mode, "seconds": seconds,
            "requests": load.count}, indent=1))

    def _load(self, case, server, port, seconds):
        load = Load(self.build, port)
        late = [tool for phase in case.load
                for tool in load.phase(phase, seconds, self.faster)]
        server.send_signal(signal.SIGTERM)
        server.wait(120)
        for tool in late:
            load.collect(tool)
        return load

    @staticmethod
    def _end(server):
        if server.poll() is None:
            os.killpg(server.pid, signal.SIGKILL)
        server.wait()
        if server.stdout:
            server.stdout.close()


def campaign(run, jobs, judge, folder, workers, tell=lambda outcome: None):
    """Record and judge (case, mode, name) jobs; the outcomes."""
    def one(job):
        case, mode, name = job
        run.record(case, mode, folder / mode / name)
        outcome = judge.judge(folder / mode / name)
        tell(outcome)
        return outcome

    with concurrent.futures.ThreadPoolExecutor(workers) as pool:
        return list(pool.map(one, jobs))


def absolute(path):
    """The path from wherever a command runs."""
    return pathlib.Path(path).resolve()


def options(words):
    """The command line."""
    parser = argparse.ArgumentParser(
        formatter_class=argparse.RawDescriptionHelpFormatter,
        description=__doc__)
    parser.add_argument("cases", nargs="*", help="all when none is named")
    parser.add_argument("--build", type=absolute, default=os.environ.get(
        "STRANDLINE_BUILD", str(corpus_cases.ROOT / "build/release")))
    parser.add_argument("--mode", choices=MODES, action="append")
    parser.add_argument("--rag", action="store_true",
                        help="the RAG servers' faults, not the corpus")
    parser.add_argument("--keep", type=pathlib.Path, metavar="DIR")
    parser.add_argument("--judge", type=pathlib.Path, metavar="DIR")
    parser.add_argument("--seconds", type=float, default=0)
    parser.add_argument("--faster", type=float, default=1,
                        help="times the rate of requests")
    parser.add_argument("--workers", type=int, default=1,
                        help="cases at a time")
    parser.add_argument("--repeats", type=int, default=0)
    parser.add_argument("--short", action="store_true")
    return parser.parse_args(words)


def known(chosen):
    """All cases that can be named, by name."""
    return {**corpus_cases.corpus(), **corpus_cases.planted(chosen.build)}


def wanted(chosen, cases):
    """The (case, mode, name of folder) that are asked for."""
    kind = corpus_cases.Planted if chosen.rag else corpus_cases.Corpus
    names = chosen.cases or (SHORT if chosen.short else [
        name for name, case in cases.items() if isinstance(case, kind)])
    for name in names:
        if name not in cases:
            raise SystemExit(f"no case '{name}'; there are {', '.join(cases)}")
    modes = chosen.mode or list(MODES)
    if not chosen.repeats:
        return [(cases[n], mode, n) for n in names for mode in modes]
    turns = [(cases[n], mode) for n in names if cases[n].clean
             for mode in modes]
    return [(*turns[i % len(turns)],
             f"{turns[i % len(turns)][0].name}.{i // len(turns)}")
            for i in range(chosen.repeats)]


def tell(outcome):
    """Progress, a line as each is done."""
    print(outcome.line(), flush=True)


def judged(judge, chosen):
    """The outcomes of kept recordings."""
    outcomes = [judge.judge(path.parent)
                for path in sorted(chosen.judge.rglob("run.json"))
                if not chosen.cases or path.parent.name in chosen.cases]
    for outcome in outcomes:
        tell(outcome)
    return outcomes


def main(words):
    """The command line."""
    chosen = options(words)
    if chosen.short:
        chosen.seconds, chosen.faster, chosen.workers = 6, 2, 2
    cases = known(chosen)
    judge = Judge(chosen.build, cases)
    if chosen.judge:
        outcomes = judged(judge, chosen)
    else:
        with tempfile.TemporaryDirectory(prefix="corpus.") as scratch:
            outcomes = campaign(
                Run(chosen.build, chosen.seconds, chosen.faster),
                wanted(chosen, cases), judge,
                chosen.keep or pathlib.Path(scratch), chosen.workers, tell)
    print(confusion(outcomes))
    wrong = failures(outcomes)
    print("\n".join(wrong))
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
