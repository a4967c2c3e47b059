"""What the tracker says of real servers is what their clients saw.

Everything goes through tests/servers/tap, a proxy that gives each buffer to
three trackers: whole, byte by byte, and its first 512 bytes only, as a probe
sees it.  Each must count every request of every client.
"""

import collections
import contextlib
import http.client
import json
import os
import shutil
import socket
import statistics
import subprocess
import sys
import tempfile
import time

import pytest

import serve

BY = ("whole", "bytes", "glimpse")
STREAMED, CUT, UPGRADED, GUESSED = 1, 2, 4, 8

KINDS = {
    "search": "POST /api/v1/retrieval/search",
    "vector": "POST /api/v1/retrieval/search",
    "chat": "POST /api/v1/chat",
    "ingest": "POST /api/v1/retrieval/ingest",
    "memory": "GET /api/v1/memory/search",
    "/health": "GET /health",
}


class Tap:
    """The proxy's port, and what its trackers said once it has ended."""

    def __init__(self, port):
        self.port = port
        self.requests = {by: [] for by in BY}
        self.counts = {}

    def read(self, lines):
        for line in map(json.loads, lines):
            if "counts" in line:
                self.counts[line.pop("counts")] = line
            else:
                self.requests[line.pop("by")].append(line)

    def routes(self, by="whole"):
        """How often (route, status) was seen."""
        return collections.Counter(
            (r["route"], r["status"]) for r in self.requests[by])

    def only(self, route):
        """The requests of a route as tracked whole."""
        return [r for r in self.requests["whole"] if r["route"] == route]


@contextlib.contextmanager
def tapped(product, server_port):
    """A tap before a server; what it said is there afterwards."""
    tap = Tap(serve.free_port())
    with tempfile.TemporaryFile("w+") as said:
        process = subprocess.Popen(
            [str(product.build / "tests/servers/tap"), str(tap.port),
             str(server_port)], stdout=said)
        try:
            serve.wait_until(lambda: listens(tap.port), what="the tap")
            yield tap
            serve.wait_until(lambda: idle(process.pid),
                             what="no connection")
        finally:
            serve.stop(process)
            said.seek(0)
            tap.read(said)


def listens(port):
    """Without connecting, which the trackers would see."""
    with open("/proc/net/tcp", encoding="ascii") as table:
        return any(f":{port:04X} 00000000:0000 0A" in line for line in table)


def idle(pid):
    """No thread but the two that it begins with: no connection is open."""
    return len(os.listdir(f"/proc/{pid}/task")) == 2


def agree(tap):
    """However the bytes were cut, the same requests with the same figures."""
    def exact(by):
        return sorted(json.dumps(r, sort_keys=True)
                      for r in tap.requests[by])
    assert exact("whole") == exact("bytes")
    assert tap.routes("whole") == tap.routes("glimpse")
    for by in BY:
        assert tap.counts[by]["reads and writes dropped for a busy "
                              "connection"] == 0
        assert tap.counts[by]["connections that are not HTTP"] == 0
    # A glimpse may miss where a chunk begins, and then guesses the end.
    for by in ("whole", "bytes"):
        assert tap.counts[by]["times the framing was lost"] == 0


def command(product, name, port, folder):
    if name == "rag_c":
        return serve.rag_c(port, product.build)
    if name == "nginx":
        return serve.nginx(port, folder)
    loop, _, workers = name.partition("-")
    return serve.rag_fastapi(port, loop, int(workers or 1))


@pytest.mark.parametrize("name", ["asyncio", "uvloop", "uvloop-2", "rag_c"])
def test_as_many_as_the_clients_made(product, tmp_path, name):
    port = serve.free_port()
    with serve.running(command(product, name, port, tmp_path), port):
        with tapped(product, port) as tap:
            seen = product.load(
                tap.port, "-n", "600", "-c", "8", "-m",
                "search=3,vector=2,chat=2,ingest=1,/health=1" +
                (",memory=1" if name != "rag_c" else ""))
    expected = collections.Counter()
    for kind in seen["requests"]:
        expected[KINDS[kind["name"]], 200] += kind["count"]
    for by in BY:
        assert tap.routes(by) == expected
    agree(tap)
    assert not any(r["flags"] & ~STREAMED for r in tap.requests["whole"])
    assert not any(r["flags"] & CUT for r in tap.requests["glimpse"])
    assert all(r["flags"] & STREAMED and r["parts"] > 1
               for r in tap.only("POST /api/v1/chat"))
    assert not any(r["flags"] for r in tap.only("POST /api/v1/retrieval/search"))


