"""What the product says of requests, against what their clients measured.

The short form asserts what no machine can make false: that all are counted,
and that a request takes no less than its parts.  The campaign
(scripts/test.sh --all) holds figures to their tolerances, on a machine that is
otherwise idle, at a load that the servers stand.

The recording client has the kernel's word for when bytes came to it; wrk and
hey have only their own, which contains that they had to wait for a processor.
So times are compared with the former, of the same requests, counts with all.
The campaign alone, 5 minutes on two processors, with the built tree in
STRANDLINE_BUILD:

    STRANDLINE_ALL=1 /usr/bin/python3 -m pytest -q tests/e2e/test_requests_campaign.py
"""

import contextlib
import json
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
    return [(SEARCH, SEARCH_REQUEST, 100 * slow), (CHAT, CHAT_REQUEST, 20)]


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
def serving(product, name, folder, request, recording=None):
    """A server; under strandline, if it is to be recorded."""
    port = serve.free_port()
    under = ([] if not recording else
             product.under(recording.path, "--http-by", "shim"))
    command = (serve.rag_rust(port, request.getfixturevalue("rag_rust"))
               if name == "rag_rust" else
               command_of(product, name, port, folder))
    ready = serve.accepts if name in ("node", "gunicorn") else serve.answers
    with serve.running([*under, *command], port, ready=ready) as server:
        if name == "gunicorn":
            serve.wait_until(lambda: serve.answers(port), 60, "gunicorn")
        yield port, server


def in_order(request):
    return (0 < request.arrived <= request.read <= request.first
            <= request.last)


@pytest.mark.parametrize("name", QUICK)
def test_a_recording_client_and_the_kernel_agree_on_what_was(
        product, tmp_path, name, request):
    count = 60
    with serving(product, name, tmp_path, request) as (port, server):
        with probing(product, tmp_path, server) as probe:
            theirs = {route: recorder.record(port, bytes_, rate * 2, count)
                      for route, bytes_, rate in kinds_of(name)[:1]}
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


class Held:
    """Figures that are held against the client's, each told with its slack."""

    def __init__(self, tell, title):
        self.tell, self.wrong = tell, []
        tell(f"  {title}: ours, the client's")

    def hold(self, what, mine, his, slack, back=0):
        """In ns.  @back: it is not known better, for so long it lay unread."""
        self.tell(f"    {what:15} {mine / MS:9.3f} {his / MS:9.3f} ms "
                  f"{(mine - his) / US:+9.1f} us of {slack / US:.0f}" +
                  (f" and {back / US:.0f} held back" if back else ""))
        if abs(mine - his) > slack + back:
            self.wrong.append(f"{what}: {mine / MS:.3f}, not {his / MS:.3f}")


def by_kernel(held, ours, asked):
    """The kernel's way, of a route."""
    q = recorder.quantile
    took = [r.last - r.arrived for r in ours]
    ttfb = [r.first - r.arrived for r in ours]
    for share, part, least in ((0.5, 0.02, 50 * US), (0.99, 0.05, 200 * US)):
        his = q([a.took() for a in asked], share)
        held.hold(f"p{share * 100:.0f}", q(took, share), his,
                  max(part * his, least))
    for share in (0.5, 0.95):
        held.hold(f"ttfb p{share * 100:.0f}", q(ttfb, share),
                  q([a.ttfb() for a in asked], share), MS)
    if any(r.gap for r in ours):
        held.hold("gap p95", q([r.gap for r in ours], 0.95),
                  q([a.gap for a in asked], 0.95), MS)
    own = q([a.left - a.sent for a in asked], 0.5) / US
    held.tell(f"    of that, the client's own time to send: p50 {own:.1f} us")


def by_shim(held, said, ours, asked):
    """The shim's way.  It cannot know since when bytes lay there that its
    event loop had not read: of the same requests the kernel tells that."""
    q = recorder.quantile
    waited = [r.read - r.arrived for r in ours]
    for share, part, least in ((0.5, 0.02, 50 * US), (0.99, 0.05, 200 * US)):
        his = q([a.took() for a in asked], share)
        seen = q([r.last - r.read for r in ours], share)
        held.hold(f"p{share * 100:.0f}", said[f"p{share * 100:.0f}_ms"] * MS,
                  his, max(part * his, least), max(his - seen, 0))
    for share in (0.5, 0.95):
        his = q([a.ttfb() for a in asked], share)
        seen = q([r.first - r.read for r in ours], share)
        held.hold(f"ttfb p{share * 100:.0f}",
                  said[f"ttfb_p{share * 100:.0f}_ms"] * MS, his, MS,
                  max(his - seen, 0))
    if any(r.gap for r in ours):
        held.hold("gap p95", said["gap_p95_ms"] * MS,
                  q([a.gap for a in asked], 0.95), MS)
    held.tell(f"    held back p95: {said['queue_p95_ms']:.3f} ms are stated, "
              f"{q(waited, 0.95) / MS:.3f} were")


@pytest.mark.long
@pytest.mark.parametrize("name", SERVERS)
def test_both_ways_tell_the_times_of_the_client(
        product, recording, tmp_path, name, capsys, request):
    """The same requests, thrice: by the client, the kernel and the shim."""
    asked, wrong = {}, []

    def tell(line):
        with capsys.disabled():
            print(line)

    with serving(product, name, tmp_path, request, recording) as (port, run):
        with probing(product, tmp_path, run, below=True) as probe:
            for route, bytes_, rate in kinds_of(name):
                asked[route] = recorder.record(
                    port, bytes_, rate, 1000 if rate >= 40 else 300)
    assert not probe.losses()
    report = recording.json()
    assert report["traffic"]["timed_by"] == "shim"
    found = {f"{e['method']} {e['route']}": e for e in report["endpoints"]}
    for route, theirs in asked.items():
        ours = of_route(probe.requests, route)
        assert len(ours) == len(theirs) == found[route]["count"]
        for way, compare in (("kernel", by_kernel), ("shim", by_shim)):
            held = Held(tell, f"{name} {route}, by the {way}")
            if way == "kernel":
                compare(held, ours, theirs)
            else:
                compare(held, found[route], ours, theirs)
            wrong += [f"{route} by the {way}, {one}" for one in held.wrong]
    lost = {why for why, count in report["losses"].items() if count}
    assert not lost - {"stack_broken"}  # of code that node makes
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
    return {"nginx": "/page.html", "node": "/work"}.get(name, "/health")


def counted(product, folder, server, path, load):
    """What a load has seen answered, and what we have counted."""
    with probing(product, folder, server) as probe:
        seen = load()
    assert not probe.losses()
    return seen, len(of_route(probe.requests, f"GET {path}"))


@pytest.mark.parametrize("name", ["nginx", *(
    pytest.param(name, marks=pytest.mark.long)
    for name in SERVERS if name != "nginx")])
def test_hey_and_wrk_count_as_we_do(product, tmp_path, name, request):
    path = path_of(name)
    for tool in ("hey", "wrk"):
        if not shutil.which(tool):
            pytest.skip(f"no {tool}")
    with serving(product, name, tmp_path, request) as (port, server):
        seen, ours = counted(product, tmp_path, server, path,
                             lambda: hey(port, 800, path))
        assert seen == {200: 800} and ours == 800
        seen, ours = counted(product, tmp_path, server, path,
                             lambda: wrk(port, 1, path))
        # What was out when its time was over, wrk does not count.
        assert seen <= ours <= seen + 8
