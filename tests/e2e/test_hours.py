"""An exact recording of a busy server stays within its cap and is exact.

Hours in small: a cap so small that all of it is digested many times over.
STRANDLINE_ALL=1 makes it minutes.
"""

import contextlib
import os
import signal
import subprocess
import threading
import time

import pytest

import serve
from test_truth import seen

LONG = bool(os.environ.get("STRANDLINE_ALL"))
SLACK = 512 << 10  # the ledger, the names, and what is on its way


def on_disk(folder):
    """Bytes, but for a digest that is about to take another's place."""
    total = 0
    for path in folder.glob("*"):
        with contextlib.suppress(FileNotFoundError):
            if path.suffix != ".tmp":
                total += path.stat().st_blocks * 512
    return total


class Watch(threading.Thread):
    """The most that a recording held at a time."""

    def __init__(self, folder):
        super().__init__(daemon=True)
        self.folder = folder
        self.most = 0
        self.done = threading.Event()

    def run(self):
        while not self.done.wait(0.05):
            self.most = max(self.most, on_disk(self.folder))

    def __enter__(self):
        self.start()
        return self

    def __exit__(self, *_):
        self.done.set()
        self.join()


# blocks held, milliseconds, pairs in each, cap in MiB
HOARDS = [(300_000, 4000, 200, 12)]
if LONG:
    HOARDS += [(3_000_000, 60_000, 300, 64), (50_000, 120_000, 400, 48)]


@pytest.mark.parametrize("held, milliseconds, pairs, cap", HOARDS)
def test_a_hoard_stays_within_its_cap_and_exact(
        product, recording, held, milliseconds, pairs, cap):
    command = [*product.under(recording.path, "--mode", "exact",
                              "--max-size", f"{cap}MiB"),
               product.program("truth_hoard"), held, milliseconds, pairs]
    with Watch(recording.path) as watch:
        told = subprocess.run(list(map(str, command)), check=True, text=True,
                              capture_output=True, timeout=500).stdout
    truth = {}
    for line in told.splitlines():
        name, *figures = line.split()
        truth[name] = {key: int(value) for key, value in
                       (figure.split("=") for figure in figures)}
    report = recording.json()
    assert not any(report["losses"].values()), report["losses"]
    assert seen(report, truth) == truth
    assert watch.most < (cap << 20) + SLACK
    events = 2 * (truth["hold"]["calls"] + truth["churn"]["calls"])
    assert events * 8 > cap << 20  # it would not have fitted


def test_what_a_cap_loses_is_not_taken_for_a_leak(product, recording,
                                                  tmp_path):
    """What begins is lost before what ends: that would live for ever."""
    witness = tmp_path / "witness"
    witness.write_bytes(bytes(256))
    subprocess.run([*product.under(recording.path, "--mode", "exact",
                                   "--max-size", "2MiB"),
                    product.program("truth_witness"), str(witness), "4"],
                   check=True, timeout=60)
    report = recording.json()
    assert report["losses"]["no_slab"] > 0
    # Four threads hold 1,000 blocks each.  Ends are lost too where threads
    # begin while there is no room for their first slab: a few hundred each.
    assert report["totals"]["live"]["count"]["value"] < 12_000
    assert report["totals"]["allocations"] > 100_000


@contextlib.contextmanager
def busy(product, recording, command, port, cap, ready):
    options = ["--mode", "exact", "--max-size", f"{cap}MiB"]
    with serve.running([*product.under(recording.path, *options), *command],
                       port, ready=ready, stdout=subprocess.DEVNULL) as server:
        yield server
        server.send_signal(signal.SIGTERM)
        assert server.wait(60) == 0


def check(recording, watch, cap):
    report = recording.json()
    # How fast the keeper digests is the machine's affair: what it could not
    # take in time is counted, and nothing else is lost.
    lost = {reason for reason, count in report["losses"].items() if count}
    assert lost <= {"no_slab"}, report["losses"]
    assert watch.most < (cap << 20) + SLACK
    totals = report["totals"]
    if LONG:  # it would not have fitted: six bytes an event at the least
        assert (totals["allocations"] + totals["releases"]) * 6 > cap << 20


def test_a_busy_redis_stays_within_its_cap(product, recording):
    port, cap = serve.free_port(), 96 if LONG else 32
    until = time.monotonic() + (120 if LONG else 6)
    with Watch(recording.path) as watch, \
            busy(product, recording, serve.redis(port), port, cap,
                 serve.accepts):
        while time.monotonic() < until:
            subprocess.run(
                ["redis-benchmark", "-p", str(port), "-q", "-n", "100000",
                 "-P", "16", "-c", "8", "-r", "200000", "-t",
                 "set,lpush,lpop,hset"], check=True,
                stdout=subprocess.DEVNULL, timeout=300)
    check(recording, watch, cap)


def test_a_busy_rag_server_stays_within_its_cap(product, recording):
    port, cap = serve.free_port(), 32 if LONG else 8
    seconds = 180 if LONG else 8
    with Watch(recording.path) as watch, \
            busy(product, recording, serve.rag_fastapi(port, "uvloop"), port,
                 cap, serve.answers):
        seen_by_clients = product.load(
            port, "-c", "8", "-d", str(seconds), "-m", "search=4,vector,chat")
        assert seen_by_clients["errors"] == 0
    check(recording, watch, cap)
