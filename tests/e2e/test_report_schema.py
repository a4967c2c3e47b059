"""Every JSON report keeps to reports/schema.json, and the schema is strict.

The reports are the golden ones, which unit.report_json holds to the writer.
"""

import copy
import json
import pathlib

import jsonschema
import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]
SCHEMA = json.loads((ROOT / "reports/schema.json").read_text())
GOLDEN = sorted((ROOT / "tests/golden").glob("*.json"))
VALIDATOR = jsonschema.Draft202012Validator(SCHEMA)


def rag():
    return json.loads((ROOT / "tests/golden/rag.json").read_text())


def test_the_schema_is_one():
    jsonschema.Draft202012Validator.check_schema(SCHEMA)


@pytest.mark.parametrize("path", GOLDEN, ids=lambda path: path.name)
def test_golden_reports_are_valid(path):
    VALIDATOR.validate(json.loads(path.read_text()))


def objects(value):
    """Every object in a report, outermost first."""
    if isinstance(value, dict):
        yield value
        value = list(value.values())
    if isinstance(value, list):
        for item in value:
            yield from objects(item)


def test_an_unknown_key_is_refused_everywhere():
    report = rag()
    report["ledger"] = report["ledger"][:1]
    for index, original in enumerate(objects(report)):
        if original is report["losses"]:
            continue  # its keys are the recording's reasons
        changed = copy.deepcopy(report)
        list(objects(changed))[index]["unknown"] = "?"
        assert not VALIDATOR.is_valid(changed), original.keys()


# phases: where there are marks; timed_by: where there are requests.
OPTIONAL = ("inlined", "phases", "timed_by")


def test_a_missing_key_is_refused_everywhere():
    report = rag()
    report["ledger"] = report["ledger"][:1]
    report["sites"] = report["sites"][:1]
    for index, original in enumerate(objects(report)):
        for key in original:
            if original is report["losses"] or key in OPTIONAL:
                continue
            changed = copy.deepcopy(report)
            del list(objects(changed))[index][key]
            assert not VALIDATOR.is_valid(changed), key


def test_a_verdict_and_its_findings_have_their_place():
    report = rag()
    interval = {"value": 812.5, "low": 790, "high": 840}
    report["verdict"] = {
        "class": "leak",
        "confidence": 0.98,
        "sentence": "It leaks 812 bytes a request in rag::Index::add.",
        "needs": {},
        "growth": {"rss": 4096, "live": 2048, "file": None},
    }
    report["findings"] = [{
        "class": "leak",
        "confidence": 0.98,
        "sentence": "leaks 812 bytes per request in rag::Index::add",
        "endpoint": None,
        "fingerprint": "0123456789abcdef",
        "suppressed": False,
        "where": {
            "function": "rag::Index::add",
            "file": "index.cpp",
            "line": 120,
            "module": "libragindex.so",
            "stack": report["sites"][0]["stack"],
        },
        "bytes_per_request": interval,
        "bytes_per_second": None,
        "evidence": {
            "requests": 5000, "samples": 12, "seconds": 30,
            "warmup_seconds": 2.5, "p_value": 1e-9, "late_early": 1.02,
            "survivors": 1, "unreachable_bytes": None, "definite": False,
            "share_of_rss_growth": 0.5, "shape": "linear",
        },
    }]
    VALIDATOR.validate(report)
    report["verdict"]["class"] = "probably"
    assert not VALIDATOR.is_valid(report)


def test_the_shares_of_a_report_add_up():
    report = rag()
    live = sum(site["live"]["bytes"]["value"] for site in report["sites"])
    assert live == pytest.approx(
        report["totals"]["live"]["bytes"]["value"], rel=1e-6)
