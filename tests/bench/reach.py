#!/usr/bin/python3
"""Measure a scan for unreachable blocks: 1 GiB in 5 million of them.

Prints how long the server stood still beside a plain fork of it, and how fast
the scan was beside a mere read of the same memory, each turn about.  Fails
when what was found is not what was lost.

  reach.py BUILD [--rounds N] [--blocks N]
"""

import argparse
import json
import os
import pathlib
import subprocess
import tempfile
import time

PIECE = 1 << 20


def median(values):
    values = sorted(values)
    return values[len(values) // 2]


def read_all(pid):
    """GB/s at which the anonymous memory of a process can be read."""
    total, piece = 0, bytearray(PIECE)
    memory = os.open(f"/proc/{pid}/mem", os.O_RDONLY)
    started = time.monotonic()
    with open(f"/proc/{pid}/maps") as maps:
        for line in maps:
            words = line.split()
            start, end = (int(x, 16) for x in words[0].split("-"))
            if "rw-p" not in line or (len(words) > 5 and words[5] != "[heap]"):
                continue
            for at in range(start, end, PIECE):
                total += os.preadv(memory, [memoryview(piece)[:end - at]], at)
    os.close(memory)
    return total / (time.monotonic() - started) / 1e9


def measure(build, folder, rounds, blocks):
    """Rounds of (pause, fork, GB/s of a scan, GB/s of a read)."""
    tool = build / "strandline"
    recording = pathlib.Path(folder, "heap.strand")
    server = subprocess.Popen(
        [tool, "run", "--quiet", "--no-reach", "--mode", "exact", "-o",
         recording, "--", build / "tests/bench/reach_heap", str(blocks)],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    pid, lost = map(int, server.stdout.readline().split())
    forks, reads = [], []
    for _ in range(rounds):
        server.stdin.write("fork\n")
        server.stdin.flush()
        forks.append(float(server.stdout.readline()))
        reads.append(read_all(pid))
        subprocess.run([tool, "check", "--reach", str(pid)],
                       stdout=subprocess.DEVNULL, timeout=120)
    report = json.loads(subprocess.run(
        [tool, "report", "-f", "json", recording], stdout=subprocess.PIPE,
        check=True).stdout)
    server.stdin.close()
    server.wait()
    return lost, forks, reads, report["scans"]


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("build", type=pathlib.Path)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--blocks", type=int, default=5000000)
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        lost, forks, reads, scans = measure(
            args.build.resolve(), folder, args.rounds, args.blocks)
    for scan in scans:
        found = scan["unreachable"]["count"]
        if abs(found - lost) > lost / 10000:
            raise SystemExit(f"found {found} blocks, lost were {lost}")
    pause = median([s["pause_ms"] for s in scans])
    speed = median([s["scanned_bytes"] / s["scan_ms"] / 1e6 for s in scans])
    print(f"{scans[0]['blocks']:,} blocks, "
          f"{scans[0]['scanned_bytes'] / 2**30:.2f} GiB, {lost:,} lost, "
          f"all found in {len(scans)} scans\n\n"
          "| | scan | beside it | ratio |\n|---|---|---|---|\n"
          f"| stands still, ms | {pause:.1f} | fork {median(forks):.1f} "
          f"| {pause / median(forks):.2f} |\n"
          f"| looked through, GB/s | {speed:.2f} | read {median(reads):.2f} "
          f"| {speed / median(reads):.2f} |")


if __name__ == "__main__":
    main()
