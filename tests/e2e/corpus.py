#!/usr/bin/python3
"""Hold the verdict to servers whose memory is known: tests/programs/corpus.

Runs each case under strandline, judges each recording, and prints one line a
case and a confusion table for each mode.  Exit status 0: all is as it must
be; 1: something is not.

    corpus.py                       every case, exact and sample: an hour
    corpus.py --short               ten cases in a minute
    corpus.py leak_small sawtooth   these
    corpus.py --keep DIR            keep the recordings
    corpus.py --judge DIR           judge kept ones again, run nothing
    corpus.py --repeats 100         the clean cases in turn, a hundred runs

A case's head says its truth and its load (programs/corpus/corpus.h):

    load: 8 x 2000/s                8 connections, 2,000 GET /work a second
    load: 8 x 600/s /a=2,/b         two of /a to one of /b
    load: 8 x 500/s for 1/2; 8 x 1000/s for 1/2     one after the other
    load: 8 x 2000/s + 64 x 8/s /slow               both at once
"""

import argparse
import collections
import concurrent.futures
import dataclasses
import fractions
import json
import os
import pathlib
import re
import signal
import subprocess
import sys
import tempfile
import time

ROOT = pathlib.Path(__file__).resolve().parents[2]
SOURCES = ROOT / "tests/programs/corpus"
MODES = {"exact": ["--mode", "exact"],
         "sample": ["--mode", "sample", "--rate", "64KiB"]}
CLASSES = ["clean", "leak", "growth", "retention", "mappings", "threads",
           "fds", "inconclusive"]
LARGE = 256  # bytes per request: from here on, half the time must do
SHORT = ["lru_fill", "sawtooth", "session_ttl", "table_doubling", "warm_up",
         "leak_small", "cache_unbounded", "strdup_kept", "mmap_kept",
         "fd_kept"]


@dataclasses.dataclass
class Stream:
    """Requests that come in one way."""

    connections: int
    rate: float
    mix: str

    @classmethod
    def parse(cls, text):
        """`8 x 2000/s /work`"""
        found = re.fullmatch(r"(\d+) x ([\d.]+)/s(?: (\S+))?", text.strip())
        if not found:
            raise ValueError(f"not a load: '{text}'")
        return cls(int(found[1]), float(found[2]), found[3] or "/work")


@dataclasses.dataclass
class Phase:
    """Streams that run side by side for a share of the time."""

    streams: list
    share: fractions.Fraction

    @classmethod
    def parse(cls, text):
        """`8 x 2000/s + 64 x 8/s /slow for 1/2`"""
        streams, _, share = text.partition(" for ")
        return cls([Stream.parse(s) for s in streams.split("+")],
                   fractions.Fraction(share or 1))


class Case:
    """A server and its truth, as its head states it."""

    def __init__(self, source):
        self.name = source.stem
        fields = self._fields(source.read_text())
        self.cls = fields["class"]
        self.also = fields.get("also", "").split()
        self.functions = fields.get("function", "").split("|")
        self.bytes, self.path = self._bytes(fields.get("bytes"))
        self.things = float(fields["things"]) if "things" in fields else None
        self.load = [Phase.parse(text) for text in
                     fields.get("load", "8 x 2000/s").split(";")]
        if sum(phase.share for phase in self.load) != 1:
            raise ValueError(f"{source}: the load's shares are not the whole")

    @staticmethod
    def _fields(text):
        head = text[:text.index("*/")]
        joined = re.sub(r"\n \*  +", " ", head)
        return dict(re.findall(r"^ \* ([a-z]+): (.*)$", joined, re.M))

    @staticmethod
    def _bytes(text):
        if not text:
            return None, None
        size, _, path = text.partition(" of ")
        return float(size), path or None

    @property
    def seconds(self):
        """How long the issue gives it."""
        large = self.bytes and self.bytes >= LARGE
        return 30 if large else 60

    def requests(self, seconds, faster):
        """How many will be made."""
        return round(sum(stream.rate * faster * phase.share * seconds
                         for phase in self.load for stream in phase.streams))


def cases():
    """All of them, by name."""
    found = [Case(path) for folder in ("clean", "faulty")
             for path in sorted((SOURCES / folder).glob("*.c*"))]
    return {case.name: case for case in found}


# --- recording ------------------------------------------------------------

