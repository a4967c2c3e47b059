"""What programs say of themselves: strandline.h and strandline.py."""

import os
import subprocess
import sys

import pytest

import serve
from conftest import ROOT

MODULE = ROOT / "preload/api/strandline.py"
MB = 1_000_000


def spans(report):
    """By name."""
    return {s["name"]: s for s in report.get("spans", [])}


def ran(product, recording, program, *options):
    """The report of a program of tests/programs/spans."""
    subprocess.run(
        [*product.under(recording.path, *options),
         product.build / "tests/programs/spans" / program],
        check=True, timeout=60)
    return recording.json()


def test_a_span_is_counted_with_what_it_calls(product, recording):
    found = spans(ran(product, recording, "spans", "--mode", "exact"))
    assert found["answer"]["count"] == found["embed"]["count"] == 100
    assert found["embed"]["alloc_bytes_per_span"] == 3000
    assert found["answer"]["alloc_bytes_per_span"] == 4500
    assert found["answer"]["alloc_objects_per_span"] == 3
    assert found["answer"]["p50_ms"] >= found["embed"]["p50_ms"] > 0
    assert found["answer"]["busy_ms"] >= found["embed"]["busy_ms"] > 0


def test_a_task_takes_its_span_from_thread_to_thread(product, recording):
    found = spans(ran(product, recording, "spans", "--mode", "exact"))
    assert found["even"]["count"] == found["odd"]["count"] == 25
    assert found["even"]["alloc_bytes_per_span"] == 1100
    assert found["odd"]["alloc_bytes_per_span"] == 2200
    assert found["even"]["busy_ms"] < found["even"]["p50_ms"]


def test_sampled_spans_say_how_sure_they_are(product, recording):
    found = spans(ran(product, recording, "spans", "--rate", "1KiB"))
    answer = found["answer"]
    assert answer["count"] == 100
    assert answer["alloc_margin"] > 0
    # 440 samples, and three margins are six standard errors.
    assert abs(answer["alloc_bytes_per_span"] - 4500) < (
        3 * answer["alloc_margin"])


def test_names_beyond_the_room_are_other_and_all_are_counted(
        product, recording):
    report = ran(product, recording, "spans_cpp")
    found = spans(report)
    assert found.pop("thrown")["count"] == 10
    assert "_OTHER" in found
    assert len(found) <= 200
    assert sum(s["count"] for s in found.values()) == 600
    assert not any(report["losses"].values()), report["losses"]


def test_without_the_shim_a_span_is_nothing(product):
    subprocess.run([product.build / "tests/programs/spans/spans"], check=True,
                   timeout=60)
    done = subprocess.run(
        [sys.executable, "-c", f"""
import importlib.util
spec = importlib.util.spec_from_file_location("strandline", {str(MODULE)!r})
strandline = importlib.util.module_from_spec(spec)
spec.loader.exec_module(strandline)
with strandline.span("a"):
    assert not strandline.active()
"""], env={k: v for k, v in os.environ.items() if k != "LD_PRELOAD"})
    assert done.returncode == 0


def test_the_summary_lists_spans(product, recording):
    ran(product, recording, "spans", "--mode", "exact")
    text = recording.text()
    assert "SPANS" in text
    assert "embed" in text[text.index("SPANS"):]


@pytest.mark.parametrize("mode", ["exact", "sample"])
def test_asyncio_requests_are_charged_with_what_they_did(
        product, recording, mode):
    port = serve.free_port()
    server = [serve.PYTHON, str(ROOT / "tests/servers/asgi_spans.py"),
              str(MODULE), str(port)]
    with serve.running([*product.under(recording.path, "--mode", mode),
                        *server], port):
        assert product.load(port, "-n", "800", "-c", "8", "-m",
                            "/big,/small=3")["errors"] == 0
    report = recording.json()
    found = {e["route"]: e for e in report["endpoints"]}
    assert found["/big"]["count"] == 200
    # Four times 8 MB, and what Python and uvicorn need for it.
    low = 1 if mode == "exact" else 0.9
    high = 1.01 if mode == "exact" else 1.1
    asked = found["/big"]["alloc_bytes_per_request"]
    assert low * 32 * MB <= asked < high * 32 * MB
    assert found["/small"]["alloc_bytes_per_request"] < 0.3 * MB
    think = spans(report)["think"]
    assert think["count"] == 200
    assert low * 16 * MB <= think["alloc_bytes_per_span"] < high * 16 * MB
    assert think["p50_ms"] >= 2 > think["busy_ms"]
    assert spans(report)["nothing"]["count"] >= 600
