"""The verdict is right on servers whose memory is known, in a short form.

The whole of it takes more than an hour: `tests/e2e/corpus.py`, run by ctest's
`long` tests.
"""

import os
import pathlib

import corpus
import pytest

BUILD = pathlib.Path(os.environ["STRANDLINE_BUILD"])


@pytest.fixture(scope="module")
def outcomes(tmp_path_factory):
    """The short cases, two at a time."""
    run = corpus.Run(BUILD, seconds=6, faster=2)
    done = corpus.campaign(run, corpus.wanted(corpus.options(["--short"])),
                           tmp_path_factory.mktemp("corpus"), workers=2)
    if None in done:
        pytest.skip("this build gives no verdicts yet")
    return done


def test_every_verdict_is_the_truth(outcomes):
    print(corpus.confusion(outcomes))
    assert not corpus.failures(outcomes)


@pytest.mark.parametrize("case", corpus.cases().values(),
                         ids=lambda case: case.name)
def test_every_case_states_its_truth(case):
    assert case.cls in corpus.CLASSES[:-1]
    assert case.cls == "clean" or case.functions != [""]


def test_half_of_the_cases_are_clean():
    known = corpus.cases().values()
    clean = sum(case.cls == "clean" for case in known)
    assert 0.4 <= clean / len(known) <= 0.6
