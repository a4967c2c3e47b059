"""Sampled live bytes are unbiased, and their intervals mean what they say.

Over many seeded runs of a program whose live blocks are known
(programs/truth/sizes.c), the mean of each site's live bytes is the truth, and
the stated interval covers it 93 to 97 times in a hundred.  STRANDLINE_SEED
makes a run repeatable, so this either always passes or never.
"""

import concurrent.futures
import os
import statistics
import subprocess

import pytest

from conftest import Recording
from test_truth import owner, truth_of

LONG = bool(os.environ.get("STRANDLINE_ALL"))
RUNS = 1000 if LONG else 200
RATES = [32 << 10, 128 << 10] if LONG else [32 << 10]  # of 4 MiB
FIGURES = {"bytes": "live", "count": "blocks"}  # in a report; in the truth


def run(product, folder, seed, rate):
    """{function: {figure: (value, low, high)}} of one run."""
    env = product.preload_alone(folder, "sample", STRANDLINE_SEED=str(seed),
                                STRANDLINE_RATE=str(rate))
    subprocess.run([product.program("truth_sizes")], env=env, check=True,
                   timeout=60)
    told = {}
    truth = truth_of("sizes.c")
    for site in Recording(product, folder).json()["sites"]:
        name = owner(site, truth)
        if name:
            assert name not in told, "one site each"
            told[name] = {figure: tuple(site["live"][figure][bound] for bound
                                        in ("value", "low", "high"))
                          for figure in FIGURES}
    subprocess.run(["rm", "-rf", str(folder)], check=True)
    return told


@pytest.fixture(scope="module", params=RATES)
def runs(product, request, tmp_path_factory):
    """All of them, at one rate."""
    folder = tmp_path_factory.mktemp("runs")
    with concurrent.futures.ThreadPoolExecutor(2) as pool:
        return list(pool.map(
            lambda seed: run(product, folder / f"{seed}.strand", seed,
                             request.param), range(1, RUNS + 1)))


@pytest.mark.parametrize("figure", FIGURES)
def test_the_mean_is_the_truth(runs, figure):
    for name, truth in truth_of("sizes.c").items():
        told = [run.get(name, {}).get(figure, (0,))[0] for run in runs]
        mean = statistics.mean(told) / truth[FIGURES[figure]]
        assert abs(mean - 1) < 0.02, name


@pytest.mark.parametrize("figure", FIGURES)
def test_the_interval_covers_the_truth_as_often_as_it_says(runs, figure):
    covered = tried = 0
    for name, truth in truth_of("sizes.c").items():
        for run in runs:
            tried += 1
            if name in run:
                _, low, high = run[name][figure]
                covered += low <= truth[FIGURES[figure]] <= high
    assert 0.93 <= covered / tried <= 0.97


def test_a_seed_makes_a_run_repeatable(product, tmp_path):
    first = run(product, tmp_path / "a.strand", 7, 16 << 10)
    assert run(product, tmp_path / "b.strand", 7, 16 << 10) == first
    assert run(product, tmp_path / "c.strand", 8, 16 << 10) != first
