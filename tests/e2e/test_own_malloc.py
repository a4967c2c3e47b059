"""Programs that bring their own allocator are recorded, and not changed.

tests/programs/own has them, with the truth in their heads.
"""

import os
import re
import shutil
import subprocess

import pytest

from conftest import ROOT
from test_truth import seen

SOURCES = ROOT / "tests/programs"
PLAIN, FLAGS = "own/plain.c", "own/flags.c"
HANDOVER, OPERATORS = "truth/handover.c", "truth/forms.cpp"
PROGRAMS = [
    *[(f"{allocator}{variant}", source)
      for allocator in ("jemalloc", "tcmalloc")
      for variant, source in (("", PLAIN), ("_fixed", PLAIN),
                              ("_stripped", PLAIN), ("_hidden", PLAIN),
                              ("_handover", HANDOVER),
                              ("_operators", OPERATORS))],
    ("jemalloc_flags", FLAGS),
    ("_rjem_jemalloc", PLAIN), ("_rjem_jemalloc_flags", FLAGS),
    ("je_jemalloc", PLAIN), ("je_jemalloc_flags", FLAGS),
    ("careful", "own/careful.c"),
    ("shared_jemalloc_flags", FLAGS),
    ("shared_tcmalloc", "own/both.c"), ("shared_mimalloc", "own/both.c"),
]
IDS = [name for name, _ in PROGRAMS]


def truth_of(source):
    """{function: {figure: value}} from the head of a program."""
    truth = {}
    for line in (SOURCES / source).read_text().splitlines():
        found = re.match(r" \* TRUTH (\S+) (.*)", line)
        if found:
            truth[found[1]] = {
                key: int(value) for key, value in
                (word.split("=") for word in found[2].split())}
    return truth


def program(product, name):
    path = product.build / "tests/programs/own" / f"own_{name}"
    if not path.exists():
        pytest.skip(f"{path.name} was not built: no such archive here")
    return str(path)


def outcome(*command, timeout=120, **more):
    done = subprocess.run(command, capture_output=True, text=True,
                          timeout=timeout, **more)
    return done.returncode, done.stdout, done.stderr


def record(product, recording, name, *options, env=None):
    """The report of a run that must be as it is without us."""
    command = program(product, name)
    under = product.under(recording.path, *options)
    assert outcome(*under, command, env=env) == outcome(command)
    return recording.json()


def innermost(report, name):
    """Functions of the program that blocks are charged to."""
    return {site["stack"][-1]["function"] for site in report["sites"]
            if site["allocated"]["count"]["value"] and
            site["stack"][-1]["module"].endswith(f"own_{name}")}


@pytest.mark.parametrize("name, source", PROGRAMS, ids=IDS)
def test_exact_is_exact(product, recording, name, source):
    truth = truth_of(source)
    if name.endswith("_stripped"):  # there are no names: all that it did
        report = record(product, recording, name, "--mode", "exact")
        calls = sum(figures["calls"] for figures in truth.values())
        assert report["totals"]["allocations"] >= calls
        return
    report = record(product, recording, name, "--mode", "exact")
    assert seen(report, truth) == truth
    assert not any(report["losses"].values())
    assert report["problems"] == []
    where = r"lib\S*" if name.startswith("shared") else f"own_{name}"
    assert re.fullmatch(rf"\S.*: patched at entry in {where}",
                        report["notes"][0])
    # The allocator is nobody's caller, and is not seen from inside.
    assert not {function for function in innermost(report, name)
                if re.fullmatch(r"\w*(alloc|allocx|memalign|free)|"
                                r"operator .*", function)}


@pytest.mark.parametrize("name, source", PROGRAMS, ids=IDS)
def test_a_sampled_run_is_unharmed(product, recording, name, source):
    record(product, recording, name, "--rate", "16KiB")


def test_patching_can_be_switched_off(product, recording):
    env = {**os.environ, "STRANDLINE_PATCH": "0"}
    report = record(product, recording, "_rjem_jemalloc", "--mode", "exact",
                    env=env)
    assert "notes" not in report
    assert re.fullmatch(r".*_rjem_malloc.*: not recorded in "
                        r"own__rjem_jemalloc: STRANDLINE_PATCH=0",
                        report["problems"][0])
    kept = {"kept": {"calls": 0}}
    assert seen(report, kept) == kept


def test_an_allocator_that_cannot_be_followed_is_left_alone(
        product, recording):
    """Its free is one return: too short for a jump."""
    path = product.program("truth_own")
    under = product.under(recording.path, "--mode", "exact")
    assert outcome(*under, path) == outcome(path)
    assert recording.json()["problems"] == [
        "free: not recorded in truth_own: the function is too short",
        "calloc, malloc, realloc: not recorded in truth_own: a function that "
        "releases its blocks cannot be followed"]


def test_the_allocator_is_named(product, recording):
    report = record(product, recording, "_rjem_jemalloc")
    assert report["processes"][0]["allocator"] == "jemalloc"


def heap_of(report):
    """{function of heap.c: bytes it added to the heap}."""
    grown = {}
    for site in report["sites"]:
        for frame in site["stack"]:
            if frame["function"] in ("first", "second", "brief", "last"):
                name = frame["function"]
                grown[name] = grown.get(name, 0) + site["mapped_bytes"]
    return grown


SIZE, STEP = 64 * 100000, 300000  # libc grows its heap by 132 KiB and more


def test_growth_of_the_heap_is_charged_to_who_caused_it(product, recording):
    grown = heap_of(record(product, recording, "heap", "--mode", "exact"))
    assert SIZE - STEP < grown["first"] < SIZE + STEP
    assert SIZE - STEP < grown["second"] < SIZE + STEP
    assert -STEP < grown["brief"] < STEP
    assert -STEP < grown["last"] < STEP


def test_growth_of_the_heap_is_noticed_by_samples(product, recording):
    grown = heap_of(record(product, recording, "heap", "--rate", "16KiB"))
    assert 2 * (SIZE - STEP) < grown["first"] + grown["second"]
    assert sum(grown.values()) < 3 * (SIZE + STEP)


@pytest.fixture(scope="module")
def rust(product):
    """Build the Rust program on an allocator, where that is possible."""
    cargo = shutil.which("cargo")
    if not cargo:
        pytest.skip("no cargo here")

    def build(allocator):
        target = product.build / "tests/programs/own/rust" / allocator
        command = [cargo, "build", "--release", "--quiet", "--locked",
                   "--manifest-path", str(SOURCES / "own/rust/Cargo.toml"),
                   "--target-dir", str(target), "--features", allocator]
        impatient = {**os.environ, "CARGO_NET_RETRY": "1",
                     "CARGO_HTTP_TIMEOUT": "20"}
        try:
            done = outcome(*command, timeout=300, env=impatient)
        except subprocess.TimeoutExpired:
            pytest.skip("cargo does not build it within 300 s")
        if done[0]:
            pytest.skip(f"cargo cannot build it: {done[2][-200:]}")
        return str(target / "release/own")

    return build


# jemalloc's configure takes minutes where cores are few.
@pytest.mark.parametrize("allocator", [
    "mimalloc", pytest.param("jemalloc", marks=pytest.mark.long)])
def test_rust_is_exact(product, recording, rust, allocator):
    command = rust(allocator)
    truth = truth_of("own/rust/src/main.rs")
    under = product.under(recording.path, "--mode", "exact")
    assert outcome(*under, command) == outcome(command)
    report = recording.json()
    assert seen(report, truth) == truth
    assert not any(report["losses"].values())
    assert report["processes"][0]["allocator"] == allocator
