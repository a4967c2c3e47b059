"""Whatever happens to the recording, the target does not notice.

Recordings are made by LD_PRELOAD alone where no strandline process is wanted;
programs print what they compute, and that must be what they print without us.
"""

import os
import resource
import signal
import subprocess

import pytest

import serve
from conftest import Recording, settle

PYTHON = serve.PYTHON
WORK = """
import os, threading, zlib
kept = [bytes(n % 5000) for n in range(20000)]
threads = [threading.Thread(target=lambda: [str(n) for n in range(9999)])
           for _ in range(4)]
[t.start() for t in threads]
[t.join() for t in threads]
print(zlib.crc32(b"".join(kept)), sum(map(len, kept)))
"""
needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="needs root")


def printed(*command, **more):
    done = subprocess.run(command, capture_output=True, text=True,
                          timeout=120, **more)
    return done.returncode, done.stdout, done.stderr


@pytest.fixture(scope="module")
def plain():
    return printed(PYTHON, "-c", WORK)


@pytest.mark.parametrize("mode", ["sample", "exact"])
def test_preload_alone_leaves_a_recording(product, tmp_path, plain, mode):
    folder = tmp_path / "alone.strand"
    env = product.preload_alone(folder, mode)
    assert printed(PYTHON, "-c", WORK, env=env) == plain
    assert Recording(product, folder).json()["sites"]


@pytest.mark.parametrize("mode", ["sample", "exact"])
def test_a_killed_target_leaves_a_recording(product, tmp_path, mode):
    folder = tmp_path / "killed.strand"
    command = [PYTHON, "-c", WORK + "print('ready', flush=True)\n"
               "import time; time.sleep(60)"]
    target = subprocess.Popen(command, stdout=subprocess.PIPE, text=True,
                              env=product.preload_alone(folder, mode))
    assert "ready" in target.stdout.readline() + target.stdout.readline()
    target.kill()
    target.communicate()
    report = Recording(product, folder).json()
    assert report["sites"]
    assert report["recording"]["torn"]


def test_a_folder_that_cannot_be_written(product, tmp_path, plain):
    blocked = tmp_path / "file"
    blocked.write_text("not a folder")
    for where in (blocked, tmp_path / "missing", "/proc/nowhere"):
        env = {**os.environ, "LD_PRELOAD": product.shim,
               "STRANDLINE_DIR": str(where), "STRANDLINE_MODE": "exact"}
        assert printed(PYTHON, "-c", WORK, env=env) == plain
    assert blocked.read_text() == "not a folder"


@needs_root
@pytest.mark.parametrize("size", ["16k", "128k", "1m"])
def test_a_full_disk(product, tmp_path, plain, size):
    small = tmp_path / "small"
    small.mkdir()
    if subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs",
                       str(small)]).returncode:
        pytest.skip("mounting is not allowed here")
    try:
        env = product.preload_alone(small / "t.strand", "exact")
        assert printed(PYTHON, "-c", WORK, env=env) == plain
    finally:
        subprocess.run(["umount", str(small)], check=True)


@pytest.mark.parametrize("mebibytes", [48, 64, 128, 256])
def test_a_limit_of_address_space(product, tmp_path, mebibytes):
    """It gets as far as without us, or dies of the limit as without us."""
    limit = mebibytes << 20

    def limited():
        resource.setrlimit(resource.RLIMIT_AS, (limit, limit))

    program = "x = [bytes(1000) for _ in range(5000)]; print(len(x))"
    without = printed(PYTHON, "-c", program, preexec_fn=limited)
    env = product.preload_alone(tmp_path / "t.strand", "exact")
    under = printed(PYTHON, "-c", program, preexec_fn=limited, env=env)
    assert under == without


STORM = """
import os
for _ in range(40):
    pids = []
    for n in range(10):
        pid = os.fork()
        if not pid:
            os._exit(len([str(i) for i in range(500)]) % 7)
        pids.append(pid)
    for pid in pids:
        assert os.waitpid(pid, 0)[1] >> 8 == 500 % 7
print('done')
"""


def on_disk(folder):
    return sum(p.stat().st_blocks * 512 for p in folder.iterdir())


def test_a_storm_of_forks_takes_little_of_the_disk_each(product, tmp_path):
    folder = tmp_path / "t.strand"
    env = product.preload_alone(folder, "exact")
    assert printed(PYTHON, "-c", STORM, env=env) == (0, "done\n", "")
    assert len(list(folder.glob("*.slabs"))) == 401
    settle(folder)
    # 8 for the header, 3 slabs, and one or two of what Python's code is called
    assert on_disk(folder) <= 401 * (36 << 10)


@pytest.mark.parametrize("kept", [True, False])
def test_the_cap_is_one_for_all_processes(product, recording, kept):
    cap = 2 << 20
    env, command = None, [PYTHON, "-c", STORM]
    if kept:
        command = [*product.under(recording.path, "--mode", "exact",
                                  "--max-size", str(cap)), *command]
    else:
        env = product.preload_alone(recording.path, "exact",
                                    STRANDLINE_MAX_BYTES=str(cap))
    assert printed(*command, env=env)[:2] == (0, "done\n")
    settle(recording.path)
    # beside the cap: the ledger and what was resolved at the end
    assert on_disk(recording.path) < cap + (512 << 10)
    report = recording.json()
    assert "could not record" in report["problems"][0]
    assert report["cost"]["recording_bytes"] == on_disk(recording.path)


@pytest.mark.parametrize("ending, status", [
    ("exit 0", 0), ("exit 3", 3), ("kill -SEGV $$", 139),
    ("kill -ABRT $$", 134), ("kill -KILL $$", 137)])
def test_the_status_is_the_targets(product, recording, ending, status):
    done = subprocess.run([*product.under(recording.path), "bash", "-c",
                           ending], capture_output=True, timeout=60)
    assert done.returncode == status


def test_a_killed_strandline_leaves_the_server_serving(product, recording,
                                                       eventually):
    port = serve.free_port()
    command = [*product.under(recording.path),
               *serve.rag_c(port, product.build)]
    process = subprocess.Popen(command, start_new_session=True)
    try:
        eventually(lambda: serve.answers(port))
        process.kill()
        process.wait()
        assert product.load(port, "-n", "200", "-m",
                            "search,chat")["errors"] == 0
    finally:
        os.killpg(process.pid, signal.SIGKILL)
    eventually(lambda: not serve.accepts(port))
    assert recording.json()["sites"]
