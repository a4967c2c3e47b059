"""A kernel that does not tell its types: /sys/kernel/btf is hidden."""

import os
import shutil
import subprocess

import pytest


def without_btf(product, *words):
    if os.geteuid() != 0 or not shutil.which("unshare"):
        pytest.skip("not root")
    if subprocess.run([product.tool, "attach", "--dry-run", "--with", "bpf",
                       str(os.getpid())], check=False, capture_output=True,
                      timeout=60).returncode:
        pytest.skip("no programs in the kernel here anyway")
    hide = "mount -t tmpfs none /sys/kernel/btf"
    if subprocess.run(["unshare", "-m", "sh", "-c", hide], check=False,
                      capture_output=True, timeout=60).returncode:
        pytest.skip("nothing can be mounted over /sys/kernel/btf")
    with subprocess.Popen(["sleep", "600"]) as target:
        try:
            return subprocess.run(
                ["unshare", "-m", "sh", "-c", f'{hide} && exec "$@"', "sh",
                 product.tool, "attach", str(target.pid), *map(str, words)],
                capture_output=True, text=True, timeout=120, check=False)
        finally:
            target.kill()


def test_one_sentence_says_what_a_kernel_without_btf_lacks(
        product, recording):
    done = without_btf(product, "--with", "bpf", "-o", recording.path)
    assert done.returncode == 1
    assert done.stderr.count("\n") == 1
    assert "with BTF (/sys/kernel/btf/vmlinux)" in done.stderr
    assert not recording.path.exists()
