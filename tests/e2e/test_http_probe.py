"""Requests seen by the kernel: no shim in the server, nothing restarted.

tests/programs/requests prints what the probe finds.  Where programs cannot be
loaded into the kernel (no root, no BTF, no clang at build time), all of this
is skipped.
"""

import collections
import contextlib
import http.client
import os
import shutil
import signal
import socket
import ssl
import subprocess

import pytest

import serve

SEARCH = "POST /api/v1/retrieval/search"
CHAT = "POST /api/v1/chat"
CUT, STREAMED = 2, 1  # enum track_flag: TRACK_CUT, TRACK_STREAMED

Request = collections.namedtuple(
    "Request", "pid status flags arrived read first last gap size route")


def family(pid):
    """A process and all below it."""
    found = [pid]
    for task in os.listdir(f"/proc/{pid}/task"):
        with contextlib.suppress(FileNotFoundError):  # it has ended
            with open(f"/proc/{pid}/task/{task}/children") as children:
                for child in children.read().split():
                    found += family(int(child))
    return found


class Probe:
    """A probe on processes, and what it found once it is over."""

    def __init__(self, product, folder, pids):
        tool = product.build / "tests/programs/requests/requests"
        if not tool.exists():
            pytest.skip("built without BPF")
        self.requests, self.counters = [], {}
        self.path = folder / "requests"
        with open(self.path, "w") as out:
            self.process = subprocess.Popen(
                [tool, *map(str, pids)], stdout=out, stderr=subprocess.PIPE,
                text=True)
        serve.wait_until(lambda: self.path.stat().st_size or
                         self.process.poll() is not None, 60, "the probe")
        if self.process.poll() is not None:
            why = self.process.communicate()[1]
            if self.process.returncode == 77:
                pytest.skip(why)
            raise RuntimeError(why)

    def finish(self):
        self.process.send_signal(signal.SIGTERM)
        self.process.communicate(timeout=60)
        for line in self.path.read_text().splitlines():
            if line == "# ready":
                continue
            if line.startswith("# "):
                name, _, count = line[2:].rpartition(": ")
                self.counters[name] = int(count)
                continue
            words = line.split(" ", 9)
            self.requests.append(Request(*map(int, words[:9]), words[9]))
        assert self.process.returncode == 0

    def by_route(self):
        found = collections.defaultdict(list)
        for request in self.requests:
            found[request.route].append(request)
        return found

    def losses(self):
        return {name: count for name, count in self.counters.items()
                if count and not name.startswith("did ")}


@contextlib.contextmanager
def probing(product, folder, server, below=False):
    """A probe on a running server, or on what it runs; finished at the end."""
    probe = Probe(product, folder, family(server.pid)[below:])
    try:
        yield probe
        probe.finish()
    finally:
        probe.process.kill()
        probe.process.wait()


def quantile(values, q):
    values = sorted(values)
    return values[min(len(values) - 1, int(len(values) * q))]


def command_of(product, name, port, folder):
    if name == "rag_c":
        return serve.rag_c(port, product.build)
    if name == "nginx":
        return serve.nginx(port, folder / "nginx", workers=2)
    loop, _, workers = name.partition("-")
    return serve.rag_fastapi(port, loop, int(workers or 1))


@pytest.mark.parametrize("name", ["rag_c", "asyncio", "uvloop", "uvloop-2"])
def test_every_request_is_counted(product, tmp_path, name):
    port = serve.free_port()
    with serve.running(command_of(product, name, port, tmp_path), port) as s:
        with probing(product, tmp_path, s) as probe:
            seen = product.load(port, "-n", "300", "-m",
                                "search=4,chat,/health")
    asked = {r["name"]: r["count"] for r in seen["requests"]}
    found = probe.by_route()
    assert {r: len(v) for r, v in found.items()} == {
        SEARCH: asked["search"], CHAT: asked["chat"],
        "GET /health": asked["/health"]}
    assert all(r.status == 200 for r in probe.requests)
    assert not any(r.flags & CUT for r in probe.requests)
    assert all(r.flags & STREAMED for r in found[CHAT])
    assert not probe.losses()


