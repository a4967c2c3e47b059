"""Interpreters that are made for tests: scripts/pythons.sh."""

import dataclasses
import functools
import os
import subprocess

import pytest

from conftest import ROOT


@dataclasses.dataclass(frozen=True)
class Python:
    """An interpreter, and what it wants in its environment."""

    path: str
    wants: tuple = ()

    @property
    def env(self):
        """All of its environment."""
        return {**os.environ, **dict(self.wants)}


@functools.lru_cache(maxsize=None)
def _made(name):
    return subprocess.run([ROOT / "scripts/pythons.sh", name],
                          capture_output=True, text=True,
                          stdin=subprocess.DEVNULL, timeout=3000)


def made(name):
    """The interpreter of that name, or a skip where it cannot be had."""
    done = _made(name)
    if done.returncode == 77:
        pytest.skip(f"no Python '{name}' here: " +
                    done.stderr.strip().splitlines()[-1])
    assert done.returncode == 0, done.stderr
    path, *wants = done.stdout.split()
    return Python(path, tuple(tuple(word.split("=", 1)) for word in wants))
