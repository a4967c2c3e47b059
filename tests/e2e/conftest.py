"""What the tests on real processes share.

STRANDLINE_BUILD names the built tree.  STRANDLINE_ALL=1 adds the tests that
are marked `long`.
"""

import json
import os
import pathlib
import shutil
import subprocess
import sys
import time

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tests/servers"))


def pytest_configure(config):
    config.addinivalue_line("markers", "long: runs with STRANDLINE_ALL=1 only")


def pytest_collection_modifyitems(items):
    if os.environ.get("STRANDLINE_ALL"):
        return
    for item in items:
        if item.get_closest_marker("long"):
            item.add_marker(pytest.mark.skip(
                reason="long: scripts/test.sh --all runs it"))


def settle(folder):
    """Have files of a folder on disk: what they take there changes no more."""
    for path in folder.iterdir():
        with open(path, "rb") as file:
            os.fsync(file.fileno())


class Recording:
    """One run's folder, and its report."""

    def __init__(self, product, path):
        self.product = product
        self.path = path

    def slabs(self):
        """The files of the target's processes."""
        return [p for p in self.path.glob("*.slabs") if p.stem != "host"]

    def text(self, *options):
        """A report as it is printed."""
        return self.product("report", *options, self.path)

    def json(self, *options):
        """The report in JSON, read."""
        return json.loads(self.text("-f", "json", *options))


class Product:
    """The built strandline, as a user runs it."""

    def __init__(self, build):
        self.build = pathlib.Path(build).resolve()
        self.tool = str(self.build / "strandline")
        self.shim = str(self.build / "preload/libstrandline.so")
        self.load_tool = str(self.build / "tests/servers/load")

    def __call__(self, *words):
        """Standard output of a command that must succeed."""
        return subprocess.run([self.tool, *map(str, words)], check=True,
                              capture_output=True, text=True, timeout=300,
                              stdin=subprocess.DEVNULL).stdout

    def under(self, recording, *options, quiet=True):
        """The words in front of a command that record it."""
        quietly = ["--quiet"] if quiet else []
        return [self.tool, "run", *quietly, "-o", str(recording), *options,
                "--"]

    def program(self, name):
        """A program of tests/programs/truth."""
        return str(self.build / "tests/programs/truth" / name)

    def load(self, port, *options):
        """Put load on a server; what its clients saw."""
        done = subprocess.run(
            [self.load_tool, "--json", *map(str, options),
             f"127.0.0.1:{port}"],
            capture_output=True, text=True, timeout=300)
        assert done.returncode == 0, done.stdout + done.stderr
        return json.loads(done.stdout)

    def preload_alone(self, folder, mode="sample", **more):
        """The environment that records without a strandline process."""
        folder.mkdir(exist_ok=True)
        folder.chmod(0o777)  # for those who drop their rights
        return {**os.environ, "LD_PRELOAD": self.shim,
                "STRANDLINE_DIR": str(folder), "STRANDLINE_MODE": mode,
                **more}


@pytest.fixture(scope="session")
def product():
    """The built strandline."""
    return Product(os.environ.get("STRANDLINE_BUILD",
                                  ROOT / "build/release"))


@pytest.fixture(scope="session")
def rag_rust(product):
    """Where cargo has put the Rust server."""
    cargo = shutil.which("cargo")
    if not cargo:
        pytest.skip("no cargo here")
    folder = product.build / "tests/servers/rag_rust"
    try:
        done = subprocess.run(
            [cargo, "build", "--release", "--quiet", "--locked",
             "--manifest-path", str(ROOT / "tests/servers/rag_rust/Cargo.toml"),
             "--target-dir", str(folder)],
            capture_output=True, text=True, timeout=900)
    except subprocess.TimeoutExpired:
        pytest.skip("cargo does not build rag_rust within 900 s")
    if done.returncode:
        pytest.skip(f"cargo cannot build rag_rust: {done.stderr[-300:]}")
    return folder


@pytest.fixture
def recording(product, tmp_path):
    """Where a recording is to be made."""
    return Recording(product, tmp_path / "t.strand")


@pytest.fixture
def some_time(product, tmp_path):
    """Call a function with new recordings until what it asserts holds.

    For what others on the machine may spoil, a few times in a row at most;
    what the product did wrong would be wrong each time.
    """
    def hold(measure, times=5):
        for n in range(times):
            try:
                return measure(Recording(product, tmp_path / f"{n}.strand"))
            except AssertionError:
                if n == times - 1:
                    raise

    return hold


@pytest.fixture
def eventually():
    """Poll until something is true, and return it."""

    def poll(what, seconds=120):
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            value = what()
            if value:
                return value
            time.sleep(0.02)
        raise AssertionError(f"not within {seconds} s")

    return poll