def test_nginx_is_counted_over_its_workers(product, tmp_path):
    port = serve.free_port()
    with serve.running(command_of(product, "nginx", port, tmp_path),
                       port) as s:
        with probing(product, tmp_path, s) as probe:
            seen = product.load(port, "-n", "20000", "-c", "64", "-m",
                                "/page.html")
    assert seen["errors"] == 0
    assert {r: len(v) for r, v in probe.by_route().items()} == {
        "GET /page.html": 20000}
    assert not probe.losses()


def test_a_request_begins_when_its_bytes_arrive_and_not_when_it_is_read(
        product, tmp_path):
    port = serve.free_port()
    with serve.running(serve.scripted(port), port) as s:
        with probing(product, tmp_path, s) as probe:
            # Its one thread sleeps for the first while the second waits.
            with contextlib.ExitStack() as stack:
                clients = [stack.enter_context(
                    socket.create_connection(("127.0.0.1", port)))
                    for _ in range(2)]
                for client in clients:
                    client.sendall(b"GET /status/204 HTTP/1.1\r\n"
                                   b"Host: h\r\n\r\n")
                for client in clients:
                    assert b" 204 " in client.recv(4096)
    assert len(probe.requests) == 2
    for request in probe.requests:
        assert 0 < request.arrived <= request.read <= request.first


def answered(client, ask, end):
    """Ask, and read to the end: the head may come before the body."""
    client.sendall(ask)
    answer = b""
    while not answer.endswith(end):
        part = client.recv(4096)
        assert part, answer
        answer += part


def test_a_connection_that_was_open_before_is_taken_up(product, tmp_path):
    port = serve.free_port()
    ask = b"GET /health HTTP/1.1\r\nHost: h\r\n\r\n"
    with serve.running(serve.scripted(port), port) as s:
        with socket.create_connection(("127.0.0.1", port)) as client:
            answered(client, ask, b"ok")
            with probing(product, tmp_path, s) as probe:
                for _ in range(3):
                    answered(client, ask, b"ok")
    assert [r.route for r in probe.requests] == ["GET /health"] * 3
    assert [r.status for r in probe.requests] == [200] * 3


def certificate(folder):
    """A key and a certificate for it, of this run alone."""
    paths = folder / "key.pem", folder / "cert.pem"
    subprocess.run(["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes",
                    "-days", "2", "-subj", "/CN=localhost", "-keyout",
                    paths[0], "-out", paths[1]], check=True,
                   capture_output=True)
    return paths


NODE = """
const fs = require('fs');
require('https').createServer({
    key: fs.readFileSync(process.argv[3]),
    cert: fs.readFileSync(process.argv[4]),
}, (q, r) => { r.statusCode = 200; r.end('ok'); }).listen(+process.argv[2]);
"""


def tls_command(name, port, folder):
    key, cert = certificate(folder)
    if name == "nginx":
        return serve.nginx_tls(port, folder / "nginx", key, cert)
    if name == "node":
        (folder / "server.js").write_text(NODE)
        return ["node", folder / "server.js", str(port), key, cert]
    return [serve.PYTHON, "-m", "uvicorn", "--app-dir", str(serve.FOLDER),
            "--port", str(port), "--loop", name, "--log-level", "warning",
            "--ssl-keyfile", str(key), "--ssl-certfile", str(cert),
            "rag_fastapi.app:app"]


