"""Threads, imports and code objects that come and go, for some seconds."""

import importlib
import pathlib
import sys
import tempfile
import threading
import time

END = time.monotonic() + float(sys.argv[1])
FOLDER = tempfile.mkdtemp()
sys.path.insert(0, FOLDER)
SOURCE = "def answer():\n    return [str(n) * 40 for n in range({n})]\n"


def reload(module, n):
    pathlib.Path(module.__file__).write_text(SOURCE.format(n=n % 50))
    importlib.invalidate_caches()
    importlib.reload(module).answer()


def made(n):
    """Code that is new each time, by name and by place."""
    scope = {}
    exec("\n" * (n % 100) + f"def f{n}():\n return bytes({n % 9999})", scope)
    scope[f"f{n}"]()


def work(n):
    for i in range(20):
        made(n * 20 + i)


def main():
    pathlib.Path(FOLDER, "churned.py").write_text(SOURCE.format(n=1))
    module = importlib.import_module("churned")
    n = 0
    while time.monotonic() < END:
        threads = [threading.Thread(target=work, args=(n + i,))
                   for i in range(8)]
        for thread in threads:
            thread.start()
        reload(module, n)
        for thread in threads:
            thread.join()
        n += 8


main()
