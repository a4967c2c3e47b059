"""A server that leaks, watched from the kernel: which function, how much."""

import os
import signal
import subprocess

import pytest

import serve
from conftest import Recording
from test_attach import permitted  # noqa: F401 (a fixture)

LEAKED = 4096


@pytest.mark.long
def test_a_leak_is_named_from_outside(product, tmp_path, eventually):
    port = serve.free_port()
    recording = Recording(product, tmp_path / "t.strand")
    leaky = {**os.environ, "RAG_FAULT": "native_leak",
             "RAG_FAULT_BYTES": str(LEAKED)}
    with serve.running(serve.rag_c(port, product.build), port,
                       env=leaky) as server:
        load = subprocess.Popen(
            [product.load_tool, "-d", "300", "-c", "4", "-r", "100", "-m",
             "chat", f"127.0.0.1:{port}"], stdout=subprocess.DEVNULL)
        attached = subprocess.Popen(
            [product.tool, "attach", str(server.pid), "--heap", "--rate",
             "4096", "--heap-budget", "10000", "-q", "-o",
             str(recording.path)], stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE, text=True)
        try:
            eventually(lambda: (recording.path / "host.slabs").exists() and
                       recording.json()["verdict"]["class"] == "leak", 200)
            attached.send_signal(signal.SIGINT)
            error = attached.communicate(timeout=120)[1]
            assert attached.returncode == 0, error
        finally:
            for process in (load, attached):
                process.kill()
                process.wait()
    found, = (f for f in recording.json()["findings"]
              if f["where"]["function"] == "parse_prompt")
    assert found["bytes_per_request"]["value"] == pytest.approx(
        LEAKED, rel=0.5)
    done = subprocess.run([product.tool, "check", str(recording.path)],
                          capture_output=True, text=True, timeout=120)
    assert done.returncode == 10
    assert "parse_prompt" in done.stdout
