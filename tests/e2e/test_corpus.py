"""The verdict is right on servers whose memory is known, in a short form.

The whole of it takes more than an hour: `tests/e2e/corpus.py`, run by ctest's
`long` tests.
"""

import os
import pathlib

import corpus
import corpus_cases
import corpus_judge
import pytest

BUILD = pathlib.Path(os.environ["STRANDLINE_BUILD"])
CASES = corpus_cases.corpus()


@pytest.fixture(scope="module")
def outcomes(tmp_path_factory):
    """The short cases, two at a time."""
    jobs = corpus.wanted(corpus.options(["--short"]), CASES)
    # Once in a million an interval of 97 % misses by more than this.
    judge = corpus_judge.Judge(BUILD, CASES, widths=2.5)
    return corpus.campaign(corpus.Run(BUILD, seconds=6, faster=2), jobs, judge,
                           tmp_path_factory.mktemp("corpus"), workers=2)


def test_every_verdict_is_the_truth(outcomes):
    print(corpus_judge.confusion(outcomes))
    assert not corpus_judge.failures(outcomes, many=False)


@pytest.mark.parametrize("case", CASES.values(), ids=lambda case: case.name)
def test_every_case_states_its_truth(case):
    assert set(case.truth.classes) <= set(corpus_cases.CLASSES[:-1])
    assert case.clean or case.truth.functions != [""]


def test_half_of_the_cases_are_clean():
    clean = sum(case.clean for case in CASES.values())
    assert 0.4 <= clean / len(CASES) <= 0.6


@pytest.mark.parametrize("said", [
    "remember", "void remember<char const*>(unsigned long) [clone .cold]",
    "(anonymous namespace)::remember(unsigned long)", "Cache.remember",
    "rag::Cache<std::pair<int, A> >::remember(int) const", "remember.part.0"])
def test_a_function_is_known_by_any_form_of_its_name(said):
    assert "remember" in corpus_judge.names(said)
