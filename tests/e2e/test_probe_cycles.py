"""Programs in the kernel come to servers under load, and go, again and again.

No request fails, and nothing of them stays: in the server no mapping and no
descriptor, in the kernel no program, map or link.  STRANDLINE_ALL=1 makes 200
cycles on each server of the 2 on one.
"""

import os
import signal
import subprocess
import time

import pytest

import serve
from test_attach import permitted, programs  # noqa: F401 (a fixture)
from test_inject import (MAPPINGS_OF_A_THREAD, children_of, descriptors,
                         lasting, mappings, more_than, threads, under_load)

CYCLES = 200 if os.environ.get("STRANDLINE_ALL") else 2
LONG = pytest.mark.long


def held(pid, what):
    """Numbers of programs, maps or links in the kernel that a process has."""
    found = set()
    for fd in os.listdir(f"/proc/{pid}/fdinfo"):
        try:
            with open(f"/proc/{pid}/fdinfo/{fd}", encoding="ascii") as file:
                found |= {int(line.split()[1]) for line in file
                          if line.startswith(f"{what}_id:")}
        except FileNotFoundError:
            pass
    return found


def existing(what):
    """Numbers of all of them."""
    done = subprocess.run(["bpftool", what, "list"], check=True,
                          capture_output=True, text=True)
    return {int(line.split(":")[0]) for line in done.stdout.splitlines()
            if line.split(":")[0].isdigit()}


def cycle(product, pid, folder, number, eventually):
    """Come and go; the time between in seconds."""
    process = subprocess.Popen(
        [product.tool, "attach", str(pid), "--with", "bpf", "-q", "-o",
         str(folder)], stderr=subprocess.PIPE, stdout=subprocess.DEVNULL,
        text=True)
    try:
        ours = {}

        def is_there():
            assert process.poll() is None, process.stderr.read()
            ours.update((what, held(process.pid, what))
                        for what in ("prog", "map", "link"))
            return ours["link"] and (folder / "host.slabs").exists()

        eventually(is_there, 120)
        time.sleep(0.2)
        process.send_signal(signal.SIGINT if number % 2 else signal.SIGKILL)
        process.communicate(timeout=60)
    finally:
        process.kill()
        process.wait()
    if number % 2:
        assert process.returncode == 0
    for what, numbers in ours.items():
        eventually(lambda w=what, n=numbers: not n & existing(w), 60)
    subprocess.run(["rm", "-rf", folder], check=True)


def campaign(product, pid, tmp_path, eventually):
    kept, mapped, others = lasting(pid), sum(1 for _ in mappings(pid)), (
        threads(pid))
    for number in range(CYCLES):
        cycle(product, pid, tmp_path / f"{number}.strand", number, eventually)
    eventually(lambda: kept <= descriptors(pid), 60)
    eventually(lambda: not more_than(descriptors(pid), kept), 60)
    # Its threads come and go with its clients, and their stacks with them.
    eventually(lambda: sum(1 for _ in mappings(pid)) < mapped + 20 + (
        MAPPINGS_OF_A_THREAD * max(0, threads(pid) - others)), 60)


@pytest.mark.parametrize("loop", [
    "asyncio", pytest.param("uvloop", marks=LONG)])
def test_fastapi(product, tmp_path, eventually, loop):
    port = serve.free_port()
    with serve.running(serve.rag_fastapi(port, loop), port) as server:
        with under_load(product, port):
            campaign(product, server.pid, tmp_path, eventually)


@LONG
def test_rag_c_with_64_threads(product, tmp_path, eventually):
    port = serve.free_port()
    with serve.running(serve.rag_c(port, product.build), port) as server:
        with under_load(product, port, "-c", 64):
            campaign(product, server.pid, tmp_path, eventually)


@LONG
def test_redis(product, tmp_path, eventually):
    port = serve.free_port()
    with serve.running(serve.redis(port), port, serve.accepts) as server:
        load = subprocess.Popen(
            ["redis-benchmark", "-p", str(port), "-q", "-l", "-n", "50000",
             "-P", "16", "-c", "10", "-r", "10000", "-t", "set,get,lpush"],
            stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
        try:
            campaign(product, server.pid, tmp_path, eventually)
            assert load.poll() is None, load.stderr.read()
        finally:
            load.kill()
            load.communicate()


@LONG
def test_an_nginx_worker(product, tmp_path, eventually):
    port = serve.free_port()
    with serve.running(serve.nginx(port, tmp_path / "n", workers=2), port) \
            as server:
        worker = eventually(lambda: children_of(server.pid))[0]
        with under_load(product, port, "-m", "/page.html"):
            campaign(product, worker, tmp_path, eventually)