class Load:
    """The load tool on a port, and what it has made."""

    def __init__(self, build, port):
        self.tool = build / "tests/servers/load"
        self.target = f"127.0.0.1:{port}"
        self.count = collections.Counter()
        self.began = time.monotonic()

    def _start(self, stream, seconds, faster):
        return subprocess.Popen(
            [self.tool, "--json", "-c", str(stream.connections),
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
        out = tool.communicate(timeout=30)[0]
        for kind in json.loads(out)["requests"] if out else []:
            self.count[kind["name"]] += kind["count"] + kind["errors"]


def port_of(server):
    """What the server says first."""
    line = server.stdout.readline()
    if not line.startswith("listening on "):
        raise RuntimeError(f"{server.args}: no server: '{line}'")
    return int(line.split()[-1])


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
        command = [self.build / "strandline", "run", "--quiet",
                   "-o", folder / "run.strand", *MODES[mode], "--",
                   self.build / "tests/programs/corpus" / case.name,
                   case.requests(seconds, self.faster), seconds]
        with (folder / "stderr").open("w") as errors, subprocess.Popen(
                list(map(str, command)), stdout=subprocess.PIPE, text=True,
                stderr=errors, start_new_session=True) as server:
            try:
                load = self._load(case, server, seconds)
            finally:
                self._end(server)
        if server.returncode:
            raise RuntimeError(f"{case.name}: ended with {server.returncode}: "
                               + (folder / "stderr").read_text()[-500:])
        (folder / "run.json").write_text(json.dumps({
            "case": case.name, "mode": mode, "seconds": seconds,
            "requests": load.count}, indent=1))

    def _load(self, case, server, seconds):
        load = Load(self.build, port_of(server))
        late = [tool for phase in case.load
                for tool in load.phase(phase, seconds, self.faster)]
        server.send_signal(signal.SIGTERM)
        server.wait(20)
        for tool in late:
            load.collect(tool)
        return load

    @staticmethod
    def _end(server):
        if server.poll() is None:
            os.killpg(server.pid, signal.SIGKILL)


# --- judging --------------------------------------------------------------

def plain(function):
    """A function's name without arguments, template or clone."""
    return re.sub(r"[(<\[.].*", "", function or "").split(" ")[-1]


@dataclasses.dataclass
class Outcome:
    """What a verdict said of a case, and whether that is the truth."""

    case: Case
    mode: str
    folder: pathlib.Path
    cls: str
    sentence: str
    named: bool = True
    bytes: tuple = None  # value, low, high: of one request
    bytes_right: bool = True
    stray: list = dataclasses.field(default_factory=list)

    @property
    def right(self):
        """All of it."""
        return (self.cls == self.case.cls and self.named and
                self.bytes_right and not self.stray)

    @property
    def allowed(self):
        """Right, or one of the few that may be left open."""
        return self.right or (self.mode == "sample" and
                              self.cls == "inconclusive")

    def line(self):
        """As it is printed."""
        said = self.cls
        if self.bytes:
            value, low, high = self.bytes
            said += f" {value:.5g} B [{low:.5g}, {high:.5g}]"
        wrong = [what for what, is_wrong in [
            ("CLASS", self.cls != self.case.cls),
            ("FUNCTION", not self.named),
            ("BYTES", not self.bytes_right),
            ("STRAY " + ", ".join(self.stray), self.stray)] if is_wrong]
        truth = self.case.cls + (f" {self.case.bytes:g} B"
                                 if self.case.bytes else "")
        return (f"{self.case.name:20} {self.mode:7} {truth:18} {said:40} "
                f"{' '.join(wrong) or 'ok'}")


class Judge:
    """Reads recordings with a built strandline."""

    def __init__(self, build):
        self.tool = build / "strandline"
        self.cases = cases()

    def report(self, recording):
        """The report in JSON, read."""
        done = subprocess.run([self.tool, "report", recording, "-f", "json"],
                              check=True, capture_output=True, timeout=120)
        return json.loads(done.stdout)

    def judge(self, folder):
        """The outcome of one kept run; None while there are no verdicts."""
        run = json.loads((folder / "run.json").read_text())
        case = self.cases[run["case"]]
        report = self.report(folder / "run.strand")
        verdict = report.get("verdict")
        if not verdict:
            return None
        outcome = Outcome(case, run["mode"], folder, verdict["class"],
                          verdict["sentence"])
        findings = [f for f in report.get("findings") or []
                    if f["class"] not in ("clean", "inconclusive")]
        mine = [f for f in findings if
                f["class"] in (case.cls, *case.also) and
                plain((f.get("where") or {}).get("function"))
                in case.functions]
        outcome.stray = [f"{f['class']} "
                         f"{(f.get('where') or {}).get('function')}"
                         for f in findings if f not in mine and not
                         (f["class"] == case.cls and not case.bytes)]
        if case.cls == "clean" or outcome.cls == "inconclusive":
            return outcome
        # Fragmentation is the process's as a whole: a name is a bonus.
        outcome.named = bool(mine) or case.cls == "retention"
        if case.bytes:
            self._weigh(outcome, run, mine)
        return outcome

    @staticmethod
    def _weigh(outcome, run, findings):
        truth = outcome.case.bytes
        total = sum(run["requests"].values())
        if outcome.case.path:
            truth *= run["requests"].get(outcome.case.path, 0) / total
        figures = [per_request(f, run, total) for f in findings
                   if f["class"] == outcome.case.cls]
        if not figures or None in figures:
            outcome.bytes_right = outcome.case.cls == "retention"
            return
        value, low, high = (sum(part) for part in zip(*figures))
        outcome.bytes = value, low, high
        if outcome.mode == "exact":
            outcome.bytes_right = abs(value - truth) <= 0.1 * truth
        else:
            outcome.bytes_right = low <= truth <= high


def per_request(finding, run, total):
    """(value, low, high) over all requests; by time where none were seen."""
    figure, scale = finding.get("bytes_per_request"), 1
    endpoint = finding.get("endpoint")
    if endpoint:
        path = endpoint.split(" ")[-1]
        scale = run["requests"].get(path, 0) / total
    if not figure or figure.get("value") is None:
        figure = finding.get("bytes_per_second")
        scale = run["seconds"] / total
    if not figure or figure.get("value") is None:
        return None
    return tuple(scale * (figure[k] if figure[k] is not None else
                          figure["value"]) for k in ("value", "low", "high"))


def confusion(outcomes):
    """Truth down, verdict across, a table for each mode."""
    lines = []
    for mode in MODES:
        of_mode = [o for o in outcomes if o.mode == mode]
        if not of_mode:
            continue
        count = collections.Counter((o.case.cls, o.cls) for o in of_mode)
        lines.append(f"{mode:14}" + "".join(f"{c[:9]:>10}" for c in CLASSES))
        for truth in CLASSES[:-1]:
            if any(o.case.cls == truth for o in of_mode):
                lines.append(f"  {truth:12}" + "".join(
                    f"{count[truth, c] or '.':>10}" for c in CLASSES))
        right = sum(o.right for o in of_mode)
        lines.append(f"  {right} of {len(of_mode)} right in class, function "
                     "and bytes")
    return "\n".join(lines)


def failures(outcomes):
    """What may not be: sentences."""
    wrong = [f"{o.line()}\n    {o.sentence}\n    {o.folder}"
             for o in outcomes if not o.allowed]
    sampled = [o for o in outcomes if o.mode == "sample"]
    left_open = [o for o in sampled if o.cls == "inconclusive"]
    if len(left_open) * 20 > max(len(sampled), 20):
        wrong.append(f"{len(left_open)} of {len(sampled)} samples were "
                     "inconclusive: more than 1 in 20")
    return wrong


# --- the campaign ---------------------------------------------------------

def campaign(run, jobs, folder, workers, tell=lambda outcome: None):
    """Record and judge (case, mode, name) jobs; the outcomes."""
    judge = Judge(run.build)

    def one(job):
        case, mode, name = job
        run.record(case, mode, folder / mode / name)
        outcome = judge.judge(folder / mode / name)
        tell(outcome)
        return outcome

    with concurrent.futures.ThreadPoolExecutor(workers) as pool:
        return list(pool.map(one, jobs))


def options(words):
    """The command line."""
    parser = argparse.ArgumentParser(
        formatter_class=argparse.RawDescriptionHelpFormatter,
        description=__doc__)
    parser.add_argument("cases", nargs="*", help="all when none is named")
    parser.add_argument("--build", type=pathlib.Path, default=os.environ.get(
        "STRANDLINE_BUILD", ROOT / "build/release"))
    parser.add_argument("--mode", choices=MODES, action="append")
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


def wanted(chosen):
    """The (case, mode, name of folder) that are asked for."""
    known = cases()
    names = chosen.cases or (SHORT if chosen.short else list(known))
    for name in names:
        if name not in known:
            raise SystemExit(f"no case '{name}'; there are {', '.join(known)}")
    modes = chosen.mode or list(MODES)
    if not chosen.repeats:
        return [(known[n], mode, n) for n in names for mode in modes]
    clean = [known[n] for n in names if known[n].cls == "clean"]
    turns = [(case, mode) for case in clean for mode in modes]
    return [(*turns[i % len(turns)],
             f"{turns[i % len(turns)][0].name}.{i // len(turns)}")
            for i in range(chosen.repeats)]


def tell(outcome):
    """Progress, a line as each is done."""
    print(outcome.line() if outcome else "recorded; no verdict yet",
          flush=True)


def main(words):
    """The command line."""
    chosen = options(words)
    if chosen.short:
        chosen.seconds, chosen.faster, chosen.workers = 6, 2, 2
    if chosen.judge:
        judge = Judge(chosen.build)
        folders = sorted(p.parent for p in chosen.judge.rglob("run.json"))
        outcomes = [judge.judge(f) for f in folders
                    if not chosen.cases or f.name in chosen.cases]
        for outcome in outcomes:
            tell(outcome)
    else:
        with tempfile.TemporaryDirectory(prefix="corpus.") as scratch:
            outcomes = campaign(
                Run(chosen.build, chosen.seconds, chosen.faster),
                wanted(chosen), chosen.keep or pathlib.Path(scratch),
                chosen.workers, tell)
    outcomes = [o for o in outcomes if o]
    print(confusion(outcomes))
    wrong = failures(outcomes)
    print("\n".join(wrong))
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
