"""kill -9 of the target, of strandline, or of both, at random moments.

The target publishes what it did in a mapping that outlives it
(programs/truth/witness.c).  Whatever was killed and when, the recording can
be read, and every block that the target had in hand is in it: an allocation
is on record before malloc returns.  STRANDLINE_ALL=1 makes it a campaign of
hundreds.
"""

import os
import random
import signal
import struct
import subprocess
import time

import pytest

import serve
from conftest import Recording

TRIALS = 40 if os.environ.get("STRANDLINE_ALL") else 4
COUNTS = ["begun", "made", "begun_bytes", "made_bytes", "freeing", "freed"]
WORKERS = 4


class Witness:
    """The target of one trial, and what it published."""

    def __init__(self, product, folder, mode, chance):
        self.file = folder / "witness"
        self.file.write_bytes(bytes(64 * WORKERS))
        self.recording = Recording(product, folder / "t.strand")
        options = ["--mode", mode, "--max-size",
                   chance.choice(["1MiB", "4MiB", "64MiB"])]
        if mode == "sample":
            options += ["--rate", "16KiB"]
        self.process = subprocess.Popen(
            [*product.under(self.recording.path, *options),
             product.program("truth_witness"), str(self.file)],
            stderr=subprocess.PIPE, text=True, start_new_session=True)

    def counts(self):
        """{function: {figure: value}}"""
        raw = self.file.read_bytes()
        return {f"work_{n}": dict(zip(COUNTS, struct.unpack_from(
            "6Q", raw, 64 * n))) for n in range(WORKERS)}

    def begun(self):
        """Whether every worker has."""
        return all(c["made"] for c in self.counts().values())

    def target(self):
        """The process that strandline started."""
        try:
            with open(f"/proc/{self.process.pid}/task/{self.process.pid}"
                      "/children") as children:
                return int(children.read().split()[0])
        except (OSError, IndexError):
            return None


def strike(witness, whom, after_s):
    """Kill after a while; wait until all have ended."""
    target = witness.target()
    time.sleep(after_s)
    if whom in ("strandline", "both"):
        witness.process.kill()
    if whom == "both":
        os.kill(target, signal.SIGKILL)
    if whom == "strandline":  # the target goes on, unseen or seen
        before = witness.counts()
        serve.wait_until(lambda: witness.counts() != before)
    if whom != "both":
        os.kill(target, signal.SIGKILL)
    witness.process.communicate(timeout=120)
    serve.wait_until(lambda: has_ended(target))


def has_ended(pid):
    """Whether a process has: it is init's or a subreaper's by now."""
    try:
        with open(f"/proc/{pid}/stat") as stat:
            return stat.read().split(")")[1].split()[0] == "Z"
    except (FileNotFoundError, ProcessLookupError):
        return True


def sums(report):
    """{function: blocks and bytes allocated, blocks live, as recorded}"""
    told = {}
    for site in report["sites"]:
        for frame in site["stack"]:
            name = frame["function"].split("(")[0]
            if name.startswith("work_"):
                here = told.setdefault(name, [0, 0, 0])
                for i, (what, unit) in enumerate([
                        ("allocated", "count"), ("allocated", "bytes"),
                        ("live", "count")]):
                    here[i] += site[what][unit]["value"]
    return told


def check_exact(counts, report):
    told, losses = sums(report), report["losses"]
    lost = losses.pop("no_slab") + losses.pop("after_stop")
    assert not any(losses.values()), losses
    events = report["totals"]["allocations"] + report["totals"]["releases"]
    for name, c in counts.items():
        blocks, size, live = told.get(name, [0, 0, 0])
        assert blocks <= c["begun"], (name, c)
        assert size <= c["begun_bytes"], (name, c)
        if lost:
            continue
        assert blocks >= c["made"], (name, c)
        assert size >= c["made_bytes"], (name, c)
        assert c["made"] - c["freeing"] <= live <= c["begun"] - c["freed"]
    assert events + lost >= sum(c["made"] + c["freed"]
                                for c in counts.values())


def check_sample(counts, report):
    told, losses = sums(report), report["losses"]
    lost = losses.pop("no_slab") + losses.pop("after_stop")
    assert not any(losses.values()), losses
    made = sum(c["made_bytes"] for c in counts.values())
    seen = sum(size for _, size, _ in told.values())
    samples = made / (16 << 10)
    if not lost and samples > 100:
        assert abs(seen - made) < 6 * made / samples ** 0.5


@pytest.mark.parametrize("whom", ["target", "strandline", "both"])
@pytest.mark.parametrize("mode", ["exact", "sample"])
def test_a_kill_loses_nothing_that_was_done(product, tmp_path, eventually,
                                            mode, whom):
    for trial in range(TRIALS):
        chance = random.Random(f"{mode} {whom} {trial}")
        folder = tmp_path / str(trial)
        folder.mkdir()
        witness = Witness(product, folder, mode, chance)
        eventually(witness.begun)
        strike(witness, whom, chance.uniform(0, 1.2) ** 2)
        report = witness.recording.json()
        assert report["recording"]["torn"]
        check = check_exact if mode == "exact" else check_sample
        check(witness.counts(), report)
        subprocess.run(["rm", "-rf", str(folder)], check=True)


def test_a_kill_while_it_starts_is_one_sentence_or_a_recording(
        product, tmp_path):
    chance = random.Random("start")
    for trial in range(2 * TRIALS):
        folder = tmp_path / str(trial)
        folder.mkdir()
        witness = Witness(product, folder, "exact", chance)
        time.sleep(chance.uniform(0, 0.03))
        os.killpg(witness.process.pid, signal.SIGKILL)
        witness.process.communicate(timeout=120)
        if not witness.recording.path.exists():
            continue
        done = subprocess.run(
            [product.tool, "report", str(witness.recording.path)],
            capture_output=True, text=True, timeout=60)
        if done.returncode:
            assert not witness.begun()
            assert done.stdout == ""
            assert len(done.stderr.splitlines()) == 1
