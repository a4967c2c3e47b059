"""Exact recordings equal the truth that the programs state in their heads.

See tests/programs/truth/truth.h for how they state it.
"""

import os
import pathlib
import re
import resource
import subprocess

import pytest

from conftest import ROOT, Recording

SOURCES = ROOT / "tests/programs/truth"
FIGURES = {  # key of a TRUTH line -> where the report has it
    "calls": ("allocated", "count"),
    "bytes": ("allocated", "bytes"),
    "live": ("live", "bytes"),
    "blocks": ("live", "count"),
    "peak": ("peak", "bytes"),
    "brief": ("temporary", "count"),
}
PROGRAMS = [
    ("peak", "peak.c"),
    ("forms", "forms.c"),
    ("operators", "forms.cpp"),
    ("operators_jemalloc", "forms.cpp"),
    ("operators_tcmalloc", "forms.cpp"),
    ("handover", "handover.c"),
    ("handover_jemalloc", "handover.c"),
    ("handover_tcmalloc", "handover.c"),
    ("churn", "churn.c"),
    ("late", "late.cpp"),
    ("plugins", "plugins.c"),
    ("borrowed", "borrowed.c"),
    ("mapped", "mapped.c"),
    ("stages", "stages.c"),
    ("deep", "deep.c"),
    ("images", "images.c"),
]


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


def figure(site, key):
    if key == "mapped":
        return site["mapped_bytes"]
    what, unit = FIGURES[key]
    return site[what][unit]["value"]


def owner(site, functions):
    """The innermost of the functions that is on a site's stack."""
    for frame in reversed(site["stack"]):
        name = frame["function"].split("(")[0]
        if name in functions:
            return name
    return None


def seen(report, truth):
    """The same figures as in @truth, as the report has them."""
    sums = {name: dict.fromkeys(figures, 0)
            for name, figures in truth.items()}
    for site in report["sites"]:
        for name in {owner(site, truth), "*"} & set(sums):
            for key in sums[name]:
                sums[name][key] += figure(site, key)
    return sums


def run(product, recording, name, *words):
    """The exact report of one run."""
    program = pathlib.Path(product.program(f"truth_{name}"))
    if not program.exists():
        pytest.skip(f"{program.name} was not built: no such allocator here")
    if name == "plugins":
        words = [program.parent]
    subprocess.run([*product.under(recording.path, "--mode", "exact"),
                    str(program), *map(str, words)], check=True, timeout=120)
    return recording.json()


@pytest.mark.parametrize("name, source", PROGRAMS,
                         ids=[name for name, _ in PROGRAMS])
def test_exact_is_exact(product, recording, name, source):
    truth = truth_of(source)
    report = run(product, recording, name)
    assert seen(report, truth) == truth
    losses = {key: value for key, value in report["losses"].items() if value}
    assert losses == ({"stack_truncated": 1} if name == "deep" else {})


as_root_only = pytest.mark.skipif(os.geteuid() != 0,
                                  reason="only root can drop that")


def as_root(what):
    return pytest.param(what, marks=as_root_only)


@pytest.mark.parametrize("drops", [
    ["descriptors"], ["range"], ["from"], as_root(["root"]),
    as_root(["rights"]), as_root(["descriptors", "root", "rights"]),
    as_root(["range", "root", "rights"]),
    as_root(["root", "rights", "from"])], ids=" ".join)
def test_exact_is_exact_after_a_daemon_dropped(product, recording, drops):
    truth = truth_of("closes.c")
    report = run(product, recording, "closes", *drops)
    assert seen(report, truth) == truth
    assert not any(report["losses"].values())


HABITS = [["close"], ["range"], ["from"], ["dup"], ["dup2"], ["fill"],
          ["fill", "close", "dup2", "fill", "range", "fill", "from", "dup"]]


@pytest.mark.parametrize("soft, hard", [(1024, 20000), (32, 20000),
                                        (4000, 20000), (1024, 1024)])
@pytest.mark.parametrize("habits", HABITS, ids=" ".join)
def test_a_program_does_not_meet_our_descriptor(product, recording, habits,
                                                soft, hard):
    if soft == hard and "fill" in habits:
        pytest.skip("there is no number beyond the limit: it takes one")
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)

    def limited():
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, min(hard, most)))

    command = [product.program("truth_descriptors"), *habits]
    plain = subprocess.run(command, capture_output=True, timeout=120,
                           preexec_fn=limited, check=True)
    told = subprocess.run(
        [*product.under(recording.path, "--mode", "exact"), *command],
        capture_output=True, timeout=120, preexec_fn=limited, check=True)
    assert told.stdout == plain.stdout
    report, truth = recording.json(), truth_of("descriptors.c")
    assert seen(report, truth) == truth
    assert not any(report["losses"].values())


@pytest.mark.parametrize("allocator", ["libjemalloc.so.2",
                                       "libtcmalloc_minimal.so.4",
                                       "libmimalloc.so.2.0"])
@pytest.mark.parametrize("name, source", [("operators", "forms.cpp"),
                                          ("handover", "handover.c"),
                                          ("churn", "churn.c")],
                         ids=["operators", "handover", "churn"])
def test_exact_is_exact_on_a_preloaded_allocator(
        product, recording, monkeypatch, name, source, allocator):
    if name == "operators" and "mimalloc" in allocator:
        pytest.skip("mimalloc aborts where operator new should throw")
    probe = subprocess.run(["true"], env={"LD_PRELOAD": allocator},
                           capture_output=True, text=True)
    if probe.stderr:
        pytest.skip(f"no {allocator} here")
    monkeypatch.setenv("LD_PRELOAD", allocator)
    truth = truth_of(source)
    report = run(product, recording, name)
    assert seen(report, truth) == truth
    assert not any(report["losses"].values())


def test_a_program_with_its_own_malloc_keeps_it(product, recording):
    run(product, recording, "own")


def test_a_deep_stack_is_cut_and_marked(product, recording):
    report = run(product, recording, "deep")
    depths = {len(site["stack"]): site["stack"][0]["function"]
              for site in report["sites"] if site["function"] == "deepest"}
    assert len(depths) == 2
    assert depths[max(depths)] == "[truncated]"
    assert max(depths) == 1025
    assert "_start" in depths[min(depths)] or min(depths) > 1000


def test_the_same_truth_without_a_strandline_process(product, tmp_path):
    folder = tmp_path / "alone.strand"
    subprocess.run([product.program("truth_handover")], check=True,
                   timeout=120, env=product.preload_alone(folder, "exact"))
    truth = truth_of("handover.c")
    assert seen(Recording(product, folder).json(), truth) == truth
