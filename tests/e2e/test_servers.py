"""Real servers under load: they answer as without us, and are seen.

Each runs alone and under `strandline run`; what is asked of both is answered
byte for byte alike, no request fails, the status is the server's own, and the
recording has allocation sites, a ledger, and no losses.
"""

import contextlib
import http.client
import json
import signal
import subprocess

import pytest

import serve

QUESTIONS = [
    ("POST", "/api/v1/retrieval/search", {"query": "parse a json document"}),
    ("POST", "/api/v1/retrieval/search",
     {"query": "temporary directory", "mode": "vector", "top_k": 3}),
    ("POST", "/api/v1/chat", {"message": "how to read a compressed file",
                              "session_id": "a", "max_tokens": 20}),
    ("POST", "/api/v1/retrieval/ingest",
     {"documents": [{"title": "tide", "text": "The line of debris."}]}),
    ("POST", "/api/v1/retrieval/search", {"query": "debris", "top_k": 1}),
    ("GET", "/api/v1/memory/search?session_id=a", None),
    ("GET", "/no/such/endpoint", None),
    ("GET", "/health", None),
]


def answers(port):
    """(status, type, body) of every question, asked one after the other."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
    told = []
    for method, path, body in QUESTIONS:
        connection.request(method, path, body and json.dumps(body),
                           {"Content-Type": "application/json"})
        response = connection.getresponse()
        told.append((response.status, response.getheader("content-type"),
                     response.read()))
    connection.close()
    return told


def commands(product, name, port):
    if name == "rag_c":
        return serve.rag_c(port, product.build)
    loop, _, workers = name.partition("-")
    return serve.rag_fastapi(port, loop, int(workers or 1))


@contextlib.contextmanager
def served(product, recording, command, port, *options, **more):
    """A server under strandline; afterwards its report is checked."""
    with serve.running([*product.under(recording.path, *options), *command],
                       port, **more) as process:
        yield process


def check(report):
    """What every recording of a server must have."""
    assert not any(report["losses"].values()), report["losses"]
    assert report["sites"]
    assert report["totals"]["allocations"] > 0
    main = [p for p in report["processes"] if p["main"]]
    assert len(main) == 1
    assert report["ledger"]
    assert max(point["rss"] for point in report["ledger"]) > 0
    return main[0]


@pytest.mark.parametrize("mode", ["sample", "exact"])
@pytest.mark.parametrize("name", ["asyncio", "uvloop", "rag_c"])
def test_a_rag_server_answers_alike(product, recording, name, mode):
    port = serve.free_port()
    with serve.running(commands(product, name, port), port):
        plain = answers(port)
    with served(product, recording, commands(product, name, port), port,
                "--mode", mode):
        assert answers(port) == plain
        seen = product.load(port, "-n", "200", "-m",
                            "search=4,chat,vector,/health")
        assert seen["errors"] == 0
    main = check(recording.json())
    assert ("rag_c" if name == "rag_c" else "python3") in main["exe"]


def test_gunicorn_and_its_two_workers(product, recording):
    port = serve.free_port()
    with served(product, recording, commands(product, "uvloop-2", port),
                port, "--mode", "exact"):
        assert product.load(port, "-n", "300")["errors"] == 0
    report = recording.json()
    check(report)
    busy = [p for p in report["processes"] if p["allocations"] > 1000]
    assert len(busy) >= 3  # the master and both workers


def test_redis_on_its_own_jemalloc(product, recording):
    port = serve.free_port()
    with served(product, recording, serve.redis(port), port,
                ready=serve.accepts, stdout=subprocess.DEVNULL) as process:
        subprocess.run(["redis-benchmark", "-p", str(port), "-q", "-n",
                        "20000", "-P", "16", "-c", "20", "-r", "10000",
                        "-t", "set,get,lpush"],
                       check=True, stdout=subprocess.DEVNULL, timeout=120)
        process.send_signal(signal.SIGTERM)
        assert process.wait(30) == 0
    assert check(recording.json())["allocator"] == "jemalloc"


def ask(port, method, path, body=None):
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
    connection.request(method, path, body and json.dumps(body),
                       {"Content-Type": "application/json"})
    response = connection.getresponse()
    told = response.read().decode()
    connection.close()
    assert response.status == 200, told
    return told


def test_sessions_outlive_the_rag_server_in_redis(product, recording,
                                                  monkeypatch):
    store, port = serve.free_port(), serve.free_port()
    monkeypatch.setenv("REDIS_URL", f"redis://127.0.0.1:{store}/0")
    command = commands(product, "uvloop", port)
    with serve.running(serve.redis(store), store, ready=serve.accepts,
                       stdout=subprocess.DEVNULL):
        with served(product, recording, command, port, "--mode", "exact"):
            ask(port, "POST", "/api/v1/chat",
                {"message": "the strandline of debris", "session_id": "tide",
                 "max_tokens": 20})
            assert product.load(port, "-n", "200", "-m",
                                "chat=3,search")["errors"] == 0
        with serve.running(command, port):
            assert "strandline of debris" in ask(
                port, "GET", "/api/v1/memory/search?session_id=tide")
    check(recording.json())


def test_nginx_with_a_master_and_workers(product, recording, tmp_path):
    port = serve.free_port()
    command = serve.nginx(port, tmp_path / "nginx", workers=2)
    with served(product, recording, command, port):
        assert product.load(port, "-n", "5000", "-m",
                            "/health,/page.html")["errors"] == 0
    report = recording.json()
    check(report)
    assert len(report["processes"]) >= 3


def test_a_planted_leak_is_the_largest_growth(product, recording,
                                              monkeypatch):
    monkeypatch.setenv("RAG_FAULT", "native_leak")
    port = serve.free_port()
    with served(product, recording, serve.rag_c(port, product.build), port,
                "--mode", "exact"):
        product.load(port, "-n", "500", "-m", "chat")
    leaked = [site for site in recording.json()["sites"]
              if any(frame["function"] == "parse_prompt"
                     for frame in site["stack"])]
    assert sum(s["live"]["bytes"]["value"] for s in leaked) == 500 * 1024
    assert sum(s["live"]["count"]["value"] for s in leaked) == 500