def test_as_many_as_wrk_and_nginx_made(product, tmp_path):
    port = serve.free_port()
    with serve.running(command(product, "nginx", port, tmp_path), port):
        with tapped(product, port) as tap:
            seen = product.load(tap.port, "-n", "2000", "-c", "16", "-m",
                                "/page.html=3,/health=1")
    counted = {k["name"]: k["count"] for k in seen["requests"]}
    assert tap.routes() == {
        ("GET /page.html", 200): counted["/page.html"],
        ("GET /health", 200): counted["/health"]}
    agree(tap)
    body = len((tmp_path / "html/page.html").read_bytes())
    assert all(r["out"] > body for r in tap.only("GET /page.html"))


def gaps_of(response):
    """When the chunks of an event stream came, to their reader."""
    times = []
    while response.read1(65536):
        times.append(time.monotonic())
    return [b - a for a, b in zip(times, times[1:])]


@contextlib.contextmanager
def scripted(product):
    port = serve.free_port()
    with serve.running(serve.scripted(port), port):
        with tapped(product, port) as tap:
            yield tap


def test_waits_and_gaps_are_those_of_the_client(product, some_time):
    def measure(_):
        seen = []
        with scripted(product) as tap:
            client = http.client.HTTPConnection("127.0.0.1", tap.port,
                                                timeout=120)
            for _ in range(20):
                begin = time.monotonic()
                client.request("GET", "/stream/20/60/5")
                response = client.getresponse()
                seen.append((time.monotonic() - begin,
                             max(gaps_of(response))))
            client.close()
        agree(tap)
        told = tap.only("GET /stream/{}/{}/{}")
        assert len(told) == 20
        assert all(r["parts"] == 4 and r["flags"] == STREAMED for r in told)
        # One by one they differ by what this machine's scheduler does.
        assert statistics.median(r["gap"] for r in told) >= 50e6
        for figure, theirs in (("ttfb", 0), ("gap", 1)):
            off = [abs(r[figure] / 1e9 - s[theirs])
                   for r, s in zip(told, seen)]
            assert statistics.median(off) < 0.005, (figure, off)

    some_time(measure)


def test_answers_without_bodies_or_lengths_end(product):
    with scripted(product) as tap:
        client = http.client.HTTPConnection("127.0.0.1", tap.port, timeout=30)
        for path in ("/status/204", "/status/304", "/status/500", "/health",
                     "/close/300", "/health"):
            client.request("GET", path)
            client.getresponse().read()
        client.request("POST", "/echo", b"x" * 3000)
        assert len(client.getresponse().read()) == 3000
        client.close()
    agree(tap)
    assert tap.routes() == {
        ("GET /status/{}", 204): 1, ("GET /status/{}", 304): 1,
        ("GET /status/{}", 500): 1, ("GET /health", 200): 2,
        ("GET /close/{}", 200): 1, ("POST /echo", 200): 1}
    closed, = tap.only("GET /close/{}")
    assert closed["flags"] & (CUT | GUESSED) == 0
    assert closed["last"] - closed["ttfb"] >= 200e6
    echoed, = tap.only("POST /echo")
    assert echoed["in"] > 3000 and echoed["out"] > 3000


def test_a_client_that_leaves_cuts_its_answer(product):
    with scripted(product) as tap:
        with socket.create_connection(("127.0.0.1", tap.port)) as client:
            client.sendall(b"GET /stream/200/200 HTTP/1.1\r\n\r\n")
            client.recv(4096)
            client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER,
                              b"\1\0\0\0\0\0\0\0")  # a reset, at once
    cut, = tap.only("GET /stream/{}/{}")
    assert cut["status"] == 200 and cut["flags"] & CUT


NODE = """
require("http").createServer((request, response) => {
  if (request.url.startsWith("/chunked")) {
    response.write("one");
    setTimeout(() => response.end("two"), 10);
  } else {
    request.resume();
    request.on("end", () => response.end(request.url));
  }
}).listen(+process.argv[1], "127.0.0.1");
"""


