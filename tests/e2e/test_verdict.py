"""The verdict while a server runs, and the allocator it is run on."""

import re
import signal
import subprocess

import pytest

import serve

CORPUS = "tests/programs/corpus"


class Served:
    """A server of the corpus under `strandline run`, with load on it."""

    def __init__(self, product, recording, name, *options):
        self.process = subprocess.Popen(
            [product.tool, "run", "-o", str(recording.path), *options, "--",
             str(product.build / CORPUS / name)],
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        port = self.line_with(r"listening on (\d+)")[1]
        self.load = subprocess.Popen(
            [product.load_tool, "--json", "--rate", "1000", "--duration",
             "600", "--mix", "/work", f"127.0.0.1:{port}"],
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)

    def line_with(self, pattern):
        """The next line that matches; fails at the end of output."""
        for line in self.process.stdout:
            found = re.search(pattern, line)
            if found:
                return found
        raise AssertionError(f"no line with '{pattern}'")

    def end(self):
        """What else it printed."""
        self.load.kill()
        self.load.wait()
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        return self.process.communicate(timeout=120)[0]


@pytest.fixture
def served(product, recording):
    started = []

    def start(*words):
        started.append(Served(product, recording, *words))
        return started[-1]

    yield start
    for server in started:
        server.end()


def test_a_leak_is_told_while_the_server_runs(served):
    server = served("leak_small", "--mode", "exact", "--verdict-every", "1")
    told = server.line_with("verdict so far: (.*)")[1]
    while not re.match(r"leaks|grows", told):
        told = server.line_with("verdict so far: (.*)")[1]
    assert "make_token (leak_small.c:" in told
    assert re.search(r"^verdict +leaks ", server.end(), re.M)


def test_a_quiet_run_tells_nothing(served):
    server = served("leak_small", "--quiet", "--verdict-every", "1",
                    "--duration", "6")
    assert "verdict" not in server.process.communicate(timeout=120)[0]


@pytest.mark.parametrize("name", ["glibc", "jemalloc", "tcmalloc",
                                  "mimalloc"])
def test_a_command_runs_on_another_allocator(product, recording, name):
    words = product.under(recording.path, "--mode", "exact", "--allocator",
                          name)
    done = subprocess.run([*words, serve.PYTHON, "-c", "print(6 * 7)"],
                          capture_output=True, text=True, timeout=60)
    if done.returncode == 1 and "is not installed" in done.stderr:
        pytest.skip(done.stderr.strip())
    assert (done.returncode, done.stdout) == (0, "42\n")
    main, = [p for p in recording.json()["processes"] if p["main"]]
    assert main["allocator"] == name


def test_an_allocator_that_is_not_known_is_a_mistake(product):
    done = subprocess.run([product.tool, "run", "--allocator", "hoard", "--",
                           "true"], capture_output=True, text=True)
    assert done.returncode == 2
    assert "known are glibc, jemalloc, tcmalloc and mimalloc" in done.stderr


def test_a_report_sees_through_wrappers_that_are_named(product, recording):
    program = str(product.build / CORPUS / "leak_small")
    subprocess.run([*product.under(recording.path, "--duration", "1",
                                   "--mode", "exact"), program],
                   stdout=subprocess.DEVNULL, timeout=60)
    told = {s["function"] for s in recording.json()["sites"]}
    assert "serve_listen" in told
    seen_through = recording.json("--wrapper", "serve_*")["sites"]
    assert "serve_listen" not in {s["function"] for s in seen_through}


def test_a_run_that_fails_fast_ends_at_a_definite_leak(served):
    server = served("leak_small", "--mode", "exact", "--verdict-every", "1",
                    "--fail-fast")
    output = server.process.communicate(timeout=120)[0]
    assert server.process.returncode == 10
    assert "ended early: a leak is definite" in output
    assert re.search(r"^verdict +leaks .*make_token", output, re.M | re.S)
