"""Allocate from known places, and say which, by Python's own traceback.

Each block is of a size of its own, so that it is found again in a recording.
The last line has, for each size, the frames from the outermost on, each
[function, file, line].  Needs no module but what every Python brings.
"""

import functools
import os
import sys
import threading

try:
    import asyncio
    import ctypes
    MALLOC = ctypes.CDLL(None).malloc
    MALLOC.restype = ctypes.c_void_p
    MALLOC.argtypes = [ctypes.c_size_t]
except ImportError:  # a minimal installation
    asyncio, MALLOC = None, bytearray

PLACES = {}
KEPT = []
NEXT = iter(range(1 << 20, 1 << 24, 1 << 12))


def frames():
    """The stack of whoever calls our caller, outermost first."""
    found = []
    frame = sys._getframe(2)
    while frame:
        code = frame.f_code
        found.append([getattr(code, "co_qualname", code.co_name),
                      code.co_filename, frame.f_lineno])
        frame = frame.f_back
    return found[::-1]


def note(size):
    PLACES[size] = frames()
    return size


def plain():
    KEPT.append(MALLOC(note(next(NEXT))))


class Store:
    def method(self):
        plain(); KEPT.append(MALLOC(note(next(NEXT))))

    @staticmethod
    def static():
        KEPT.append(
            MALLOC(note(next(NEXT))))

    @property
    def read(self):
        return plain()

    def __del__(self):
        plain()


def generator(n):
    for i in range(n):
        plain()
        yield i


def delegating():
    yield from generator(2)


async def leaf():
    plain()
    await asyncio.sleep(0)
    plain()


class Awaitable:
    def __await__(self):
        yield from generator(1)


async def middle():
    await leaf()


async def by_hand():
    await Awaitable()


async def many():
    await asyncio.gather(middle(), leaf(), middle())


def recurse(n):
    return recurse(n - 1) if n else plain()


def through_c(n):
    """Evaluator within evaluator."""
    return list(map(through_c, [n - 1])) if n else plain()


@functools.lru_cache(maxsize=None)
def cached(n):
    plain()
    return n


def fail():
    try:
        raise ValueError
    except ValueError:
        plain()
    finally:
        plain()


def nested():
    def inner():
        return [plain() for _ in range(2)]
    return (lambda: inner())()


def not_ascii():
    def größe_文():
        plain()
    größe_文()


def made_again():
    """Code objects that take each other's place in memory."""
    for i in range(20):
        scope = {"plain": plain}
        exec(compile("\n" * i + "def made_%d():\n  plain()\nmade_%d()\n"
                     % (i, i), "<made %d>" % i, "exec"), scope)


def on_thread():
    thread = threading.Thread(target=lambda: (plain(), Store().method()))
    thread.start()
    thread.join()


def main():
    plain()
    store = Store()
    store.method()
    Store.static()
    store.read
    del store
    list(generator(2))
    sum(delegating())
    by_hand().send(None)
    if asyncio:
        asyncio.run(many())
    recurse(300)
    through_c(40)
    cached(1)
    fail()
    nested()
    not_ascii()
    made_again()
    on_thread()
    sorted([2, 1], key=lambda n: (plain(), n)[1])
    eval("plain()")
    child = os.fork() if "fork" in sys.argv else -1
    if child == 0:
        recurse(3)
        os._exit(0)
    if child > 0:
        os.waitpid(child, 0)


main()
print(PLACES)
