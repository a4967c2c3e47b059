"""Threads at known places, for `strandline stacks`, in any Python since 3.9.

    places.py [MORE THREADS]

It prints one line of JSON: for each thread, by the kernel's number, its frames
as Python itself tells them, [name, file, line], innermost first; then all wait
until its standard input ends.
"""

import functools
import json
import sys
import threading
import time


class Worker:
    """Waits at the end of some calls of different kinds."""

    def __init__(self):
        self.lock = threading.Lock()
        self.lock.acquire()

    def wait(self):
        """With the call on a line of its own."""
        self.lock.acquire(
            True,
            -1)

    def through_native(self):
        """sort() calls back into Python."""
        return sorted([2, 1], key=lambda x: self.wait())

    def generator(self):
        """Suspended and resumed."""
        yield 1
        yield self.through_native()

    def deep(self, n):
        """Many frames, not of one evaluator each time."""
        if n:
            return functools.partial(self.deep, n - 1)()
        return list(self.generator())


async def innermost(worker):
    """Under two awaits, without a loop."""
    worker.wait()


async def outermost(worker):
    """Awaits."""
    await innermost(worker)


def drive(worker):
    """Run a coroutine by hand."""
    outermost(worker).send(None)


def frames(frame):
    """Innermost first."""
    while frame:
        code = frame.f_code
        yield [getattr(code, "co_qualname", code.co_name), code.co_filename,
               frame.f_lineno]
        frame = frame.f_back


def waits(thread):
    """Whether it has come to the end, and sleeps there."""
    frame = sys._current_frames().get(thread.ident)
    if not frame or frame.f_code.co_name != "wait":
        return False
    with open(f"/proc/self/task/{thread.native_id}/syscall",
              encoding="ascii") as call:
        words = call.read().split()
    # A futex without a limit of time, as that of the interpreter's lock has.
    return words[0] == "202" and words[4] == "0x0"


def main():
    """Start three threads and those asked for, tell where they are, wait."""
    works = [(Worker(), "deep", 40), (Worker(), "through_native")]
    works += [(Worker(), "deep", 40) for _ in range(int(*sys.argv[1:]))]
    threads = [threading.Thread(target=getattr(w, name), args=args,
                                daemon=True, name=f"py-{name}")
               for w, name, *args in works]
    threads.append(threading.Thread(target=drive, args=(Worker(),),
                                    daemon=True, name="py-drive"))
    for thread in threads:
        thread.start()
    while not all(waits(thread) for thread in threads):
        time.sleep(0.01)
    now = sys._current_frames()
    told = {thread.native_id: list(frames(now[thread.ident]))
            for thread in threads}
    print(json.dumps({"threads": told}), flush=True)
    sys.stdin.read()


main()
