"""Judge a recording of a server whose memory is known: is the verdict right?

A recording lies in a folder, as `run.strand`, with `run.json` beside it: which
case it is of, in which mode, for how long, and how many requests were made of
each path.
"""

import collections
import dataclasses
import json
import pathlib
import re
import subprocess

from corpus_cases import CLASSES, Case

MODES = {"exact": ["--mode", "exact"],
         "sample": ["--mode", "sample", "--rate", "64KiB"]}


def names(function):
    """The words a function may be named by: with scope or without."""
    bare = (function or "").replace("(anonymous namespace)::", "")
    inner = re.compile(r"<[^<>]*>|\([^()]*\)|\[[^][]*\]")
    while inner.search(bare):
        bare = inner.sub("", bare)
    bare = bare.strip().removesuffix(" const").split(" ")[-1]
    return set(re.split(r"::|\.", bare)) | {bare}


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
    near: bool = False   # within the interval, widened
    stray: list = dataclasses.field(default_factory=list)

    @property
    def classed(self):
        """Whether the class is right."""
        return self.cls in self.case.truth.classes

    @property
    def truth(self):
        """The class that is true; the one said where several are."""
        return self.cls if self.classed else self.case.truth.classes[0]

    @property
    def right(self):
        """All of it."""
        return (self.classed and self.named and self.bytes_right and
                not self.stray)

    @property
    def missed(self):
        """All right but for a truth just outside of a sampled interval."""
        return (self.near and self.classed and self.named and
                not self.bytes_right and not self.stray)

    @property
    def allowed(self):
        """Right, or one of the few that may be left open or missed."""
        return self.right or (self.mode == "sample" and (
            self.cls == "inconclusive" or self.missed))

    def line(self):
        """As it is printed."""
        said = self.cls
        if self.bytes:
            value, low, high = self.bytes
            said += f" {value:.5g} B [{low:.5g}, {high:.5g}]"
        wrong = [what for what, is_wrong in [
            ("CLASS", not self.classed),
            ("FUNCTION", not self.named),
            ("BYTES", not self.bytes_right),
            ("STRAY " + ", ".join(self.stray), self.stray)] if is_wrong]
        truth = self.truth
        if self.case.truth.bytes:
            truth += " {:g} B".format(sum(self.case.truth.bytes) / 2)
        return (f"{self.case.name:22} {self.mode:7} {truth:18} {said:40} "
                f"{' '.join(wrong) or 'ok'}")


class Judge:
    """Reads recordings with a built strandline.

    A sampled interval of 97 % that misses the truth is near to it when
    @widths times as wide it would not.
    """

    def __init__(self, build, cases, widths=1.5):
        self.tool = build / "strandline"
        self.cases = cases
        self.widths = widths

    def report(self, recording):
        """The report in JSON, read."""
        done = subprocess.run([self.tool, "report", recording, "-f", "json"],
                              check=True, capture_output=True, timeout=120)
        return json.loads(done.stdout)

    def judge(self, folder):
        """The outcome of one kept run."""
        run = json.loads((folder / "run.json").read_text())
        case = self.cases[run["case"]]
        report = self.report(folder / "run.strand")
        verdict = report["verdict"]
        outcome = Outcome(case, run["mode"], folder, verdict["class"],
                          verdict["sentence"])
        findings = [f for f in report.get("findings") or []
                    if f["class"] not in ("clean", "inconclusive")]
        truth = case.truth
        mine = [f for f in findings if
                f["class"] in (*truth.classes, *truth.also) and
                names(function_of(f)) & set(truth.functions)]
        # Fragmentation and descriptors are the process's as a whole.
        outcome.stray = [f"{f['class']} {function_of(f)}"
                         for f in findings if f not in mine and not
                         (f["class"] in truth.classes and not truth.bytes)]
        if case.clean or outcome.cls == "inconclusive":
            return outcome
        outcome.named = bool(mine) or "retention" in truth.classes
        # CPython's small objects are not in exact recordings: of a Python
        # fault a part is missing there.
        if truth.bytes and not (run["mode"] == "exact" and case.in_python):
            self._weigh(outcome, run, mine)
        return outcome

    def _weigh(self, outcome, run, findings):
        least, most = outcome.case.truth.bytes
        total = sum(run["requests"].values())
        if outcome.case.truth.path:
            share = run["requests"].get(outcome.case.truth.path, 0) / total
            least, most = least * share, most * share
        figures = [per_request(f, run, total) for f in findings
                   if f["class"] in outcome.case.truth.classes]
        if not figures or None in figures:
            outcome.bytes_right = False
            return
        value, low, high = (sum(part) for part in zip(*figures))
        outcome.bytes = value, low, high
        if outcome.mode == "exact":
            outcome.bytes_right = 0.9 * least <= value <= 1.1 * most
        else:
            outcome.bytes_right = low <= most and high >= least
            outcome.near = (value - (value - low) * self.widths <= most and
                            value + (high - value) * self.widths >= least)


def function_of(finding):
    """Its name, or None."""
    return (finding.get("where") or {}).get("function")


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
        count = collections.Counter((o.truth, o.cls) for o in of_mode)
        lines.append(f"{mode:14}" + "".join(f"{c[:9]:>10}" for c in CLASSES))
        for truth in CLASSES[:-1]:
            if any(o.truth == truth for o in of_mode):
                lines.append(f"  {truth:12}" + "".join(
                    f"{count[truth, c] or '.':>10}" for c in CLASSES))
        right = sum(o.right for o in of_mode)
        lines.append(f"  {right} of {len(of_mode)} right in class, function "
                     "and bytes")
    return "\n".join(lines)


def failures(outcomes, many=True):
    """What may not be: sentences.  Where outcomes are not @many, how often
    intervals miss is not held against them."""
    wrong = [f"{o.line()}\n    {o.sentence}\n    {o.folder}"
             for o in outcomes if not o.allowed]
    sampled = [o for o in outcomes if o.mode == "sample"]
    left_open = [o for o in sampled if o.cls == "inconclusive"]
    if len(left_open) * 20 > max(len(sampled), 20):
        wrong.append(f"{len(left_open)} of {len(sampled)} samples were "
                     "inconclusive: more than 1 in 20")
    # Intervals of 97 % miss now and then; more often than this they lie.
    figures = [o for o in sampled if o.bytes]
    missed = [o for o in figures if o.missed]
    if many and len(missed) * 12 > max(len(figures), 12):
        wrong.append(f"{len(missed)} of {len(figures)} sampled figures lie "
                     "outside of their interval: more than 1 in 12")
    return wrong
