"""What the product says of requests, against what their clients measured.

The short form asserts what no machine can make false: that all are counted,
and that a request takes no less than its parts.  The campaign
(scripts/test.sh --all) holds figures to their tolerances, on a machine that is
otherwise idle, at a load that the servers stand.

The recording client has the kernel's word for when bytes came to it; wrk and
hey have only their own, which contains that they had to wait for a processor.
So times are compared with the former, request by request, counts with all.
"""

import contextlib
import json
import os
import re
import shutil
import subprocess

import pytest

import recorder
import serve
from test_http_probe import CHAT, CUT, SEARCH, probing

MS, US = 10 ** 6, 10 ** 3

NODE = """
require('http').createServer((q, r) => {
    r.setHeader('Content-Type', 'text/plain');
    if (q.url.startsWith('/stream')) {
        let left = 5;
        const next = () => {
            if (left--) { r.write('part\\n'); setTimeout(next, 8); }
            else r.end();
        };
        return next();
    }
    let sum = 0;
    for (let i = 0; i < 200000; i++) sum += i;
    r.end('ok ' + sum);
}).listen(+process.argv[2], '127.0.0.1');
"""


def ask(path, body=None):
    """A request's bytes."""
    if body is None:
        return f"GET {path} HTTP/1.1\r\nHost: h\r\n\r\n".encode()
    text = json.dumps(body)
    return (f"POST {path} HTTP/1.1\r\nHost: h\r\nContent-Type: application/"
            f"json\r\nContent-Length: {len(text)}\r\n\r\n{text}").encode()


SEARCH_REQUEST = ask("/api/v1/retrieval/search",
                     {"query": "how is a file compressed", "top_k": 5})
CHAT_REQUEST = ask("/api/v1/chat",
                   {"message": "compressed file", "session_id": "s"})


def gunicorn(port):
    return ["gunicorn", "--chdir", str(serve.FOLDER), "-w", "2", "-k",
            "uvicorn.workers.UvicornWorker", "-b", f"127.0.0.1:{port}",
            "--log-level", "critical", "rag_fastapi.app:app"]


def command_of(product, name, port, folder):
    if name == "rag_c":
        return serve.rag_c(port, product.build)
    if name == "rag_rust":
        target = os.environ.get("STRANDLINE_RUST")
        if not target:
            pytest.skip("rag_rust is not built: STRANDLINE_RUST names where")
        return serve.rag_rust(port, target)
    if name == "nginx":
        return serve.nginx(port, folder / "nginx", workers=2)
    if name == "gunicorn":
        return gunicorn(port)
    if name == "node":
        if not shutil.which("node"):
            pytest.skip("no node")
        (folder / "server.js").write_text(NODE)
        return ["node", str(folder / "server.js"), str(port)]
    return serve.rag_fastapi(port, name)


def kinds_of(name):
    """What to ask of a server: route, request, requests a second."""
    if name == "nginx":
        return [("GET /page.html", ask("/page.html"), 300)]
    if name == "node":
        return [("GET /work", ask("/work"), 200),
                ("GET /stream", ask("/stream"), 40)]
    slow = 0.4 if name in ("asyncio", "uvloop", "gunicorn") else 1
    return [(SEARCH, SEARCH_REQUEST, 100 * slow), (CHAT, CHAT_REQUEST, 12)]


def of_route(requests, route):
    """Those of a route, by when they came."""
    return sorted((r for r in requests if r.route == route),
                  key=lambda r: r.arrived)


QUICK = ["rag_c", "nginx",
         *(pytest.param(name, marks=pytest.mark.long)
           for name in ("uvloop", "gunicorn", "node"))]
SERVERS = ["rag_c", "rag_rust", "asyncio", "uvloop", "gunicorn", "nginx",
           "node"]


@contextlib.contextmanager
def serving(product, name, folder):
    port = serve.free_port()
    ready = serve.accepts if name in ("node", "gunicorn") else serve.answers
    with serve.running(command_of(product, name, port, folder), port,
                       ready=ready) as server:
        if name == "gunicorn":
            serve.wait_until(lambda: serve.answers(port), 60, "gunicorn")
        yield port, server


def in_order(request):
    return (0 < request.arrived <= request.read <= request.first
            <= request.last)


@pytest.mark.parametrize("name", QUICK)
def test_a_recording_client_and_the_kernel_agree_on_what_was(
        product, tmp_path, name):
    count = 60
    with serving(product, name, tmp_path) as (port, server):
        with probing(product, tmp_path, server) as probe:
            theirs = {route: recorder.record(port, request, rate * 2, count)
                      for route, request, rate in kinds_of(name)[:1]}
    for route, asked in theirs.items():
        ours = of_route(probe.requests, route)
        assert len(ours) == len(asked) == count
        for mine, his in zip(ours, asked):
            assert mine.status == his.status == 200
            assert in_order(mine)
            # Bytes come after they were sent, and are read from where they
            # are put: both are the kernel's order, not a matter of speed.
            assert his.sent <= mine.arrived
            assert not mine.flags & CUT
    assert not probe.losses()


