"""Processes that cannot be attached to: one sentence, status 1, unharmed.

By both ways in; tests of either way have more (test_attach, test_inject).
"""

import os
import pathlib
import subprocess
import time

import pytest

from test_inject import sleeping

WAYS = ["bpf", "inject"]
TINY = """
void _start(void)
{
	static const char ready[] = "ready\\n";

	__asm__ volatile("int $0x80" : : "a"(4), "b"(1), "c"(ready), "d"(6));
	for (;;)
		__asm__ volatile("int $0x80" : : "a"(29)); /* pause */
}
"""


def said(product, pid, way, folder, **more):
    """The one sentence."""
    done = subprocess.run(
        [product.tool, "attach", str(pid), "--with", way, "-o",
         str(folder / "t.strand")], capture_output=True, text=True,
        timeout=120, **more)
    assert done.returncode == 1, done.stderr
    assert done.stdout == ""
    assert len(done.stderr.splitlines()) == 1
    assert not (folder / "t.strand").exists()
    return done.stderr


@pytest.mark.parametrize("way", WAYS)
def test_a_32_bit_program(product, tmp_path, way):
    source, program = tmp_path / "tiny.c", tmp_path / "tiny"
    source.write_text(TINY)
    built = subprocess.run(
        ["gcc", "-m32", "-O1", "-nostdlib", "-static", "-fno-pie", "-no-pie",
         "-o", program, source], capture_output=True, text=True)
    if built.returncode:
        pytest.skip("this compiler makes no 32-bit programs")
    with sleeping(str(program)) as target:
        assert "32-bit" in said(product, target.pid, way, tmp_path)
        assert target.poll() is None


@pytest.mark.parametrize("way", WAYS)
def test_a_zombie(product, tmp_path, way):
    child = os.fork()
    if child == 0:
        os._exit(0)
    os.waitid(os.P_PID, child, os.WEXITED | os.WNOWAIT)
    try:
        assert "has ended" in said(product, child, way, tmp_path)
    finally:
        os.waitpid(child, 0)


@pytest.mark.parametrize("way", WAYS)
def test_a_thread_of_the_kernel(product, tmp_path, way):
    if pathlib.Path("/proc/2/comm").read_text(encoding="ascii") != (
            "kthreadd\n"):
        pytest.skip("process 2 is no thread of the kernel here")
    assert "thread of the kernel" in said(product, 2, way, tmp_path)


@pytest.mark.parametrize("way", WAYS)
def test_somebody_else_s_process(product, tmp_path, way):
    if os.geteuid():
        pytest.skip("only root can become somebody else")
    tmp_path.chmod(0o777)
    for folder in (pathlib.Path(product.tool), *pathlib.Path(
            product.tool).parents):
        if not folder.stat().st_mode & 1:
            pytest.skip(f"nobody else may run what is in {folder}")
    with sleeping("sh", "-c", "echo ready; exec sleep 100") as target:
        sentence = said(product, target.pid, way, tmp_path, user=65534,
                        cwd="/")
        assert "root" in sentence
        assert target.poll() is None


@pytest.mark.parametrize("way", WAYS)
def test_one_that_ends_meanwhile(product, tmp_path, way):
    """However far it got: a recording or a sentence, and no more than that."""
    for number in range(0, 6, 2 if way == "bpf" else 1):
        folder = tmp_path / f"{number}.strand"
        with subprocess.Popen(["sleep", "100"]) as target:
            process = subprocess.Popen(
                [product.tool, "attach", str(target.pid), "--with", way, "-o",
                 str(folder)], stdout=subprocess.DEVNULL,
                stderr=subprocess.PIPE, text=True)
            time.sleep(0.002 * 3 ** number)
            target.kill()
        error = process.communicate(timeout=120)[1]
        assert process.returncode in (0, 1), error
        if process.returncode == 1:
            assert len(error.splitlines()) == 1
            assert f"{target.pid}" in error
            assert not folder.exists()
        else:
            assert folder.exists()
