"""`strandline serve`: metrics of recordings over HTTP, for a Prometheus.

What it answers is read by the parsers of the formats; who is slow or hostile
must not keep the others from being answered.
"""

import contextlib
import http.client
import os
import re
import signal
import socket
import subprocess
import time

import pytest

import serve
from test_report_formats import families

OPENMETRICS = "application/openmetrics-text; version=1.0.0; charset=utf-8"
TEXT = "text/plain; version=0.0.4; charset=utf-8"
PROMETHEUS = ("application/openmetrics-text;version=1.0.0,"
              "application/openmetrics-text;version=0.0.1;q=0.75,"
              "text/plain;version=0.0.4;q=0.5,*/*;q=0.1")


class Served:
    """A running `strandline serve`."""

    def __init__(self, process, port):
        self.process, self.port = process, port

    def ask(self, path="/metrics", method="GET", **headers):
        """The status, the type and the text of an answer."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port,
                                                timeout=120)
        with contextlib.closing(connection):
            connection.request(method, path, headers=headers)
            response = connection.getresponse()
            return (response.status, response.getheader("Content-Type"),
                    response.read().decode())

    def families(self):
        """All metrics, by name."""
        status, kind, text = self.ask(Accept=PROMETHEUS)
        assert (status, kind) == (200, OPENMETRICS)
        return families(text)

    def value(self, name, **labels):
        """The sum of the series with these labels."""
        return sum(
            value for family in self.families().values()
            for (series, at), value in family.series.items()
            if series == name and all(f'{k}="{v}"' in (at or "")
                                      for k, v in labels.items()))


@contextlib.contextmanager
def serving(product, *words):
    """`strandline serve` on a free port, which ends in good order."""
    process = subprocess.Popen(
        [product.tool, "serve", "--listen", "0", *map(str, words)],
        stderr=subprocess.PIPE, text=True)
    try:
        line = process.stderr.readline()
        assert line.startswith("strandline: serving http://127.0.0.1:"), line
        yield Served(process, int(re.search(r":(\d+)/", line).group(1)))
        process.send_signal(signal.SIGTERM)
        assert process.wait(120) == 0
    finally:
        process.kill()
        process.wait()


@pytest.fixture(scope="module")
def recorded(product, tmp_path_factory):
    """A recording of rag_c that answered 400 requests."""
    path = tmp_path_factory.mktemp("serve") / "rag.strand"
    port = serve.free_port()
    with serve.running([*product.under(path, "--mode", "exact", "--interval",
                                       "100"),
                        *serve.rag_c(port, product.build)], port):
        product.load(port, "-n", 400, "-m", "search=3,chat")
    return path


@pytest.fixture(scope="module")
def served(product, recorded):
    """The same, served."""
    with serving(product, recorded) as one:
        yield one


def test_readers_get_the_format_they_ask_for(served):
    assert served.ask(Accept=PROMETHEUS)[1] == OPENMETRICS
    assert served.ask()[1] == TEXT
    assert served.ask(Accept="text/plain")[1] == TEXT
    assert served.ask(
        Accept="application/openmetrics-text;q=0.2,text/plain")[1] == TEXT
    assert served.ask(
        Accept="application/openmetrics-text;version=9.0.0")[1] == TEXT


def test_the_conventional_names_are_there(served):
    names = served.families().keys()
    assert {"process_resident_memory_bytes", "process_cpu_seconds",
            "process_open_fds", "process_max_fds", "process_threads",
            "process_start_time_seconds",
            "http_server_request_duration_seconds",
            "strandline_http_time_to_first_byte_seconds",
            "strandline_memory_bytes", "strandline_verdict",
            "strandline_site_live_bytes", "strandline_lost",
            "strandline_self_memory_bytes",
            "strandline_serve_cpu_seconds"} <= names


def test_histograms_count_every_request(served):
    route = {"http_route": "/api/v1/chat"}
    name = "http_server_request_duration_seconds"
    chats = served.value("strandline_http_requests_total", **route)
    assert chats > 50
    assert served.value(name + "_count", **route) == chats
    assert served.value(name + "_bucket", **route, le="+Inf") == chats
    assert served.value(name + "_bucket", **route, le="300.0") == chats
    assert served.value(name + "_sum", **route) > 0


def test_both_formats_say_the_same(served):
    def series(text):
        return {line.rsplit(" ", 1)[0] for line in text.splitlines()
                if not line.startswith("#")}

    assert series(served.ask()[2]) == series(
        served.ask(Accept=PROMETHEUS)[2])


def test_promtool_has_nothing_to_say(served):
    if subprocess.run(["which", "promtool"], capture_output=True).returncode:
        pytest.skip("no promtool here (prometheus)")
    done = subprocess.run(["promtool", "check", "metrics"],
                          input=served.ask()[2], capture_output=True,
                          text=True, timeout=60)
    assert (done.returncode, done.stdout + done.stderr) == (0, "")


def test_the_parser_of_openmetrics_reads_it(served):
    parser = pytest.importorskip("prometheus_client.openmetrics.parser")
    text = served.ask(Accept=PROMETHEUS)[2]
    assert list(parser.text_string_to_metric_families(text))


def test_other_paths_and_methods_are_refused(served):
    assert served.ask("/healthz") == (200, "text/plain; charset=utf-8",
                                      "ok\n")
    assert served.ask("/metrics", "HEAD")[0] == 200
    assert served.ask("/")[0] == 404
    assert served.ask("/../etc/passwd")[0] == 404
    assert served.ask("/metrics", "POST")[0] == 405
    assert served.ask("/metrics", "DELETE")[0] == 405


RUBBISH = [
    b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(64),  # TLS
    b"\r\n\r\n\r\n", b"GET\r\n\r\n", b"\0" * 5000,
    b"GET /metrics HTTP/9.9\r\nHost: x\r\n\r\n",
    b"GET " + b"/" * 100_000 + b" HTTP/1.1\r\nHost: x\r\n\r\n",
    b"GET /metrics HTTP/1.1\r\n" + b"X: " + b"y" * 100_000 + b"\r\n\r\n",
    b"POST /metrics HTTP/1.1\r\nHost: x\r\nContent-Length: -1\r\n\r\n",
    b"GET /metrics HTTP/1.1\r\nHost: x\r\nContent-Length: "
    b"99999999999999999999\r\n\r\n",
    b"GET /metrics HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n"
    b"\r\nffffffffffffffff\r\n",
    b"GET /metrics HTTP/1.1\r\nHost: x\r\nAccept: ;;,,q=,;q=x,"
    b"application/openmetrics-text;q=nan\r\n\r\n",
]


def test_rubbish_changes_nothing(served):
    for rubbish in RUBBISH:
        with socket.create_connection(("127.0.0.1", served.port), 10) as one:
            with contextlib.suppress(OSError):
                one.sendall(rubbish)
                one.shutdown(socket.SHUT_WR)
                while one.recv(65536):
                    pass
    assert served.ask()[0] == 200


def test_slow_clients_are_cut_off_and_the_others_answered(served, eventually):
    before = served.value("strandline_serve_cut_off_total")
    slow = [socket.create_connection(("127.0.0.1", served.port), 10)
            for _ in range(300)]  # more than it takes
    for one in slow:
        one.setblocking(False)
    began = time.monotonic()

    def answered():
        """They trickle on meanwhile."""
        for one in slow:
            with contextlib.suppress(OSError):
                one.send(b"G" if time.monotonic() - began < 1 else b"E")
        try:
            return served.ask()[0] == 200
        except OSError:
            return False

    eventually(answered)
    eventually(lambda: served.value(
        "strandline_serve_cut_off_total") >= before + 200)
    for one in slow:
        one.close()


def test_a_recording_in_progress_is_followed_by_its_process(
        product, recording, eventually):
    port = serve.free_port()
    with serve.running([*product.under(recording.path), *serve.rag_c(
            port, product.build)], port):
        pid = int(next(p.stem for p in recording.slabs()))
        with serving(product, pid, "--refresh", "200ms") as one:
            assert one.value("strandline_up") == 1
            product.load(port, "-n", 50, "-m", "search")
            eventually(lambda: one.value(
                "strandline_http_requests_total", status="2xx",
                http_route="/api/v1/retrieval/search") == 50)


def test_a_server_that_probes_watch_is_followed_by_its_process(
        product, recording, eventually):
    port = serve.free_port()
    with serve.running(serve.rag_c(port, product.build), port) as server:
        watcher = subprocess.Popen(
            [product.tool, "attach", str(server.pid), "--with", "bpf",
             "-o", str(recording.path), "--duration", "600"],
            stderr=subprocess.PIPE, text=True)
        try:
            said = watcher.stderr.readline()
            while said and "attached to process" not in said:
                said = watcher.stderr.readline()
            if not said:
                pytest.skip("the kernel takes no programs from us")
            with serving(product, server.pid, "--refresh", "200ms") as one:
                eventually(lambda: one.value(
                    "process_resident_memory_bytes", pid=server.pid) > 0)
                assert one.value("process_max_fds", pid=server.pid) > 0
                names = one.families()
                assert not any('part="live"' in (labels or "") for _, labels
                               in names["strandline_memory_bytes"].series)
                product.load(port, "-n", 50, "-m", "search")
                eventually(lambda: one.value(
                    "strandline_http_requests_total",
                    http_route="/api/v1/retrieval/search") >= 50)
        finally:
            watcher.send_signal(signal.SIGINT)
            watcher.communicate(timeout=60)


def test_a_recording_that_ends_is_read_to_its_end(product, recording,
                                                  eventually):
    port = serve.free_port()
    with serve.running([*product.under(recording.path), *serve.rag_c(
            port, product.build)], port):
        process = subprocess.Popen(
            [product.tool, "serve", "--listen", "0", "--refresh", "200ms",
             recording.path], stderr=subprocess.PIPE, text=True)
        line = process.stderr.readline()
        one = Served(process, int(re.search(r":(\d+)/", line).group(1)))
        product.load(port, "-n", 30, "-m", "search")
    try:
        eventually(lambda: one.value("strandline_up") == 0)
        assert one.value("strandline_http_requests_total", status="2xx",
                         http_route="/api/v1/retrieval/search") == 30
        assert one.ask("/healthz")[0] == 200
    finally:
        process.terminate()
        process.wait(120)


def test_several_recordings_are_told_apart(product, recorded, recording):
    subprocess.run([*product.under(recording.path), "/bin/true"], check=True,
                   timeout=60)
    with serving(product, recorded, recording.path) as one:
        up = one.families()["strandline_up"].series
        assert {labels for _, labels in up} == {
            f'recording="{recorded}"', f'recording="{recording.path}"'}


@pytest.mark.parametrize("words, sentence", [
    (["no.such.strand"], "cannot open no.such.strand: No such file"),
    ([str(os.getpid())], f"process {os.getpid()} records nothing"),
    (["999999999"], "there is no process 999999999"),
    ([], "expected a recording or a process"),
    (["/"], "/ is not a recording"),
])
def test_what_cannot_be_served_is_said_in_a_sentence(product, words,
                                                     sentence):
    done = subprocess.run([product.tool, "serve", "-l", "0", *words],
                          capture_output=True, text=True, timeout=60)
    assert done.returncode in (1, 2)
    assert sentence in done.stderr
    assert len(done.stderr.splitlines()) == 1


@pytest.mark.parametrize("address", ["", "x", "1:2:3", "127.0.0.1:99999",
                                     "127.0.0.1:-1", "256.1.1.1:80",
                                     "[::1]", "127.0.0.1:"])
def test_an_address_that_is_none_is_refused(product, recorded, address):
    done = subprocess.run([product.tool, "serve", "-l", address, recorded],
                          capture_output=True, text=True, timeout=60)
    assert done.returncode == 2 and len(done.stderr.splitlines()) == 1, done


def test_a_port_that_is_taken_is_named(product, recorded, served):
    done = subprocess.run(
        [product.tool, "serve", "-l", str(served.port), recorded],
        capture_output=True, text=True, timeout=60)
    assert done.returncode == 1
    assert f"cannot listen on {served.port}: Address already in use" in (
        done.stderr)
