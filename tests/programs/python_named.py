"""Threads that have names, until the file that is named holds them.

One is named anew after it began, and the old name must be in the file by then.
"""

import pathlib
import sys
import threading
import time

DONE = threading.Event()


def work():
    """Allocate, so as to be seen."""
    while not DONE.is_set():
        bytearray(50000)
        time.sleep(0.001)


def wait_for(name):
    """Until it is told; not for ever."""
    deadline = time.monotonic() + 60
    while name.encode() not in pathlib.Path(sys.argv[1]).read_bytes():
        assert time.monotonic() < deadline, name
        time.sleep(0.02)


def main():
    """Start them, name one anew."""
    threads = [threading.Thread(target=work, name=f"worker {n} of many words")
               for n in range(2)]
    for thread in threads:
        thread.start()
    threading.current_thread().name = "chief"
    wait_for("chief")
    wait_for(threads[0].name)
    threads[0].name = "named anew"
    wait_for("named anew")
    DONE.set()
    for thread in threads:
        thread.join()


main()
