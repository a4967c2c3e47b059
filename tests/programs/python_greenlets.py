"""Allocate within greenlets, and say where, as python_places.py does."""

import ctypes
import sys

import gevent
import gevent.event

MALLOC = ctypes.CDLL(None).malloc
MALLOC.restype = ctypes.c_void_p
MALLOC.argtypes = [ctypes.c_size_t]

PLACES = {}
NEXT = iter(range(1 << 20, 1 << 24, 1 << 12))
TOLD = gevent.event.Event()


def note():
    """The next size, for the stack of whoever calls."""
    size = next(NEXT)
    found = []
    frame = sys._getframe(1)
    while frame:
        code = frame.f_code
        found.append([code.co_qualname, code.co_filename, frame.f_lineno])
        frame = frame.f_back
    PLACES[size] = found[::-1]
    return size


def plain():
    MALLOC(note())


def down(n):
    """A greenlet that is left at every depth."""
    plain()
    gevent.sleep(0)
    if n:
        down(n - 1)
    plain()


def waiting():
    TOLD.wait()
    plain()


def through_c(n):
    gevent.sleep(0)
    return sorted([2, 1], key=lambda k: (
        through_c(n - 1) if n else plain(), k)[1])


def main():
    greenlets = [gevent.spawn(down, n) for n in (2, 5, 9)]
    greenlets += [gevent.spawn(waiting) for _ in range(3)]
    greenlets += [gevent.spawn(through_c, n) for n in (1, 3)]
    plain()
    gevent.sleep(0.01)
    TOLD.set()
    gevent.joinall(greenlets, raise_error=True)
    plain()


main()
print(PLACES)
