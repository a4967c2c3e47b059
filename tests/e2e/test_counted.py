"""Exact recordings of tests/programs/counted equal the truth in their heads."""
import json
import os
import pathlib
import subprocess

import pytest

BUILD = pathlib.Path(os.environ["STRANDLINE_BUILD"])
STRANDLINE = BUILD / "strandline"
PROGRAMS = BUILD / "tests" / "programs" / "counted"


def record(folder, program, *options):
    """The JSON report of one run of a program."""
    recording = folder / "run.strand"
    subprocess.run([STRANDLINE, "run", "--quiet", "-o", recording, *options,
                    "--", PROGRAMS / program], check=True, timeout=120)
    report = subprocess.run([STRANDLINE, "report", recording, "-f", "json"],
                            check=True, capture_output=True, timeout=120)
    return json.loads(report.stdout)


def total(report, function, what, unit):
    """The sum over all sites with the function on their stack."""
    return sum(site[what][unit]["value"] for site in report["sites"]
               if any(f["function"].split("(")[0] == function
                      for f in site["stack"]))


def truth(report, function):
    """(calls, bytes, live blocks, live bytes) of a function."""
    return tuple(total(report, function, what, unit)
                 for what in ("allocated", "live")
                 for unit in ("count", "bytes"))


@pytest.fixture(scope="module")
def single(tmp_path_factory):
    """One recording of the single-threaded program."""
    return record(tmp_path_factory.mktemp("single"), "counted_single",
                  "--mode", "exact")


@pytest.mark.parametrize("function, expected", [
    ("kept", (1000, 100000, 1000, 100000)),
    ("brief", (500, 12000, 0, 0)),
    ("cleared", (10, 800, 10, 800)),
    ("grown", (10, 550, 1, 100)),
    ("refused", (1, 64, 1, 64)),
    ("nothing", (7, 0, 0, 0)),
    ("aligned", (5, (1 << 20) + 256 + 100 + 10 + 10, 0, 0)),
    ("high", (1, 8 << 20, 0, 0)),
    ("from_handler", (1, 33, 1, 33)),
])
def test_every_call_is_counted(single, function, expected):
    assert truth(single, function) == expected


def test_blocks_freed_at_once_are_temporary(single):
    assert total(single, "brief", "temporary", "count") == 500
    assert total(single, "kept", "temporary", "count") == 0


def test_the_peak_is_where_it_was(single):
    assert total(single, "high", "peak", "bytes") == 8 << 20
    assert total(single, "kept", "peak", "bytes") == 100000
    assert total(single, "from_handler", "peak", "bytes") == 0


def test_nothing_is_lost(single):
    assert not any(single["losses"].values())


def test_blocks_freed_by_other_threads_are_matched(tmp_path):
    report = record(tmp_path, "counted_threads", "--mode", "exact")
    assert truth(report, "made") == (80000, 3840000, 0, 0)
    assert truth(report, "late") == (1600, 25600, 0, 0)
    assert not any(report["losses"].values())


def test_children_have_their_own_books(tmp_path):
    report = record(tmp_path, "counted_forks", "--mode", "exact")
    assert truth(report, "before") == (10, 320, 0, 0)
    assert truth(report, "child") == (15, 600, 15, 600)
    assert report["totals"]["inherited_releases"] >= 50


@pytest.mark.parametrize("program", ["counted_operators",
                                     "counted_operators_jemalloc"])
def test_operators_are_counted_once_whatever_the_allocator(tmp_path, program):
    report = record(tmp_path, program, "--mode", "exact")
    assert truth(report, "forms") == (800, 36800, 0, 0)
    assert truth(report, "kept") == (50, 2000, 50, 2000)
    assert report["totals"]["inherited_releases"] == 0


def test_samples_estimate_the_truth(tmp_path):
    """7,500 samples: one in a hundred is a standard error, 8 are asked."""
    report = record(tmp_path, "counted_threads", "--rate", "512")
    calls, size, _, _ = truth(report, "made")
    assert 0.92 * 80000 < calls < 1.08 * 80000
    assert 0.92 * 3840000 < size < 1.08 * 3840000
