#!/usr/bin/python3
"""Measure what profilers cost, side by side, and print markdown tables.

Every workload is run under every profiler in turn, the round repeated, and
the median taken, so that whatever else the machine does falls on all of them
alike.  Compare ratios within one run only.

A profiler that replaces the allocator is compared with that allocator
unprofiled; all others with no profiler.  What is not installed is skipped by
name.  Slow profilers get fewer operations, never fewer rounds.
"""

import argparse
import json
import os
import pathlib
import shutil
import sys
import tempfile

import profilers
import workloads


def median(values):
    values = sorted(values)
    middle = len(values) // 2
    if len(values) % 2:
        return values[middle]
    return (values[middle - 1] + values[middle]) / 2


class Results:
    """samples[workload][metric][profiler] -> one figure a round"""

    def __init__(self):
        self.samples = {}
        self.notes = []

    def add(self, workload, profiler, figures):
        for metric, value in figures.items():
            at = self.samples.setdefault(workload.name, {})
            at.setdefault(metric, {}).setdefault(profiler.name, []).append(
                value)

    def get(self, workload, metric, profiler_name):
        """The figures of each round, [] when there are none."""
        at = self.samples.get(workload.name, {}).get(metric.name, {})
        return at.get(profiler_name, [])

    def spread(self, workload, metric, profiler_name):
        values = self.get(workload, metric, profiler_name)
        return (max(values) - min(values)) / median(values)

    def note(self, text):
        if text not in self.notes:
            self.notes.append(text)
            progress(text)


def progress(text):
    print(text, file=sys.stderr, flush=True)


def measure(workload, candidates, rounds, results, scratch):
    """Interleaved: round by round, each profiler once."""
    broken = set()
    for number in range(rounds):
        # A profiler's place in the round should not matter; turn it anyway.
        turn = number % len(candidates)
        for profiler in candidates[turn:] + candidates[:turn]:
            if profiler.name in broken or not profiler.fits(workload):
                continue
            folder = pathlib.Path(tempfile.mkdtemp(dir=scratch))
            try:
                figures = workload.run(profiler, folder)
                if not figures:
                    continue
                results.add(workload, profiler, figures)
                progress(f"  {workload.name} {profiler.name}: " + ", ".join(
                    f"{k} {v:.4g}" for k, v in figures.items()))
            except workloads.Broken as why:
                broken.add(profiler.name)
                results.note(
                    f"{profiler.name} did not run {workload.name}: {why}")
            finally:
                shutil.rmtree(folder, ignore_errors=True)


def cell(workload, metric, profiler, results):
    """One figure and how it compares; '' when not measured.

    Compared round by round: what disturbs a round disturbs both.
    """
    baseline = profiler.baseline_in(workload)
    values = results.get(workload, metric, profiler.name)
    pairs = list(zip(values, results.get(workload, metric, baseline)))
    if not values:
        return ""
    text = metric.format(median(values))
    if not pairs or baseline == profiler.name:
        return text
    if metric.higher_is_better:
        return f"{text} ({median([v / base for v, base in pairs]):.3f})"
    difference = median([v - base for v, base in pairs])
    return f"{text} ({metric.difference(difference)})"


def table(candidates, plan, results):
    """One markdown table; '' when nothing of it was measured."""
    columns = [(w, m) for w in plan for m in w.metrics
               if m.name in results.samples.get(w.name, {})]
    rows = [["profiler"] + [m.title for _, m in columns]]
    for profiler in candidates:
        cells = [cell(w, m, profiler, results) for w, m in columns]
        if any(cells):
            rows.append([profiler.title] + cells)
    if not columns:
        return ""
    lines = ["| " + " | ".join(row) + " |" for row in rows]
    lines.insert(1, "|" + "---|" * len(rows[0]))
    return "\n".join(lines)


def noise(plan, results):
    """How far apart the rounds of no profiler lay, per metric."""
    parts = []
    for workload in plan:
        for metric in workload.metrics:
            if results.get(workload, metric, "none"):
                spread = results.spread(workload, metric, "none")
                parts.append(f"{metric.title} {spread:.0%}")
    return "; ".join(parts)


def parse_arguments():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--build", default="build/release",
                        help="the built tree (%(default)s)")
    parser.add_argument("--quick", action="store_true",
                        help="a tenth of the time, for a look")
    parser.add_argument("--rounds", type=int, help="rounds, 5 by default")
    parser.add_argument("--only", metavar="NAME,...",
                        help="workloads: " + ", ".join(workloads.NAMES))
    parser.add_argument("--profilers", metavar="NAME,...",
                        help="profilers: " + ", ".join(profilers.NAMES))
    parser.add_argument("--json", metavar="FILE", help="every figure, too")
    return parser.parse_args()


def main():
    args = parse_arguments()
    build = pathlib.Path(args.build).resolve()
    results = Results()
    wanted = args.profilers.split(",") if args.profilers else profilers.NAMES
    candidates = []
    for profiler in profilers.make(build):
        missing = profiler.missing()
        if profiler.name not in wanted:
            continue
        if missing:
            results.note(f"{profiler.name} skipped: {missing}")
        else:
            candidates.append(profiler)
    only = args.only.split(",") if args.only else workloads.NAMES
    plan = []
    for workload in workloads.make(build, args.quick):
        missing = workload.missing()
        if workload.name not in only:
            continue
        if missing:
            results.note(f"{workload.name} skipped: {missing}")
        else:
            plan.append(workload)

    rounds = args.rounds or (2 if args.quick else 5)
    with tempfile.TemporaryDirectory(prefix="strandline-bench.") as scratch:
        for workload in plan:
            progress(f"{workload.name}: {workload.about}")
            try:
                workload.prepare(pathlib.Path(scratch))
            except workloads.Broken as why:
                results.note(f"{workload.name} left out: {why}")
                continue
            measure(workload, candidates, rounds, results, scratch)

    for names in workloads.TABLES:
        part = [w for w in plan if w.name in names]
        text = table(candidates, part, results)
        if text:
            print(text, end="\n\n")
    print(f"Medians of {rounds} interleaved rounds on "
          f"{os.cpu_count()} cores; in brackets the ratio to, or the "
          "difference from, the same allocator without a profiler. "
          f"Rounds without a profiler differed by: "
          f"{noise(plan, results)}.")
    print("Versions: " + ", ".join(profilers.versions(build)) + ".")
    for text in results.notes:
        print(f"- {text}")
    if args.json:
        pathlib.Path(args.json).write_text(
            json.dumps(results.samples, indent=1) + "\n")


if __name__ == "__main__":
    main()
