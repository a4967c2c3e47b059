"""Requests over TLS, without privilege: seen by the shim where the server's
TLS library decrypts them, counted to the last one.
"""

import contextlib
import http.client
import os
import signal
import ssl
import subprocess

import pytest

import serve

# A thread a connection, on sockets that block: the library reads them itself.
# GET /relay asks GET /asked of this server, by TLS, too.
BLOCKING = """
import ctypes, sys
port, key, cert, *others = sys.argv[1:]
import http.client, http.server, ssl
others = [ctypes.CDLL(path) for path in others]  # mapped below OpenSSL's
class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    def log_message(self, *_): pass
    def do_GET(self):
        body = b"ok"
        if self.path == "/relay":
            c = http.client.HTTPSConnection("127.0.0.1", int(port),
                context=ssl._create_unverified_context())
            c.request("GET", "/asked")
            body = c.getresponse().read()
            c.close()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)
server = http.server.ThreadingHTTPServer(("127.0.0.1", int(port)), Handler)
server.daemon_threads = True
context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
context.load_cert_chain(cert, key)
server.socket = context.wrap_socket(server.socket, server_side=True)
server.serve_forever()
"""


@pytest.fixture(scope="module")
def certificate(tmp_path_factory):
    """A key and a certificate for it, of this run alone."""
    folder = tmp_path_factory.mktemp("certificate")
    paths = folder / "key.pem", folder / "cert.pem"
    subprocess.run(["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes",
                    "-days", "2", "-subj", "/CN=localhost", "-keyout",
                    paths[0], "-out", paths[1]], check=True,
                   capture_output=True)
    return paths


def uvicorn(port, loop, key, cert):
    return [serve.PYTHON, "-m", "uvicorn", "--app-dir", str(serve.FOLDER),
            "--port", str(port), "--loop", loop, "--log-level", "warning",
            "--ssl-keyfile", str(key), "--ssl-certfile", str(cert),
            "rag_fastapi.app:app"]


def blocking(port, key, cert, *libraries):
    return [serve.PYTHON, "-c", BLOCKING, str(port), str(key), str(cert),
            *map(str, libraries)]


def ask(port, paths):
    """One connection, one request after the other."""
    client = http.client.HTTPSConnection(
        "127.0.0.1", port, timeout=60,
        context=ssl._create_unverified_context())
    with contextlib.closing(client):
        for path in paths:
            client.request("GET", path)
            answer = client.getresponse()
            assert answer.read() and answer.status == 200, path


def under(product, recording, command):
    return [*product.under(recording.path, "--http-by", "shim"), *command]


def found(report):
    return {f"{e['method']} {e['route']}": e for e in report["endpoints"]}


@pytest.mark.parametrize("name", ["nginx", "asyncio", "uvloop"])
def test_requests_are_counted_without_privilege(
        product, recording, tmp_path, certificate, name):
    port = serve.free_port()
    command = (serve.nginx_tls(port, tmp_path / "nginx", *certificate)
               if name == "nginx" else uvicorn(port, name, *certificate))
    with serve.running(under(product, recording, command), port,
                       ready=serve.accepts):
        for _ in range(2):
            ask(port, ["/health"] * 50)
    report = recording.json()
    endpoint = found(report)["GET /health"]
    assert endpoint["count"] == endpoint["status"]["2xx"] == 100
    assert 0 < endpoint["ttfb_p50_ms"] <= endpoint["p50_ms"]
    assert report["traffic"]["foreign"] == 0
    assert report["traffic"]["timed_by"] == "shim"
    # Ciphers are written in assembly, some without a word for unwinders.
    lost = {why for why, count in report["losses"].items() if count}
    assert lost <= {"stack_broken"}


def test_what_a_server_asks_of_others_is_not_its_own(
        product, recording, certificate):
    port = serve.free_port()
    with serve.running(
            under(product, recording, blocking(port, *certificate)), port,
            ready=serve.accepts):
        ask(port, ["/relay"] * 5)
    counts = {name: e["count"] for name, e in found(recording.json()).items()}
    assert counts == {"GET /relay": 5, "GET /asked": 5}


def test_each_object_is_given_to_its_own_library(
        product, recording, certificate):
    port = serve.free_port()
    other = product.build / "tests/programs/tls/other_tls.so"
    with serve.running(
            under(product, recording, blocking(port, *certificate, other)),
            port, ready=serve.accepts):
        ask(port, ["/asked"] * 5)
    assert found(recording.json())["GET /asked"]["count"] == 5


def test_a_shim_that_comes_late_sees_what_is_asked_from_then_on(
        product, recording, certificate):
    port = serve.free_port()
    with serve.running(uvicorn(port, "asyncio", *certificate), port,
                       ready=serve.accepts) as server:
        ask(port, ["/health"])
        attached = subprocess.Popen(
            [product.tool, "attach", str(server.pid), "--with", "inject",
             "-o", recording.path], stderr=subprocess.PIPE, text=True)
        with attached:
            said = attached.stderr.readline()
            if attached.poll() is not None and "right" in said:
                pytest.skip(said)
            serve.wait_until(lambda: "attached" in said, 1, said)
            ask(port, ["/health"] * 20)
            attached.terminate()
            attached.communicate()
    assert found(recording.json())["GET /health"]["count"] == 20


def look_alike(product, name, port, key, cert):
    program = product.build / "tests/programs/tls" / name
    if not program.exists():
        pytest.skip(f"{name} was not built: its library is not here")
    return [str(program), str(port), str(key), str(cert)]


def test_boringssl_is_seen_as_openssl_is(product, recording, certificate):
    port = serve.free_port()
    command = look_alike(product, "tls_boring", port, *certificate)
    with serve.running(under(product, recording, command), port,
                       ready=serve.accepts):
        ask(port, ["/a"] * 20)
        ask(port, ["/b"] * 20)
        ask(port, ["/last"])  # whose end it may be stopped before it saw
    counts = {name: e["count"] for name, e in found(recording.json()).items()}
    assert counts["GET /a"] == counts["GET /b"] == 20


def test_a_library_linked_into_the_program_is_said_not_to_be_seen(
        product, recording, certificate):
    port = serve.free_port()
    command = look_alike(product, "tls_static", port, *certificate)
    with serve.running(under(product, recording, command), port,
                       ready=serve.accepts):
        ask(port, ["/a"])
        ask(port, ["/a"])
    report = recording.json()
    assert report["traffic"]["requests"] == 0
    assert report["traffic"]["sealed"] == 2
    assert "--http-by bpf" in recording.text()


@pytest.mark.parametrize("name", ["tls_boring", "tls_static"])
def test_the_kernel_sees_both_by_their_symbols(
        product, recording, certificate, name):
    if os.geteuid() != 0:
        pytest.skip("not root")
    port = serve.free_port()
    command = look_alike(product, name, port, *certificate)
    with serve.running(command, port, ready=serve.accepts) as server:
        with subprocess.Popen(
                [product.tool, "attach", str(server.pid), "-o",
                 recording.path], stderr=subprocess.PIPE,
                text=True) as attached:
            said = attached.stderr.readline()
            while "attached" not in said and attached.poll() is None:
                said = attached.stderr.readline()
            if "BPF" in said:
                pytest.skip(said)
            ask(port, ["/a"] * 20)
            attached.send_signal(signal.SIGINT)
            attached.communicate()
    endpoint = found(recording.json())["GET /a"]
    assert endpoint["count"] == endpoint["status"]["2xx"] == 20
