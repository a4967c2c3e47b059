"""A recorder that another build of strandline left in a process.

Layouts may differ between builds, so it is never entered: the own one is sent
beside it, and where the other records, that is said.
"""

import os
import pathlib
import shutil
import subprocess

import pytest

import serve
from test_inject import Attached, mappings, python, refused, released, sleeping

IMAGE = "/memfd:strandline"


class Other:
    """The same strandline with the build-id of another."""

    def __init__(self, product, folder):
        self.tool = str(shutil.copy(product.tool, folder))
        shim = pathlib.Path(shutil.copy(product.shim, folder))
        found = subprocess.run(["readelf", "-n", str(shim)], check=True,
                               capture_output=True, text=True).stdout
        number = bytes.fromhex(found.split("Build ID: ")[1].split()[0])
        content = shim.read_bytes()
        assert content.count(number) == 1
        shim.write_bytes(content.replace(number, number[::-1]))
        self.shim = str(shim)
        self.product = product

    def __call__(self, *words):
        return self.product(*words)


@pytest.fixture
def other(product, tmp_path):
    """Its library lies beside its program, as it is installed."""
    (tmp_path / "other").mkdir()
    return Other(product, tmp_path / "other")


def images(pid):
    """How many recorders there are: each has its own file."""
    return len({path for _, _, _, _, path in mappings(pid)
                if path.startswith(IMAGE)} and
               [m for m in mappings(pid) if m[4].startswith(IMAGE)
                and m[3] == 0])


def test_one_that_lies_dormant_is_left_so(product, other, tmp_path,
                                          eventually):
    with sleeping(*python()) as target:
        first = Attached(other, target.pid, tmp_path / "1.strand")
        assert images(target.pid) == 1
        first.interrupt()
        eventually(lambda: released(target.pid), 60)
        for number, there in ((2, 2), (3, 2)):
            second = Attached(product, target.pid,
                              tmp_path / f"{number}.strand")
            assert images(target.pid) == there
            second.interrupt()
            eventually(lambda: released(target.pid), 60)
        assert target.poll() is None


def test_one_that_records_is_not_disturbed(product, other, tmp_path):
    with sleeping(*python()) as target:
        first = Attached(other, target.pid, tmp_path / "1.strand")
        assert "another build" in refused(product, target.pid)
        first.interrupt()
        assert target.poll() is None


def test_one_that_was_preloaded_is_not_switched_on(product, other, tmp_path):
    port = serve.free_port()
    env = {**os.environ, "LD_PRELOAD": other.shim, "STRANDLINE": "idle"}
    with serve.running(serve.scripted(port), port, env=env) as server:
        done = subprocess.run(
            [product.tool, "attach", str(server.pid), "--with", "idle",
             "-o", str(tmp_path / "t.strand")], capture_output=True,
            text=True, timeout=60)
        assert done.returncode == 1
        assert "another build" in done.stderr
        assert len(done.stderr.splitlines()) == 1
        assert not (tmp_path / "t.strand").exists()
