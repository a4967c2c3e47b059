"""Functions that are asked for by name, told of by the stacks they are on."""

import contextlib
import os
import signal
import subprocess
import time

import pytest

import serve


def by_name(report):
    return {h["name"]: h for h in report["handlers"]}


def probes_or_skip(product):
    done = subprocess.run(
        [product.tool, "attach", "--dry-run", "--with", "bpf",
         str(os.getpid())], capture_output=True, text=True, timeout=60)
    if done.returncode != 0:
        pytest.skip(done.stderr.strip())


def test_python_handlers_have_the_memory_and_the_time_of_their_stacks(
        product, recording, tmp_path):
    probes_or_skip(product)
    port = serve.free_port()
    told = tmp_path / "told"
    command = [product.tool, "run", "-q", "-o", recording.path, "--probe",
               "cpu", "--handler", "app.search", "--handler",
               "python:index.Index.search", "--handler", "app.chat",
               "--handler", "app.serch", "--",
               *serve.rag_fastapi(port)]
    with told.open("w") as errors, serve.running(command, port,
                                                 stderr=errors):
        # Its route is known when the server was searched for the first time.
        until = time.monotonic() + 60
        while True:
            product.load(port, "-n", "100", "-m", "search")
            found = by_name(recording.json())
            if found["app.search"]["requests"] or time.monotonic() > until:
                break
    assert "app.search: its time and memory" in told.read_text()
    report = recording.json()
    found = by_name(report)
    search = found["app.search"]
    asked = {e["route"]: e for e in report["endpoints"]}[search["route"]]
    assert search["requests_by"] == "route"
    for figure in ("p50_ms", "p95_ms", "p99_ms", "max_ms"):
        assert search[figure] == asked[figure] > 0
    assert search["requests"] == asked["count"]
    assert search["seen"]
    assert search["route"] == "/api/v1/retrieval/search"
    assert search["method"] == "POST"
    # A response of its size is made of more than that, every time.
    assert search["alloc_bytes_per_request"] > 100000
    assert search["alloc_bytes"] > 99 * search["alloc_bytes_per_request"]
    # It is looked at 99 times a second, and at it for a third of one.
    assert search["cpu_ms"] > 0 < search["cpu_margin_ms"]
    assert search["waiting_ms"] is None
    # What it calls is below it.
    inner = found["python:index.Index.search"]
    assert inner["seen"]
    assert inner["requests_by"] == "stack"
    assert inner["requests"] == search["requests"]
    # It is there, and nobody asked for it.
    assert found["app.chat"]["requests_by"] == "route"
    assert found["app.chat"]["requests"] == 0
    assert not found["app.serch"]["seen"]
    assert "app.search" in found["app.serch"]["near"]
    assert "there is app.search" in recording.text()


def test_what_is_sent_into_a_server_charges_a_native_handler(
        product, recording):
    port = serve.free_port()
    with contextlib.ExitStack() as stack:
        server = stack.enter_context(
            serve.running(serve.rag_c(port, product.build), port))
        tool = stack.enter_context(subprocess.Popen(
            [product.tool, "attach", str(server.pid), "--with", "inject",
             "-o", recording.path, "--handler", "serve_search", "--handler",
             "nonesuch"], stderr=subprocess.PIPE, stdout=subprocess.DEVNULL,
            text=True))
        said = ""
        while "attached to" not in said and tool.poll() is None:
            said += tool.stderr.readline()
        if tool.poll() is not None:
            pytest.skip(said)
        product.load(port, "-n", "200", "-m", "search")
        tool.send_signal(signal.SIGINT)
        said += tool.communicate(timeout=120)[1]
    assert "serve_search: its memory is taken from the stacks" in said
    assert "its time on a CPU with attach --with bpf" in said
    found = by_name(recording.json())
    assert found["serve_search"]["alloc_bytes"] > 200 * 10000
    assert found["serve_search"]["cpu_ms"] is None
    assert found["serve_search"]["requests"] == 200
    assert found["serve_search"]["p99_ms"] >= found["serve_search"]["p50_ms"] > 0
    assert not found["nonesuch"]["seen"]