def compare(ours, asked, tell):
    """Failures of a route's figures against the recording client's."""
    wrong = []

    def hold(what, mine, his, share, least):
        slack = max(share * his, least)
        tell(f"    {what:9} {mine / MS:9.3f} {his / MS:9.3f} ms "
             f"{(mine - his) / US:+9.1f} us of {slack / US:.0f}")
        if abs(mine - his) > slack:
            wrong.append(f"{what}: {mine / MS:.3f} ms, not {his / MS:.3f}")

    took = [r.last - r.arrived for r in ours]
    ttfb = [r.first - r.arrived for r in ours]
    q = recorder.quantile
    hold("p50", q(took, 0.5), q([a.took() for a in asked], 0.5), 0.02, 50 * US)
    hold("p99", q(took, 0.99), q([a.took() for a in asked], 0.99), 0.05,
         200 * US)
    for share in (0.5, 0.95):
        hold(f"ttfb p{share * 100:.0f}", q(ttfb, share),
             q([a.ttfb() for a in asked], share), 0, MS)
    if any(r.gap for r in ours):
        hold("gap p95", q([r.gap for r in ours], 0.95),
             q([a.gap for a in asked], 0.95), 0, MS)
    return wrong


@pytest.mark.long
@pytest.mark.parametrize("name", SERVERS)
def test_the_kernel_s_times_are_those_of_the_client(
        product, tmp_path, name, capsys):
    wrong = []

    def tell(line):
        with capsys.disabled():
            print(line)

    with serving(product, name, tmp_path) as (port, server):
        for route, request, rate in kinds_of(name):
            count = 1000 if rate >= 40 else 300
            recorder.record(port, request, rate, 30)  # warm
            with probing(product, tmp_path, server) as probe:
                asked = recorder.record(port, request, rate, count)
            ours = of_route(probe.requests, route)
            assert len(ours) == len(asked)
            assert not probe.losses()
            tell(f"  {name} {route}, {rate:.0f} a second: ours, the client's")
            wrong += [f"{route} {one}" for one in compare(ours, asked, tell)]
    assert not wrong


def hey(port, count, path):
    """hey's count of answers by status."""
    said = subprocess.run(
        ["hey", "-n", str(count), "-c", "8", f"http://127.0.0.1:{port}{path}"],
        capture_output=True, text=True, check=True, timeout=300).stdout
    return {int(status): int(n)
            for status, n in re.findall(r"\[(\d+)\]\s+(\d+) responses", said)}


def wrk(port, seconds, path):
    """Requests that wrk has seen answered."""
    said = subprocess.run(
        ["wrk", "-t1", "-c8", f"-d{seconds}s", "--latency",
         f"http://127.0.0.1:{port}{path}"],
        capture_output=True, text=True, check=True, timeout=300).stdout
    return int(re.search(r"(\d+) requests in", said)[1])


def path_of(name):
    return "/page.html" if name == "nginx" else "/health"


@pytest.mark.parametrize("name", [
    "nginx", pytest.param("rag_c", marks=pytest.mark.long)])
def test_hey_counts_as_we_do(product, tmp_path, name):
    if not shutil.which("hey"):
        pytest.skip("no hey")
    path = path_of(name)
    with serving(product, name, tmp_path) as (port, server):
        with probing(product, tmp_path, server) as probe:
            assert hey(port, 800, path) == {200: 800}
    assert len(of_route(probe.requests, f"GET {path}")) == 800
    assert not probe.losses()


@pytest.mark.long
@pytest.mark.parametrize("name", ["nginx", "rag_c"])
def test_wrk_counts_as_we_do(product, tmp_path, name):
    if not shutil.which("wrk"):
        pytest.skip("no wrk")
    path = path_of(name)
    with serving(product, name, tmp_path) as (port, server):
        with probing(product, tmp_path, server) as probe:
            seen = wrk(port, 5, path)
    # What was out when its time was over, wrk does not count.
    assert seen <= len(of_route(probe.requests, f"GET {path}")) <= seen + 8
    assert not probe.losses()


@pytest.mark.long
@pytest.mark.parametrize("name", SERVERS)
def test_the_shim_s_times_are_the_client_s_within_the_loop_s_delay(
        product, recording, tmp_path, name, capsys):
    port = serve.free_port()
    wrong = []
    ready = serve.accepts if name in ("node", "gunicorn") else serve.answers
    with serve.running([*product.under(recording.path),
                        *command_of(product, name, port, tmp_path)], port,
                       ready=ready):
        if name == "gunicorn":
            serve.wait_until(lambda: serve.answers(port), 60, "gunicorn")
        theirs = {route: recorder.record(port, request, rate, 1000)
                  for route, request, rate in kinds_of(name)}
    report = recording.json()
    found = {f"{e['method']} {e['route']}": e for e in report["endpoints"]}
    for route, asked in theirs.items():
        mine = found[route]
        took = [a.took() for a in asked]
        assert mine["count"] == len(asked)
        for q, share, least in ((0.5, 0.02, 0.05), (0.99, 0.05, 0.2)):
            his = recorder.quantile(took, q) / MS
            got = mine[f"p{q * 100:.0f}_ms"]
            # Nothing can be known of what the event loop holds back.
            slack = max(share * his, least) + mine["queue_p95_ms"]
            with capsys.disabled():
                print(f"  {name} {route} p{q * 100:.0f} {got:.3f} "
                      f"{his:.3f} ms, slack {slack:.3f}")
            if abs(got - his) > slack:
                wrong.append(f"{route} p{q * 100:.0f}: {got}, not {his}")
    assert not wrong
    assert not any(report["losses"].values()), report["losses"]
