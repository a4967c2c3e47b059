"""Many connections and many routes at once: all counted, in bounded memory.

nginx counts its own requests, to the last one that its clients left behind,
so what was seen and what the recording says is missing must add up to that.
"""

import contextlib
import http.client
import os
import resource
import shutil
import signal
import subprocess
import time

import pytest

import serve

MIB = 1 << 20
MOST = 64 * MIB
ROUTES = 1000

# Each request to the next of a thousand paths, which differ by letters.
PATHS = """
local n = 0
request = function()
    n = (n + 1) % %d
    return wrk.format("GET", "/r/" .. string.char(
        98 + n %% 10, 98 + math.floor(n / 10) %% 10,
        98 + math.floor(n / 100)) .. "/page")
end
""".replace("%d", str(ROUTES)).replace("%%", "%")


def nginx(port, folder, connections):
    """One that counts, and holds so many connections on two workers."""
    command = serve.nginx(port, folder, workers=2)
    conf = folder / "nginx.conf"
    conf.write_text(
        conf.read_text()
        .replace("worker_connections 512", f"worker_connections "
                                           f"{connections + 512}")
        .replace("access_log off;", "access_log off; keepalive_timeout 300; "
                                    "keepalive_requests 100000000;")
        .replace(f":{port};", f":{port} backlog=4096;")
        .replace("location =", 'location /r/ { return 200 "page\\n"; }\n'
                 "    location /status { stub_status; }\n    location =", 1))
    return command


def status(port):
    """nginx's own counts: open connections, and requests that it has begun
    to serve, this one included."""
    client = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    client.request("GET", "/status")
    words = client.getresponse().read().split()
    client.close()
    return int(words[2]), int(words[words.index(b"requests") + 3])


def counted(port):
    """The latter, once all that clients have left behind is done with."""
    counts = []

    def alone():
        counts[:] = status(port)
        return counts[0] == 1

    serve.wait_until(alone, 60, "that all clients are gone")
    return counts[1]


def attached(product, pid, recording, folder):
    """The tool, once it is in."""
    said = folder / "said"
    with said.open("w") as errors:
        tool = subprocess.Popen([product.tool, "attach", str(pid), "-o",
                                 recording.path], stderr=errors,
                                stdout=subprocess.DEVNULL)
    serve.wait_until(lambda: "attached to" in said.read_text() or
                     tool.poll() is not None, 120, "an attach")
    assert tool.poll() is None, said.read_text()
    return tool


def most_memory(pid):
    """The most that a process has had, in bytes; 0: it has ended."""
    with contextlib.suppress(FileNotFoundError, ProcessLookupError):
        with open(f"/proc/{pid}/status", encoding="ascii") as status:
            for line in status:
                if line.startswith("VmHWM:"):
                    return int(line.split()[1]) * 1024
    return 0


def finish(tool):
    """Have it end; the most memory that it had while it recorded, and with the
    report at the end, in bytes."""
    most = recording = most_memory(tool.pid)
    tool.send_signal(signal.SIGINT)
    deadline = time.monotonic() + 120
    while tool.poll() is None and time.monotonic() < deadline:
        most = max(most, most_memory(tool.pid))
        time.sleep(0.002)
    assert tool.wait(0) == 0
    return recording, most


def wrk(port, folder, connections, seconds):
    """Put load on it; the answers that wrk has seen."""
    (folder / "paths.lua").write_text(PATHS)
    said = subprocess.run(
        ["wrk", "-t1", f"-c{connections}", f"-d{seconds}s", "--timeout",
         "30s", "-s", str(folder / "paths.lua"), f"http://127.0.0.1:{port}"],
        capture_output=True, text=True, check=True, timeout=300).stdout
    words = said.split()
    return (int(words[words.index("requests") - 1]),
            float(words[words.index("Requests/sec:") + 1]))


def can(product, connections):
    """Or skip, for what this machine has not."""
    if not shutil.which("wrk"):
        pytest.skip("no wrk")
    if resource.getrlimit(resource.RLIMIT_NOFILE)[0] < connections + 100:
        pytest.skip(f"no {connections} open files (ulimit -n)")
    done = subprocess.run(
        [product.tool, "attach", "--dry-run", "--with", "bpf",
         str(os.getpid())], capture_output=True, text=True, timeout=60)
    if done.returncode != 0:
        pytest.skip(done.stderr.strip())


def losses(report):
    return {name: count for name, count in report["losses"].items() if count}


def total(report):
    return sum(e["count"] for e in report["endpoints"])


@contextlib.contextmanager
def attaching(product, recording, folder, connections):
    """The tool on an nginx on a port."""
    can(product, connections)
    port = serve.free_port()
    with serve.running(nginx(port, folder / "nginx", connections),
                       port) as server:
        tool = attached(product, server.pid, recording, folder)
        try:
            yield tool, port
        finally:
            tool.kill()
            tool.wait()


@pytest.mark.parametrize("connections, seconds", [
    (1000, 1), pytest.param(10000, 15, marks=pytest.mark.long)])
def test_many_connections_and_routes_are_counted_in_bounded_memory(
        product, recording, tmp_path, capsys, connections, seconds):
    with attaching(product, recording, tmp_path, connections) as (tool, port):
        before = counted(port)
        seen, rate = wrk(port, tmp_path, connections, seconds)
        theirs = counted(port) - before + 1
        used, most = finish(tool)
    report = recording.json()
    with capsys.disabled():
        print(f"  {connections} connections, {rate:.0f} requests a second: "
              f"{total(report)} seen of {theirs}, wrk {seen}, at most "
              f"{used / MIB:.1f} MiB, {most / MIB:.1f} with the report, "
              f"lost {losses(report)}")
    # Where the tool does not come to read for a second, it misses some.
    lost = losses(report).pop("http.ring_full", 0)
    assert total(report) <= theirs <= total(report) + lost
    assert not losses(report).keys() - {"http.ring_full"}
    assert seen <= theirs <= seen + connections + 2
    assert len(report["endpoints"]) <= 210
    assert most < MOST
    assert report["cost"]["profiler_rss_bytes"] < MOST


def test_what_comes_faster_than_it_is_read_is_counted_as_lost(
        product, recording, tmp_path):
    with attaching(product, recording, tmp_path, 64) as (tool, port):
        before = counted(port)
        tool.send_signal(signal.SIGSTOP)
        while status(port)[1] - before < 30000:  # more than the ring takes
            wrk(port, tmp_path, 64, 1)
        theirs = counted(port) - before + 1
        tool.send_signal(signal.SIGCONT)
        finish(tool)
    report = recording.json()
    lost = report["losses"]["http.ring_full"]
    assert total(report) < theirs <= total(report) + lost
