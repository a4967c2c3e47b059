"""A Rust server: axum on tokio, jemalloc, tasks that hop between threads.

Building it takes minutes (jemalloc's configure), so these are long tests.
"""

import json

import pytest

import serve

pytestmark = pytest.mark.long
CHAT = "/api/v1/chat"
SEARCH = "/api/v1/retrieval/search"


def served(product, recording, rag_rust, *load, mode="exact", **env):
    """What the clients saw, and the report."""
    port = serve.free_port()
    command = serve.rag_rust(port, rag_rust)
    under = product.under(recording.path, "--mode", mode)
    with serve.running(["env", *(f"{k}={v}" for k, v in env.items()), *under,
                        *command], port):
        seen = product.load(port, *load)
    assert seen["errors"] == 0
    return {r["name"]: r for r in seen["requests"]}, recording.json()


@pytest.mark.parametrize("mode", ["exact", "sample"])
def test_every_request_of_tokio_is_counted(product, recording, rag_rust, mode):
    seen, report = served(product, recording, rag_rust, "-n", "3000", "-c", "16",
                          "-m", "search=2,chat", mode=mode)
    found = {e["route"]: e for e in report["endpoints"]}
    assert found[SEARCH]["count"] == seen["search"]["count"]
    assert found[CHAT]["count"] == seen["chat"]["count"]
    assert found[CHAT]["streamed"] == seen["chat"]["count"]
    assert not any(report["losses"].values()), report["losses"]
    assert report["processes"][0]["allocator"] == "jemalloc"


def test_a_task_is_charged_with_its_own_on_any_thread(
        product, recording, rag_rust):
    _, report = served(product, recording, rag_rust, "-n", "2000", "-c", "16",
                       "-m", "search=2,chat")
    spans = {s["name"]: s for s in report["spans"]}
    chats = next(e for e in report["endpoints"] if e["route"] == CHAT)["count"]
    generate = spans["generate"]
    assert generate["count"] == chats
    # Four parts of 998 bytes, each formatted from 996 others, and a list.
    assert 4 * (996 + 998) <= generate["alloc_bytes_per_span"] < 9000
    assert generate["busy_ms"] < 1 < generate["p50_ms"]


def test_a_leak_is_named_by_its_rust_function(product, recording, rag_rust):
    _, report = served(product, recording, rag_rust, "-d", "12", "-c", "8",
                       "-m", "chat", RAG_FAULT="native_leak")
    assert report["verdict"]["class"] == "leak", report["verdict"]
    where = report["findings"][0]["where"]
    assert where["function"] == "rag_rust::keep_forever"
    assert where["file"].endswith("main.rs")
    per = report["findings"][0]["bytes_per_request"]
    assert per["low"] <= 1000 <= per["high"] * 1.01
    assert json.dumps(report).count("17h") == 0, "a name is not demangled"


def test_nothing_is_said_of_a_sound_one(product, recording, rag_rust):
    _, report = served(product, recording, rag_rust, "-d", "12", "-c", "8",
                       "-m", "chat,search")
    assert report["verdict"]["class"] == "clean", report["verdict"]
