#!/usr/bin/python3
"""Start a server and wait until it answers.

As a module: `with serve.running(serve.rag_fastapi(port), port): ...`.
As a command, for scripts:
  serve.py port            print a port that is free
  serve.py wait PORT [S]   wait until /health answers 200, 120 s at most
"""

import contextlib
import http.client
import os
import pathlib
import random
import signal
import socket
import subprocess
import sys
import time

FOLDER = pathlib.Path(__file__).resolve().parent
PYTHON = "/usr/bin/python3"  # Debian's: the one that has FastAPI and FAISS


given = set()


def free_port():
    """A port that nobody has, and that was not given before.

    One below those that the kernel gives to connections: it would give away
    one of its own before the server that this is for has bound it.
    """
    with open("/proc/sys/net/ipv4/ip_local_port_range",
              encoding="ascii") as limits:
        lowest = int(limits.read().split()[0])
    while True:
        port = random.randrange(10000, max(lowest, 20000))
        with socket.socket() as probe, contextlib.suppress(OSError):
            probe.bind(("", port))
            if port not in given:
                given.add(port)
                return port


def answers(port, path="/health"):
    """Whether GET @path is answered with 200."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
    try:
        connection.request("GET", path)
        return connection.getresponse().status == 200
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()


def accepts(port):
    """Whether somebody takes connections."""
    with socket.socket() as probe:
        probe.settimeout(5)
        return probe.connect_ex(("127.0.0.1", port)) == 0


def wait_until(condition, seconds=120, what="the condition"):
    """Poll until @condition holds; TimeoutError when it does not."""
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            raise TimeoutError(f"{what} did not hold within {seconds} s")
        time.sleep(0.01)


def rag_fastapi(port, loop="asyncio", workers=1, python=PYTHON):
    """The command of the FastAPI server."""
    return [python, str(FOLDER / "rag_fastapi"), "--port", str(port),
            "--loop", loop, "--workers", str(workers)]


def embed_torch(port):
    """The command of the server that embeds by torch."""
    return [PYTHON, str(FOLDER / "embed_torch.py"), str(port)]


def rag_c(port, build):
    """The command of the C server, built under @build."""
    return [str(pathlib.Path(build) / "tests/servers/rag_c"),
            "--port", str(port)]


def rag_rust(port, target):
    """The command of the Rust server, which cargo built into @target."""
    return [str(pathlib.Path(target) / "release/rag_rust"),
            "--port", str(port)]


def scripted(port):
    """The command of the server that does what its paths say."""
    return [PYTHON, str(FOLDER / "scripted.py"), str(port)]


def redis(port):
    """The command of a redis-server that keeps nothing on disk."""
    return ["redis-server", "--port", str(port), "--bind", "127.0.0.1",
            "--save", "", "--appendonly", "no"]


NGINX = """
daemon off;
user root;
worker_processes {workers};
pid {folder}/nginx.pid;
error_log {folder}/error.log;
events {{ worker_connections 512; }}
http {{
  access_log off;
  {temporary}
  server {{
    listen 127.0.0.1:{port};
    root {folder}/html;
    location = /health {{ return 200 "ok\\n"; }}
  }}
}}
"""


def nginx(port, folder, workers=1):
    """The command of an nginx that serves @folder/html."""
    folder = pathlib.Path(folder)
    (folder / "html").mkdir(parents=True, exist_ok=True)
    (folder / "html/page.html").write_text("<p>page</p>\n" * 500)
    temporary = "\n  ".join(
        f"{kind}_temp_path {folder}/{kind};"
        for kind in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi"))
    (folder / "nginx.conf").write_text(NGINX.format(
        folder=folder, port=port, workers=workers, temporary=temporary))
    return ["nginx", "-p", str(folder), "-e", str(folder / "error.log"),
            "-c", str(folder / "nginx.conf")]


def nginx_tls(port, folder, key, certificate):
    """The same by TLS."""
    command = nginx(port, folder)
    conf = pathlib.Path(folder) / "nginx.conf"
    conf.write_text(conf.read_text().replace(
        f":{port};", f":{port} ssl; ssl_certificate {certificate}; "
        f"ssl_certificate_key {key};"))
    return command


def stop(process, seconds=120):
    """SIGTERM, and SIGKILL for the whole group when that does not do."""
    if process.poll() is None:
        process.terminate()
    try:
        return process.wait(seconds)
    except subprocess.TimeoutExpired:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        raise


@contextlib.contextmanager
def running(command, port, ready=answers, seconds=120, **options):
    """The process, once it is @ready; stopped at the end."""
    process = subprocess.Popen(command, start_new_session=True, **options)
    try:
        wait_until(lambda: process.poll() is not None or ready(port),
                   seconds, f"an answer of {command[0]} on port {port}")
        if process.poll() is not None:
            raise RuntimeError(
                f"{' '.join(command)} ended with {process.returncode}")
        yield process
    finally:
        stop(process)


def main(arguments):
    """The command line."""
    if arguments == ["port"]:
        print(free_port())
    elif arguments[:1] == ["wait"] and len(arguments) in (2, 3):
        port = int(arguments[1])
        wait_until(lambda: answers(port), float((arguments + ["120"])[2]),
                   f"an answer on port {port}")
    else:
        raise SystemExit(__doc__)


if __name__ == "__main__":
    main(sys.argv[1:])
