"""What is not seen of requests is said, and the way out is named."""

import os
import pathlib
import pwd
import shutil
import signal
import subprocess

import pytest

import serve


def asked(port, *options):
    """Three requests by curl, each on a connection of its own."""
    for _ in range(3):
        done = subprocess.run(
            ["curl", "-sf", "--max-time", "60", *options,
             f"http://127.0.0.1:{port}/health"], capture_output=True,
            timeout=90, check=True)
        assert done.stdout


def attaching(product, server, recording):
    """The tool, once it is in."""
    tool = subprocess.Popen(
        [product.tool, "attach", str(server.pid), "--with", "bpf", "-o",
         recording.path], stderr=subprocess.PIPE, text=True,
        stdout=subprocess.DEVNULL)
    said = tool.stderr.readline()
    while "attached to" not in said:
        if tool.poll() is not None:
            pytest.skip(said)
        said = tool.stderr.readline()
    return tool


def finish(tool):
    tool.send_signal(signal.SIGINT)
    tool.communicate(timeout=120)


def uring(product, port):
    program = product.build / "tests/programs/uring/uring"
    with open("/proc/sys/kernel/io_uring_disabled", encoding="ascii") as off:
        if off.read().strip() != "0":
            pytest.skip("no io_uring here")
    return [str(program), str(port)]


def problems(recording, word):
    return [p for p in recording.json()["problems"] if word in p]


def test_io_uring_is_said_by_the_shim(product, recording, eventually):
    port = serve.free_port()
    command = [*product.under(recording.path), *uring(product, port)]
    with serve.running(command, port, ready=serve.accepts):
        asked(port)
        eventually(lambda: problems(recording, "has io_uring"))
    report = recording.json()
    assert report["traffic"]["requests"] == 0
    assert "has io_uring" in recording.text()


def test_rings_from_before_are_said_by_the_kernel(product, recording):
    port = serve.free_port()
    with serve.running(uring(product, port), port,
                       ready=serve.accepts) as server:
        asked(port)
        tool = attaching(product, server, recording)
        asked(port)
        finish(tool)
    assert problems(recording, "has io_uring")


def http2(port, folder):
    """nginx, for HTTP/2 without TLS."""
    command = serve.nginx(port, folder)
    conf = folder / "nginx.conf"
    conf.write_text(conf.read_text().replace(f":{port};", f":{port} http2;"))
    return command


def test_http_2_is_said_by_the_shim(product, recording, tmp_path):
    port = serve.free_port()
    command = http2(port, tmp_path / "nginx")
    with serve.running([*product.under(recording.path), *command], port,
                       ready=serve.accepts):
        asked(port, "--http2-prior-knowledge")
    report = recording.json()
    assert report["traffic"]["foreign"] == 3
    assert problems(recording, "3 connections spoke HTTP/2")


def test_http_2_is_said_by_the_kernel(product, recording, tmp_path):
    port = serve.free_port()
    with serve.running(http2(port, tmp_path / "nginx"), port,
                       ready=serve.accepts) as server:
        tool = attaching(product, server, recording)
        asked(port, "--http2-prior-knowledge")
        finish(tool)
    assert recording.json()["losses"]["http.http2"] == 3
    assert recording.json()["traffic"]["requests"] == 0


@pytest.fixture
def stranger(product, tmp_path_factory):
    """A user without rights, and a folder with what it runs."""
    if os.geteuid() != 0 or not shutil.which("setpriv"):
        pytest.skip("only root can become a stranger")
    nobody = pwd.getpwnam("nobody")
    home = f"/tmp/strandline-stranger-{os.getpid()}-unseen"
    os.mkdir(home)
    for built in (product.tool, product.shim, serve.FOLDER / "scripted.py"):
        shutil.copy(built, home)
    os.chown(home, nobody.pw_uid, nobody.pw_gid)
    yield home, ["setpriv", f"--reuid={nobody.pw_uid}",
                 f"--regid={nobody.pw_gid}", "--clear-groups", "--"]
    shutil.rmtree(home)


def may_trace():
    """Whether anybody may trace their own processes."""
    scope = pathlib.Path("/proc/sys/kernel/yama/ptrace_scope")
    return not scope.exists() or scope.read_text().strip() == "0"


def test_without_rights_the_next_best_way_is_taken_or_named(stranger):
    home, become = stranger
    port = serve.free_port()
    server = [serve.PYTHON, "scripted.py", str(port)]

    def strandline(*words):
        return subprocess.run(
            [*become, "./strandline", *words], capture_output=True, text=True,
            timeout=120, cwd=home, check=False)

    refused = strandline("run", "--http-by", "bpf", "-o", "a.strand", "--",
                         *server)
    assert refused.returncode == 1
    assert refused.stderr.count("\n") == 1
    assert "CAP_BPF" in refused.stderr and "--http-by shim" in refused.stderr
    with serve.running([*become, "./strandline", "run", "-q", "--http-by",
                        "auto", "-o", "b.strand", "--", *server], port,
                       cwd=home):
        asked(port)
    report = strandline("report", "-f", "json", "b.strand").stdout
    assert '"timed_by": "shim"' in report or '"timed_by":"shim"' in report
    if not may_trace():
        return
    with serve.running([*become, *server], port, cwd=home) as process:
        refused = strandline("attach", str(process.pid), "--with", "bpf")
        assert refused.returncode == 1
        assert refused.stderr.count("\n") == 1
        assert "CAP_BPF" in refused.stderr
        assert "--with inject" in refused.stderr
        taken = strandline("attach", str(process.pid), "--dry-run")
        assert taken.returncode == 0
        assert "Would borrow a thread" in taken.stdout
