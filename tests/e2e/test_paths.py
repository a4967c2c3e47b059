"""The bench's program has a known truth: one call chain, by name, 512 by
address, 25 frames deep without frame pointers; every block is made in its
innermost function.
"""

import json
import os
import pathlib
import subprocess

import pytest

BUILD = pathlib.Path(os.environ["STRANDLINE_BUILD"])
PAIRS = 100000
WARM_UP = 40000  # the program's own, a thread
CHAIN = ["work"] + [f"level_{n}" for n in range(1, 25)] + ["replace_block"]


def strandline(*words):
    return subprocess.run([str(BUILD / "strandline"), *map(str, words)],
                          check=True, capture_output=True, text=True,
                          stdin=subprocess.DEVNULL).stdout


EXACT = [("exact", 1), ("exact", 2)]
SAMPLE = [("sample", 1), ("sample", 2)]


def recordings_of(modes):
    return pytest.mark.parametrize("recording", modes, indirect=True,
                                   ids=lambda p: f"{p[0]}-{p[1]}")


@pytest.fixture(scope="module")
def recording(request, tmp_path_factory):
    mode, threads = request.param
    path = tmp_path_factory.mktemp("paths") / "paths.strand"
    rate = ["--rate", "32KiB"] if mode == "sample" else []
    strandline("run", "--quiet", "--mode", mode, *rate, "-o", path, "--",
               BUILD / "tests/bench/paths", PAIRS, threads)
    return mode, threads, path


def chains(path):
    """Of the blocks of the program itself: stack -> bytes."""
    lines = strandline("report", "-f", "folded", "-k", "alloc",
                       path).splitlines()
    found = {}
    for line in lines:
        stack, _, weight = line.rpartition(" ")
        frames = [name.split(" (")[0] for name in stack.split(";")]
        if "replace_block" in frames:
            found[tuple(frames[frames.index("work"):])] = int(weight)
    return found


@recordings_of(EXACT + SAMPLE)
def test_every_stack_is_the_one_chain(recording):
    _, _, path = recording
    assert list(chains(path)) == [tuple(CHAIN)]


@recordings_of(EXACT + SAMPLE)
def test_nothing_is_lost(recording):
    _, _, path = recording
    losses = json.loads(strandline("report", "-f", "json", path))["losses"]
    assert not any(losses.values()), losses


@recordings_of(EXACT)
def test_exact_counts_every_block(recording):
    _, threads, path = recording
    sites = json.loads(strandline("report", "-f", "json", path))["sites"]
    count = sum(site["allocated"]["count"]["value"] for site in sites
                if site["function"] == "replace_block")
    assert count == threads * (PAIRS + WARM_UP)


@recordings_of(SAMPLE)
def test_a_sample_covers_the_truth(recording):
    _, threads, path = recording
    sites = json.loads(strandline("report", "-f", "json", path))["sites"]
    live = [site["live"]["bytes"] for site in sites
            if site["function"] == "replace_block"]
    truth = threads * 10000 * 1031  # mean of the 32 sizes
    # Five standard errors: a wrong scale lies far outside, chance does not.
    value = sum(one["value"] for one in live)
    half = sum(one["high"] - one["value"] for one in live)
    assert abs(value - truth) < 2.5 * half
