"""Slow requests whose reason is known: is it told?"""

import os
import subprocess
import urllib.request

import pytest

import serve

# The function that is slow, and the states in which it is for 150 ms.
PLANTED = {
    "/sleep": ("do_sleep", {"sleep"}),
    "/spin": ("do_spin", {"on_cpu", "cpu"}),  # on one, or waiting for one
    "/lock": ("do_lock", {"futex"}),
    "/socket": ("do_socket", {"socket"}),
    "/stream": ("do_stream", {"sleep"}),
}

ROUNDS = 2


def probes_or_skip(product):
    done = subprocess.run(
        [product.tool, "attach", "--dry-run", "--with", "bpf",
         str(os.getpid())], capture_output=True, text=True, timeout=60)
    if done.returncode != 0:
        pytest.skip(done.stderr.strip())


def time_in(request, function, states):
    """Ms that its own threads spent below @function in one of @states."""
    return sum(part["ms"] for part in request["stacks"]
               if part["thread"] == "own" and part["state"] in states and
               any(f["function"] == function for f in part["stack"]))


def check_timeline(requests):
    """What is certain: nothing is told to be faster than it was made."""
    for request in requests:
        route = request["route"]
        handling = request["ttfb_ms"] - request["queue_ms"]
        if route == "/stream":
            assert 50 <= handling <= request["took_ms"] - 100
            assert 100 <= request["gap_ms"] <= request["took_ms"] - 50
        else:
            assert handling >= 150
        assert request["took_ms"] >= 150
        assert (request["on_cpu_ms"] + request["off_cpu_ms"] ==
                pytest.approx(request["took_ms"] - request["queue_ms"],
                              abs=0.01))


def test_slow_requests_tell_what_was_planted(product, some_time):
    probes_or_skip(product)
    waits = product.build / "tests/programs/requests/waits"

    def measure(recording):
        port = serve.free_port()
        command = [product.tool, "run", "-q", "-o", str(recording.path),
                   "--http-by", "bpf", "--probe", "cpu,offcpu", "--",
                   str(waits), str(port)]
        with serve.running(command, port):
            for route in [*PLANTED] * ROUNDS:
                with urllib.request.urlopen(
                        f"http://127.0.0.1:{port}{route}", timeout=60) as r:
                    r.read()
        report = recording.json("--slow", "100ms")
        found = [r for r in report["slow_requests"] if r["route"] in PLANTED]
        check_timeline(found)
        for route, (function, states) in PLANTED.items():
            # Each of them was seen, the first one, too.
            requests = [r for r in found if r["route"] == route]
            assert len(requests) == ROUNDS, route
            # Its code is read while the first ones are answered.
            assert any(time_in(r, function, states) > r["took_ms"] / 2
                       for r in requests), route
            if route == "/sleep":
                assert min(r["on_cpu_ms"] for r in requests) < 50
        assert {e["route"] for e in report["slow"]["endpoints"]} >= set(
            PLANTED)
        assert {e["limit_ms"] for e in report["slow"]["endpoints"]} == {100}

    some_time(measure)
