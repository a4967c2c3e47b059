"""A server that embeds by torch: two hundred libraries, and tensors, whose
memory lies outside their objects."""

import http.client
import json
import subprocess

import pytest

import serve
from test_inject import Attached
from test_python import functions

KEPT = 8 * 128 * 4  # bytes of each tensor that stays
ASKED = 800

if subprocess.run([serve.PYTHON, "-c", "import torch"], capture_output=True,
                  check=False).returncode:
    pytest.skip("no python3-torch here", allow_module_level=True)


def answers(port, count):
    """The bodies of that many answers on one connection."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    told = []
    for number in range(count):
        connection.request(
            "POST", "/embed", json.dumps({"text": f"the tide of day {number}"}),
            {"Content-Type": "application/json"})
        response = connection.getresponse()
        told.append((response.status, response.read()))
    connection.close()
    return told


def tensors(report):
    """The sites of the memory of the tensors that stay, the largest first."""
    return sorted((s for s in report["sites"] if "remember" in functions(s)
                   and "c10::alloc_cpu" in s["stack"][-1]["function"]),
                  key=lambda s: -s["allocated"]["bytes"]["value"])


def total(sites, figure):
    """What was allocated there in all."""
    return sum(s["allocated"][figure]["value"] for s in sites)


@pytest.fixture
def port(monkeypatch):
    """Of a server that keeps a tensor a request."""
    monkeypatch.setenv("RAG_FAULT", "tensors")
    return serve.free_port()


def recorded(product, recording, port, *options):
    """The report of ASKED requests, whose answers are what they were."""
    command = serve.embed_torch(port)
    with serve.running(command, port):
        plain = answers(port, 20)
    with serve.running([*product.under(recording.path, *options), *command],
                       port):
        told = answers(port, ASKED)
    assert told[:20] == plain
    report = recording.json()
    assert not any(report["losses"].values()), report["losses"]
    endpoint = next(e for e in report["endpoints"] if e["route"] == "/embed")
    assert endpoint["count"] == ASKED and endpoint["errors"] == 0
    return report


def test_tensors_are_seen(product, recording, port):
    sites = tensors(recorded(product, recording, port, "--rate", "16KiB"))
    # About 200 samples: seven standard deviations.
    assert total(sites, "bytes") == pytest.approx(ASKED * KEPT, rel=0.5)


@pytest.mark.long
def test_each_tensor_is_counted(product, recording, port):
    sites = tensors(recorded(product, recording, port, "--mode", "exact"))
    assert total(sites, "bytes") == ASKED * KEPT
    assert total(sites, "count") == ASKED


@pytest.mark.long
def test_tensors_of_a_running_server_have_a_holder(product, port, tmp_path):
    with serve.running(serve.embed_torch(port), port) as server:
        plain = answers(port, 20)
        attached = Attached(product, server.pid, tmp_path / "t.strand",
                            "--mode", "exact")
        assert answers(port, ASKED)[:20] == plain
        attached.interrupt()
        assert answers(port, 20) == plain
    sites = tensors(attached.recording.json())
    assert total(sites, "count") == ASKED
    assert sites[0]["objects"]["type"] == "torch.Tensor memory"
    assert sites[0]["objects"]["holder"] == "__main__.kept"
