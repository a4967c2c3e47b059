"""`strandline serve --push`: profiles arrive at a store that fails in every way
a store can fail, and what does not arrive is counted.

The store here is a thread of the test: it does what the test tells it to and
keeps what it was sent.
"""

import base64
import collections
import contextlib
import email
import gzip
import http.server
import json
import pathlib
import re
import shutil
import signal
import ssl
import subprocess
import threading
import time
import urllib.parse

import pytest

import serve
from test_serve import Served

ROOT = pathlib.Path(__file__).resolve().parents[2]
Request = collections.namedtuple("Request", "path headers body")


class Store:
    """Answers with the next of @script, the last one for ever: a status, a
    status and headers, or "hang"."""

    def __init__(self, *script, tls=None, port=0):
        self.script, self.requests = list(script), []
        self.over = threading.Event()
        store = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_POST(self):
                body = self.rfile.read(int(self.headers["Content-Length"]))
                store.requests.append(Request(self.path, self.headers, body))
                step = (store.script.pop(0) if len(store.script) > 1
                        else store.script[0])
                if step == "hang":
                    store.over.wait(600)
                    return
                status, headers = step if isinstance(step, tuple) else (
                    step, {})
                self.send_response(status, "As told")
                for name, value in headers.items():
                    self.send_header(name, value)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, *_):
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", port),
                                                      Handler)
        self.server.daemon_threads = True
        if tls:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(tls)
            self.server.socket = context.wrap_socket(self.server.socket,
                                                     server_side=True)
        self.port = self.server.server_port
        self.url = f"http{'s' if tls else ''}://127.0.0.1:{self.port}"
        threading.Thread(target=self.server.serve_forever,
                         daemon=True).start()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.over.set()
        self.server.shutdown()
        self.server.server_close()


@pytest.fixture(scope="module")
def growing(product, tmp_path_factory):
    """A recording in progress."""
    path = tmp_path_factory.mktemp("push") / "sleep.strand"
    process = subprocess.Popen([*product.under(path, "--mode", "exact"),
                                "sleep", "3600"])
    serve.wait_until(lambda: list(path.glob("[0-9]*.slabs")))
    yield path
    process.terminate()
    process.wait(120)


class Pushing(Served):
    """A `strandline serve` that pushes, and what it said in the end."""

    said = None

    def counts(self):
        """strandline_push_*, by outcome."""
        return {outcome: self.value("strandline_push_profiles_total",
                                    outcome=outcome)
                for outcome in ("sent", "dropped", "refused")}


@contextlib.contextmanager
def pushing(product, recording, url, *options):
    """Five times a second."""
    process = subprocess.Popen(
        [product.tool, "serve", "--listen", "0", "--refresh", "200ms",
         "--push", url, "--push-every", "200ms", "--push-pause", "50ms",
         *map(str, options), recording], stderr=subprocess.PIPE, text=True)
    said = []
    try:
        for line in process.stderr:
            said.append(line)
            if "serving http" in line:
                break
        one = Pushing(process, int(re.search(r":(\d+)/metrics",
                                             said[-1]).group(1)))
        yield one
        process.send_signal(signal.SIGTERM)
        one.said = "".join(said) + process.communicate(timeout=120)[1]
        assert process.returncode == 0
    finally:
        process.kill()
        process.wait()


def form(request):
    """The parts of a multipart request, by name."""
    message = email.message_from_bytes(
        b"Content-Type: " + request.headers["Content-Type"].encode()
        + b"\r\n\r\n" + request.body)
    return {part.get_param("name", header="content-disposition"):
            part.get_payload(decode=True) for part in message.get_payload()}


def sample_types(profile):
    """The names of a gzipped pprof's sample types."""
    if not shutil.which("protoc"):
        pytest.skip("no protoc here (protobuf-compiler)")
    text = subprocess.run(
        ["protoc", "--decode=pprof.Profile", f"-I{ROOT}/reports",
         "profile.proto"], input=gzip.decompress(profile), check=True,
        capture_output=True, timeout=60).stdout.decode()
    strings = re.findall(r'^string_table: "(.*)"$', text, re.M)
    return [strings[int(n)] for n in re.findall(
        r"sample_type \{\s*type: (\d+)", text)]


HEAP = ["alloc_objects", "alloc_space", "inuse_objects", "inuse_space"]


def test_pyroscope_gets_a_heap_with_its_name(product, growing, eventually):
    with Store(200) as store:
        with pushing(product, growing, store.url, "--push-label",
                     "env=test", "--push-label", "zone=a b") as one:
            eventually(lambda: one.counts()["sent"] >= 3)
        path, _, query = store.requests[0].path.partition("?")
        asked = urllib.parse.parse_qs(query)
        assert path == "/ingest"
        assert asked["name"] == ["sleep{env=test,zone=a b}"]
        assert asked["format"] == ["pprof"]
        assert int(asked["from"][0]) <= int(asked["until"][0]) <= time.time()
        parts = form(store.requests[0])
        assert sample_types(parts["profile"]) == HEAP
        assert json.loads(parts["sample_type_config"]).keys() == set(HEAP)
        assert one.said.count("\n") == 1  # where it serves


def test_parca_gets_the_same_in_json(product, growing, eventually):
    with Store(200) as store:
        with pushing(product, growing, store.url, "--push-api", "parca",
                     "--push-name", "shop", "--push-label", 'q=a\\b') as one:
            eventually(lambda: one.counts()["sent"] >= 1)
        request = store.requests[0]
        assert request.path == "/api/profiles/writeraw"
        series = json.loads(request.body)["series"][0]
        assert series["labels"]["labels"] == [
            {"name": "__name__", "value": "memory"},
            {"name": "job", "value": "shop"}, {"name": "q", "value": "a\\b"}]
        assert sample_types(base64.b64decode(
            series["samples"][0]["rawProfile"])) == HEAP