@pytest.mark.parametrize("name", ["nginx", "asyncio", "uvloop", "node"])
def test_requests_over_tls_are_seen_where_they_are_encrypted(
        product, tmp_path, name):
    port = serve.free_port()
    if name == "node" and not shutil.which("node"):
        pytest.skip("no node")
    context = ssl._create_unverified_context()
    with serve.running(tls_command(name, port, tmp_path), port,
                       ready=serve.accepts) as s:
        with probing(product, tmp_path, s) as probe:
            for _ in range(2):
                client = http.client.HTTPSConnection(
                    "127.0.0.1", port, timeout=10, context=context)
                for _ in range(20):
                    client.request("GET", "/health")
                    assert client.getresponse().read()
                client.close()
    assert {r: len(v) for r, v in probe.by_route().items()} == {
        "GET /health": 40}
    for request in probe.requests:
        assert request.status == 200 and not request.flags & CUT
        assert 0 < request.arrived <= request.read <= request.first
    assert probe.counters["did http tls_seen"] == 2
    assert not probe.losses()


def test_handlers_are_timed_by_their_names(product, recording, tmp_path):
    port = serve.free_port()
    with serve.running(serve.rag_c(port, product.build), port) as s:
        with probing(product, tmp_path, s):
            pass  # or skip
        with subprocess.Popen(
                [product.tool, "attach", str(s.pid), "-q", "-o",
                 recording.path, "--handler", "serve_search", "--handler",
                 "rag_c:vectors_nearest", "--handler", "nonesuch",
                 "--handler", "python:app.search"],
                stderr=subprocess.PIPE, text=True) as attached:
            said = [attached.stderr.readline() for _ in range(4)]
            serve.wait_until(lambda: asked_once(product, port, recording),
                             30, "a request in the recording")
            seen = product.load(port, "-n", "100", "-m", "search=4,chat")
            attached.send_signal(signal.SIGINT)
            attached.communicate()
    asked = {r["name"]: r["count"] for r in seen["requests"]}
    assert "handler app.search:" in said[0] and "strandline.py" in said[0]
    assert "with run or attach --with inject" in said[0]
    assert "serve_search" in said[1] and "us a call" in said[1]
    assert "nonesuch: no function of that name" in said[3]
    found = {s["name"]: s for s in recording.json()["spans"]}
    # The kernel runs no probe where another one was put aside: it says so.
    missed = recording.json()["losses"]["handlers.missed"]
    for name, calls in (("serve_search", asked["search"]),
                        ("rag_c:vectors_nearest", 100)):
        assert calls - missed <= found[name]["count"] <= calls
    assert missed < 10
    assert found["serve_search"]["p50_ms"] > 0
    assert found["serve_search"]["alloc_bytes_per_span"] is None


def test_run_times_by_the_kernel_what_the_shim_knows_the_memory_of(
        product, recording, tmp_path):
    port = serve.free_port()
    command = [product.tool, "run", "-q", "-o", recording.path, "--http-by",
               "bpf", "--handler", "search", "--",
               *serve.rag_c(port, product.build)]
    if os.geteuid() != 0:
        pytest.skip("not root")
    told = tmp_path / "told"
    with told.open("w") as errors, serve.running(command, port,
                                                 stderr=errors):
        serve.wait_until(lambda: "is timed" in told.read_text(), 30,
                         "a handler that is timed")
        seen = product.load(port, "-n", "200", "-m", "search=4,chat")
    asked = {r["name"]: r["count"] for r in seen["requests"]}
    report = recording.json()
    found = {f"{e['method']} {e['route']}": e for e in report["endpoints"]}
    assert report["traffic"]["timed_by"] == "kernel"
    assert found[SEARCH]["count"] == asked["search"]
    assert found[CHAT]["count"] == asked["chat"]
    assert sum(w["requests"] for w in report["windows"]) == sum(
        e["count"] for e in report["endpoints"])
    assert found[SEARCH]["alloc_bytes_per_request"] > 100000
    span = report["spans"][0]
    assert span["name"] == "search"
    # The kernel runs no probe where another one was put aside: it says so.
    missed = report["losses"].pop("handlers.missed")
    calls = asked["search"] + asked["chat"]
    assert calls - missed <= span["count"] <= calls
    assert missed < calls / 10
    assert span["alloc_bytes_per_span"] > 100000
    assert not any(report["losses"].values()), report["losses"]


