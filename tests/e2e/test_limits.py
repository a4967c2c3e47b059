"""A target that is short of something gets as far as without us.

Nothing of ours may be what breaks it: no signal, no exhausted limit, no
memory beyond the little that is stated.
"""

import os
import pathlib
import resource
import signal
import subprocess

import pytest

import serve
from conftest import Recording

PYTHON = serve.PYTHON
WORK = """
import threading, zlib
kept = [bytes(n % 5000) for n in range(20000)]
threads = [threading.Thread(target=lambda: [str(n) for n in range(9999)])
           for _ in range(4)]
[t.start() for t in threads]
[t.join() for t in threads]
print(zlib.crc32(b"".join(kept)), sum(map(len, kept)))
"""
BUSY = """
for n in range(300000):
    kept = bytes(600 + n % 5000)
print(len(kept))
"""
MEMORY = pathlib.Path("/sys/fs/cgroup/memory")  # of version 1
UNIFIED = pathlib.Path("/sys/fs/cgroup")


def printed(env=None, before=None, program=WORK):
    done = subprocess.run([PYTHON, "-c", program], capture_output=True,
                          text=True, timeout=120, env=env, preexec_fn=before)
    return done.returncode, done.stdout, done.stderr


def limiter(what, soft, hard=None):
    _, most = resource.getrlimit(what)
    hard = soft if hard is None else hard
    if most != resource.RLIM_INFINITY:
        hard = min(hard, most)
    return lambda: resource.setrlimit(what, (soft, hard))


@pytest.mark.parametrize("size", [0, 4096, 8192, 10000, 100000, 1 << 20])
def test_a_limit_on_the_size_of_files(product, tmp_path, size):
    limit = limiter(resource.RLIMIT_FSIZE, size)
    folder = tmp_path / "t.strand"
    env = product.preload_alone(folder, "exact")
    assert printed(env, limit) == printed(None, limit)
    assert all(p.stat().st_size <= size for p in folder.iterdir())


def test_the_signal_of_that_limit_is_the_targets_own(product, tmp_path):
    limit = limiter(resource.RLIMIT_FSIZE, 8192)
    program = ("import signal, os\n"
               "signal.signal(signal.SIGXFSZ, signal.SIG_DFL)\n"
               "kept = [bytes(n % 5000) for n in range(20000)]\n"
               "print('ready', flush=True)\n"
               f"fd = os.open('{tmp_path}/big', os.O_WRONLY | os.O_CREAT)\n"
               "os.pwrite(fd, b'x', 9000)\n")
    env = product.preload_alone(tmp_path / "t.strand", "exact")
    assert printed(env, limit, program) == (-signal.SIGXFSZ, "ready\n", "")


# Python itself needs five at the least.
@pytest.mark.parametrize("soft, hard", [(6, 6), (8, 8), (8, 64), (64, 64)])
def test_a_limit_on_descriptors(product, tmp_path, soft, hard):
    limit = limiter(resource.RLIMIT_NOFILE, soft, hard)
    env = product.preload_alone(tmp_path / "t.strand", "exact")
    assert printed(env, limit) == printed(None, limit)


def test_a_target_that_uses_up_its_descriptors_may_fork(product, tmp_path):
    limit = limiter(resource.RLIMIT_NOFILE, 64, 4096)
    program = ("import os\n"
               "held = []\n"
               "try:\n"
               "    while True: held.append(os.open('/', os.O_RDONLY))\n"
               "except OSError: print(len(held), flush=True)\n"
               "pid = os.fork()\n"
               "if not pid: os._exit(len([str(i) for i in range(5000)]) % 7)\n"
               "print(os.waitpid(pid, 0)[1] >> 8)\n")
    folder = tmp_path / "t.strand"
    env = product.preload_alone(folder, "exact")
    assert printed(env, limit, program) == printed(None, limit, program)
    assert len(list(folder.glob("*.slabs"))) == 2


@pytest.fixture
def small_disk(tmp_path):
    """Makes a tmpfs of a size."""
    made = []

    def make(size):
        folder = tmp_path / size
        folder.mkdir()
        if subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={size}",
                           "tmpfs", str(folder)],
                          stderr=subprocess.DEVNULL).returncode:
            pytest.skip("mounting is not allowed here")
        made.append(folder)
        return folder

    yield make
    for folder in made:
        subprocess.run(["umount", str(folder)], check=True)


@pytest.mark.parametrize("size", ["16k", "64k", "256k", "2m"])
def test_a_disk_that_fills_under_strandline(product, small_disk, size):
    folder = small_disk(size) / "t.strand"
    done = subprocess.run(
        [*product.under(folder, "--mode", "exact", "--interval", "10"),
         PYTHON, "-c", BUSY], capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stdout) == (0, "5599\n")
    if size == "2m":
        report = Recording(product, folder).json()
        assert report["losses"]["no_slab"] > 0


def test_a_disk_that_gets_room_again_is_recorded_on(product, small_disk,
                                                    tmp_path):
    disk = small_disk("3m")
    filler = disk / "filler"
    with filler.open("wb") as file:
        try:
            file.write(bytes(3 << 20))
        except OSError:
            pass
    filler.write_bytes(bytes(2500 << 10))
    program = (BUSY + f"import os, time\nos.unlink('{filler}')\n"
               "time.sleep(0.3)\n" + BUSY)
    folder = disk / "t.strand"
    env = product.preload_alone(folder, "exact")
    assert printed(env, None, program) == (0, "5599\n5599\n", "")
    report = Recording(product, folder).json()
    assert report["losses"]["no_slab"] > 0
    assert report["totals"]["allocations"] > 100000


def memory_group(name, limit):
    """A cgroup with @limit; the file that takes a process into it."""
    try:
        if (MEMORY / "cgroup.procs").exists():
            group, key = MEMORY / name, "memory.limit_in_bytes"
        else:
            group, key = UNIFIED / name, "memory.max"
        group.mkdir()
        (group / key).write_text(str(limit))
    except OSError as why:
        pytest.skip(f"no memory cgroup can be made here: {why}")
    return group


@pytest.mark.parametrize("mode", ["sample", "exact"])
def test_a_memory_cgroup_with_little_to_spare(product, tmp_path, mode):
    group = memory_group(f"strandline-test-{os.getpid()}", 92 << 20)
    try:
        def join():
            (group / "cgroup.procs").write_text(str(os.getpid()))

        folder = tmp_path / "t.strand"
        env = product.preload_alone(folder, mode)
        assert printed(None, join) == printed(env, join)
        assert Recording(product, folder).json()["sites"]
    finally:
        group.rmdir()