@pytest.mark.skipif(not shutil.which("node"), reason="no node here")
def test_a_pipeline_is_answered_in_order(product):
    port = serve.free_port()
    with serve.running(["node", "-e", NODE, str(port)], port):
        with tapped(product, port) as tap:
            with socket.create_connection(("127.0.0.1", tap.port)) as client:
                for i in range(10):
                    client.sendall(
                        b"GET /chunked HTTP/1.1\r\nHost: a\r\n\r\n"
                        b"POST /echo HTTP/1.1\r\nHost: a\r\n"
                        b"Content-Length: 5\r\n\r\nhello"
                        b"HEAD /head HTTP/1.1\r\nHost: a\r\n%s\r\n"
                        % (b"Connection: close\r\n" if i == 9 else b""))
                    time.sleep(0.03)
                while client.recv(65536):
                    pass
    agree(tap)
    assert tap.routes() == {("GET /chunked", 200): 10, ("POST /echo", 200): 10,
                            ("HEAD /head", 200): 10}
    assert all(r["parts"] == 2 for r in tap.only("GET /chunked"))


WEBSOCKETS = """
import sys, uvicorn

async def app(scope, receive, send):
    if scope["type"] == "websocket":
        await send({"type": "websocket.accept"})
        while True:
            message = await receive()
            if message["type"] == "websocket.disconnect":
                return
            if message["type"] == "websocket.receive":
                await send({"type": "websocket.send",
                            "text": message["text"]})
    if scope["type"] == "http":
        await send({"type": "http.response.start", "status": 200})
        await send({"type": "http.response.body", "body": b"ok"})

uvicorn.run(app, port=int(sys.argv[1]), ws="wsproto", log_level="warning",
            lifespan="off")
"""


def websocket_echo(port, text):
    """Upgrade, send one masked text frame, return the echo's bytes."""
    with socket.create_connection(("127.0.0.1", port), timeout=30) as client:
        client.sendall(b"GET /ws HTTP/1.1\r\nHost: a\r\n"
                       b"Connection: Upgrade\r\nUpgrade: websocket\r\n"
                       b"Sec-WebSocket-Version: 13\r\n"
                       b"Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n")
        answer = b""
        while b"\r\n\r\n" not in answer:
            answer += client.recv(4096) or pytest.fail(f"only {answer}")
        client.sendall(bytes([0x81, 0x80 | len(text), 0, 0, 0, 0]) + text)
        while not answer.endswith(text):
            answer += client.recv(4096) or pytest.fail(f"only {answer}")
        client.sendall(b"\x88\x82\0\0\0\0\x03\xe8")  # goodbye: 1000
        while client.recv(4096):
            pass
        return answer


def test_a_websocket_is_one_request_and_left(product):
    port = serve.free_port()
    with serve.running([sys.executable, "-c", WEBSOCKETS, str(port)], port):
        with tapped(product, port) as tap:
            for _ in range(3):
                assert websocket_echo(
                    tap.port, b"GET / HTTP/1.1\r\n\r\n").startswith(
                        b"HTTP/1.1 101")
            assert serve.answers(tap.port)
    agree(tap)
    assert tap.routes() == {("GET /ws", 101): 3, ("GET /health", 200): 1}
    assert all(r["flags"] == UPGRADED for r in tap.only("GET /ws"))
    assert tap.counts["whole"]["connections upgraded"] == 3


def test_http2_is_recognised(product, tmp_path):
    port = serve.free_port()
    words = command(product, "nginx", port, tmp_path)
    conf = tmp_path / "nginx.conf"
    conf.write_text(conf.read_text().replace(
        f":{port};", f":{port} http2;"))
    with serve.running(words, port, ready=serve.accepts):
        with tapped(product, port) as tap:
            done = subprocess.run(
                ["curl", "-sS", "--http2-prior-knowledge",
                 f"http://127.0.0.1:{tap.port}/health"],
                capture_output=True, text=True, timeout=30)
    assert done.stdout == "ok\n", done.stderr
    assert not tap.requests["whole"]
    for by in BY:
        assert tap.counts[by]["connections that are HTTP/2"] == 1


def test_other_protocols_are_counted_as_such(product):
    port = serve.free_port()
    with serve.running(serve.redis(port), port, ready=serve.accepts):
        with tapped(product, port) as tap:
            with socket.create_connection(("127.0.0.1", tap.port)) as client:
                client.sendall(b"*1\r\n$4\r\nPING\r\n")
                assert client.recv(100) == b"+PONG\r\n"
            with socket.create_connection(("127.0.0.1", tap.port)) as client:
                client.sendall(bytes.fromhex("1603010200010001fc0303"))
                client.shutdown(socket.SHUT_WR)
                client.recv(100)
    assert not tap.requests["whole"]
    for by in BY:
        assert tap.counts[by]["connections that are not HTTP"] == 1
        assert tap.counts[by]["connections that are TLS"] == 1