def asked_once(product, port, recording):
    """Ask for what nothing else asks for, and look for it."""
    serve.answers(port, "/attached")
    report = subprocess.run(
        [product.tool, "report", "-f", "json", recording.path],
        capture_output=True, text=True)
    return "/attached" in report.stdout


def test_attach_reports_what_clients_saw(product, recording, tmp_path):
    port = serve.free_port()
    with serve.running(serve.rag_fastapi(port), port) as s:
        with probing(product, tmp_path, s):
            pass  # or skip
        with subprocess.Popen(
                [product.tool, "attach", str(s.pid), "-q", "-o",
                 recording.path]) as attached:
            serve.wait_until(lambda: list(recording.path.glob(
                "*.probe.slabs")), 30, "the recording")
            serve.wait_until(lambda: asked_once(product, port, recording),
                             30, "a request in the recording")
            seen = product.load(port, "-n", "200", "-m", "search=4,chat")
            attached.send_signal(signal.SIGINT)
    asked = {r["name"]: r for r in seen["requests"]}
    found = {f"{e['method']} {e['route']}": e
             for e in recording.json()["endpoints"]}
    for route, name in ((SEARCH, "search"), (CHAT, "chat")):
        assert found[route]["count"] == asked[name]["count"]
        assert found[route]["errors"] == 0
    assert found[CHAT]["streamed"] == asked["chat"]["count"]
    assert found[SEARCH]["p50_ms"] <= asked["search"]["whole_max_ms"]


def test_slow_requests_tell_what_computed_from_what_waited(
        product, recording, tmp_path):
    port = serve.free_port()
    with serve.running(serve.scripted(port), port) as s:
        with probing(product, tmp_path, s):
            pass  # or skip
        with subprocess.Popen(
                [product.tool, "attach", str(s.pid), "-o", recording.path],
                stderr=subprocess.PIPE, text=True) as attached:
            while "attached" not in attached.stderr.readline():
                assert attached.poll() is None
            asked = [subprocess.Popen(
                ["curl", "-sf", f"http://127.0.0.1:{port}/{path}/1100"],
                stdout=subprocess.DEVNULL) for path in ("burn", "wait")]
            assert [a.wait(60) for a in asked] == [0, 0]
            attached.send_signal(signal.SIGINT)
            attached.communicate()
    slow = {r["route"]: r for r in recording.json()["slow_requests"]}
    burnt, waited = slow["/burn/{}"], slow["/wait/{}"]
    tick_ms = 20  # what the kernel knows a running thread's time by, and more
    for request, state in ((burnt, "on_cpu"), (waited, "sleep")):
        places = [part for part in request["stacks"]
                  if part["thread"] == "own" and part["state"] == state]
        assert any("do_GET" in frame["function"]
                   for frame in places[0]["stack"]), request["stacks"]
    asleep = sum(part["ms"] for part in waited["stacks"]
                 if part["thread"] == "own" and part["state"] == "sleep")
    assert 1000 < asleep <= waited["took_ms"]
    slow_ones = {e["route"]: e for e in recording.json()["slow"]["endpoints"]}
    assert slow_ones["/wait/{}"]["own_threads"]["blocked_ms"]["sleep"] > 1000
    assert burnt["on_cpu_ms"] > 1100 - tick_ms
    assert waited["on_cpu_ms"] < 100
    assert waited["off_cpu_ms"] > 1000
    for request in (burnt, waited):
        assert request["took_ms"] == pytest.approx(
            request["queue_ms"] + request["on_cpu_ms"] +
            request["off_cpu_ms"], abs=0.01)
    said = recording.text()
    assert "endpoints with a p95 above 1 s" in said and "on CPU" in said
