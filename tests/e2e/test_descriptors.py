"""Descriptors are charged to the stack that opened them, until they close."""

import subprocess

import serve

OPENED = """
import os, socket, subprocess
kept = [os.open("/dev/null", os.O_RDONLY) for _ in range(40)]
sockets = [socket.socket() for _ in range(10)]
pairs = [socket.socketpair() for _ in range(3)]
files = [open("/dev/null") for _ in range(5)]
for fd in kept[30:]:
    os.close(fd)
for one in files:
    one.close()
"""
OPEN_IN_THE_END = 30 + 10 + 2 * 3
# Its child shares the memory until it execs, and closes all descriptors.
SPAWN = """
for _ in range(20):
    subprocess.run(["/bin/true"], close_fds=True)
"""
FORK = """
for _ in range(5):
    if os.fork() == 0:
        for fd in kept[:30]:
            os.close(fd)
        os._exit(0)
    os.wait()
"""


def still_open(product, recording, program):
    """Open at the end, by all stacks together, of the one process."""
    subprocess.run([*product.under(recording.path, "--mode", "exact",
                                   "--no-follow"),
                    serve.PYTHON, "-c", program + "\nos._exit(0)"],
                   check=True, timeout=120)
    return sum(site["descriptors"] for site in recording.json()["sites"])


def base(product, tmp_path):
    """What an interpreter has open anyway."""
    from conftest import Recording
    return still_open(product, Recording(product, tmp_path / "base.strand"),
                      "import os, socket, subprocess")


def test_those_that_stay_are_counted(product, recording, tmp_path):
    assert still_open(product, recording, OPENED) == (
        base(product, tmp_path) + OPEN_IN_THE_END)


def test_a_child_of_vfork_closes_none_of_its_parents(product, recording,
                                                     tmp_path):
    assert still_open(product, recording, OPENED + SPAWN) == (
        base(product, tmp_path) + OPEN_IN_THE_END)


def test_a_forked_child_closes_none_of_its_parents(product, recording,
                                                   tmp_path):
    assert still_open(product, recording, OPENED + FORK) == (
        base(product, tmp_path) + OPEN_IN_THE_END)
