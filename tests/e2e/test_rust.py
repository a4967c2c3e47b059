"""A Rust server: axum on tokio, jemalloc, tasks that hop between threads.

Building it takes minutes (jemalloc's configure), so these are long tests.
"""

import json
import shutil
import subprocess

import pytest

import serve
from conftest import ROOT

pytestmark = pytest.mark.long
CHAT = "/api/v1/chat"
SEARCH = "/api/v1/retrieval/search"


@pytest.fixture(scope="session")
def target(product):
    """Where cargo has put the server."""
    cargo = shutil.which("cargo")
    if not cargo:
        pytest.skip("no cargo here")
    folder = product.build / "tests/servers/rag_rust"
    try:
        done = subprocess.run(
            [cargo, "build", "--release", "--quiet", "--locked",
             "--manifest-path", str(ROOT / "tests/servers/rag_rust/Cargo.toml"),
             "--target-dir", str(folder)],
            capture_output=True, text=True, timeout=900)
    except subprocess.TimeoutExpired:
        pytest.skip("cargo does not build rag_rust within 900 s")
    if done.returncode:
        pytest.skip(f"cargo cannot build rag_rust: {done.stderr[-300:]}")
    return folder


def served(product, recording, target, *load, mode="exact", **env):
    """What the clients saw, and the report."""
    port = serve.free_port()
    command = serve.rag_rust(port, target)
    under = product.under(recording.path, "--mode", mode)
    with serve.running(["env", *(f"{k}={v}" for k, v in env.items()), *under,
                        *command], port):
        seen = product.load(port, *load)
    assert seen["errors"] == 0
    return {r["name"]: r for r in seen["requests"]}, recording.json()


@pytest.mark.parametrize("mode", ["exact", "sample"])
def test_every_request_of_tokio_is_counted(product, recording, target, mode):
    seen, report = served(product, recording, target, "-n", "3000", "-c", "16",
                          "-m", "search=2,chat", mode=mode)
    found = {e["route"]: e for e in report["endpoints"]}
    assert found[SEARCH]["count"] == seen["search"]["count"]
    assert found[CHAT]["count"] == seen["chat"]["count"]
    assert found[CHAT]["streamed"] == seen["chat"]["count"]
    assert not any(report["losses"].values()), report["losses"]
    assert report["processes"][0]["allocator"] == "jemalloc"


def test_a_task_is_charged_with_its_own_on_any_thread(
        product, recording, target):
    _, report = served(product, recording, target, "-n", "2000", "-c", "16",
                       "-m", "search=2,chat")
    spans = {s["name"]: s for s in report["spans"]}
    chats = next(e for e in report["endpoints"] if e["route"] == CHAT)["count"]
    generate = spans["generate"]
    assert generate["count"] == chats
    # Four parts of 998 bytes, each formatted from 996 others, and a list.
    assert 4 * (996 + 998) <= generate["alloc_bytes_per_span"] < 9000
    assert generate["busy_ms"] < 1 < generate["p50_ms"]


def test_a_leak_is_named_by_its_rust_function(product, recording, target):
    _, report = served(product, recording, target, "-d", "12", "-c", "8",
                       "-m", "chat", RAG_FAULT="native_leak")
    assert report["verdict"]["class"] == "leak", report["verdict"]
    where = report["findings"][0]["where"]
    assert where["function"] == "rag_rust::keep_forever"
    assert where["file"].endswith("main.rs")
    per = report["findings"][0]["bytes_per_request"]
    assert per["low"] <= 1000 <= per["high"] * 1.01
    assert json.dumps(report).count("17h") == 0, "a name is not demangled"


def test_nothing_is_said_of_a_sound_one(product, recording, target):
    _, report = served(product, recording, target, "-d", "12", "-c", "8",
                       "-m", "chat,search")
    assert report["verdict"]["class"] == "clean", report["verdict"]