def test_a_path_of_the_url_stays(product, growing, eventually):
    with Store(204) as store:
        with pushing(product, growing,
                     f"{store.url}/team/in?tenant=7") as one:
            eventually(lambda: one.counts()["sent"] >= 1)
        assert store.requests[0].path.startswith("/team/in?tenant=7&name=")


def test_what_a_store_fails_to_take_is_sent_again(product, growing,
                                                  eventually):
    script = [500, 503, (429, {"Retry-After": "1"}), 200]
    with Store(*script) as store:
        began = time.monotonic()
        with pushing(product, growing, store.url) as one:
            eventually(lambda: one.counts()["sent"] >= 2)
            assert one.value("strandline_push_retries_total") == 3
            assert one.counts()["dropped"] == 0
        assert time.monotonic() - began > 1
        assert (form(store.requests[0])["profile"]
                == form(store.requests[3])["profile"])
        assert "it answers 500" in one.said
        assert "profiles are pushed to" in one.said
        assert "lost" not in one.said


def test_what_a_store_refuses_is_lost_and_told(product, growing, eventually):
    with Store(400, 401, 200) as store:
        with pushing(product, growing, store.url) as one:
            eventually(lambda: one.counts()["sent"] >= 1)
            assert one.counts()["refused"] == 2
        assert "refuses a profile, which is lost: it answers 400" in one.said
        assert "2 that were refused" in one.said


def test_redirects_are_not_followed(product, growing, eventually):
    with Store((302, {"Location": "http://127.0.0.1:1/"})) as store:
        with pushing(product, growing, store.url) as one:
            eventually(lambda: one.counts()["refused"] >= 1)


def test_a_store_that_hangs_costs_a_bounded_queue(product, growing,
                                                  eventually):
    with Store("hang") as store:
        with pushing(product, growing, store.url) as one:
            eventually(lambda: one.counts()["dropped"] >= 2)
            assert one.value("strandline_push_queued") == 16
            began = time.monotonic()
        assert time.monotonic() - began < 60
        lost = re.search(r"of (\d+) profiles 0 were pushed; lost are (\d+) "
                         r"that the queue had no room for, 0 that were "
                         r"refused and 16 that still waited", one.said)
        assert lost and int(lost[1]) == int(lost[2]) + 16, one.said


def test_a_store_that_comes_back_gets_what_waited(product, growing,
                                                  eventually):
    port = serve.free_port()
    with pushing(product, growing, f"http://127.0.0.1:{port}") as one:
        eventually(lambda: one.value("strandline_push_retries_total") >= 2)
        waiting = one.value("strandline_push_queued")
        with Store(200, port=port):
            eventually(lambda: one.counts()["sent"] >= waiting >= 1)
    assert "trying again" in one.said


@pytest.fixture(scope="module")
def certificate(tmp_path_factory):
    """A certificate of 127.0.0.1 with its key."""
    path = tmp_path_factory.mktemp("tls") / "both.pem"
    if not shutil.which("openssl"):
        pytest.skip("no openssl here")
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days",
         "2", "-subj", "/CN=store", "-addext", "subjectAltName=IP:127.0.0.1",
         "-keyout", f"{path}.key", "-out", f"{path}.crt"], check=True,
        capture_output=True, timeout=60)
    path.write_text(pathlib.Path(f"{path}.key").read_text()
                    + pathlib.Path(f"{path}.crt").read_text())
    return path


@pytest.mark.parametrize("secret, header", [
    ("ann:s3cret\n", "Basic " + base64.b64encode(b"ann:s3cret").decode()),
    ("t0ken\n", "Bearer t0ken"),
])
def test_it_speaks_tls_and_says_who_it_is(product, growing, eventually,
                                          certificate, tmp_path, secret,
                                          header):
    (tmp_path / "auth").write_text(secret)
    with Store(200, tls=certificate) as store:
        with pushing(product, growing, store.url, "--push-auth",
                     tmp_path / "auth", "--push-ca",
                     f"{certificate}.crt") as one:
            eventually(lambda: one.counts()["sent"] >= 1)
        assert store.requests[0].headers["Authorization"] == header


def test_a_store_with_an_unknown_certificate_gets_nothing(
        product, growing, eventually, certificate):
    with Store(200, tls=certificate) as store:
        with pushing(product, growing, store.url) as one:
            eventually(lambda: one.value(
                "strandline_push_retries_total") >= 1)
        assert not store.requests
        assert "certificate" in one.said


@pytest.mark.parametrize("words, sentence", [
    (["--push", "ftp://x/"], "cannot push to 'ftp://x/'"),
    (["--push", ""], "cannot push to ''"),
    (["--push", "http://x", "--push-label", "novalue"], "is no label"),
    (["--push", "http://x", "--push-label", "a={b}"], "is no label"),
    (["--push", "http://x", "--push-auth", "/no/such"], "/no/such"),
    (["--push", "http://x", "--push-auth", "/dev/null"], "expected one line"),
])
def test_a_store_that_is_none_is_refused(product, growing, words, sentence):
    done = subprocess.run([product.tool, "serve", "-l", "0", *words, growing],
                          capture_output=True, text=True, timeout=60)
    assert done.returncode in (1, 2)
    assert sentence in done.stderr and done.stderr.count("\n") == 1
