"""Allocate from known places of interpreters within interpreters, and say
which, by Python's own traceback.

A stack's frames are those of all interpreters that it goes through.  Each line
has one: its frames from the outermost on, each [function, file, line].
"""

SOURCE = '''
import os, sys
try:
    import ctypes
    MALLOC = ctypes.CDLL(None).malloc  # without the lock
    MALLOC.restype, MALLOC.argtypes = ctypes.c_void_p, [ctypes.c_size_t]
except ImportError:
    MALLOC = bytearray
try:
    import _interpreters as interpreters
except ImportError:
    import _xxsubinterpreters as interpreters

def frames():
    """The stack of whoever calls our caller, outermost first."""
    found, frame = [], sys._getframe(2)
    while frame:
        code = frame.f_code
        found.append([getattr(code, "co_qualname", code.co_name),
                      code.co_filename, frame.f_lineno])
        frame = frame.f_back
    return OUTER + found[::-1]

def note():
    os.write(TELL, b"%a\\n" % (frames(),))
    return 1 << 20

def plain(keep=[]):
    keep += MALLOC(note()), bytearray(note())
    MALLOC(note())

def inner(other=None):
    """What is to run within, as if it were called by our caller."""
    return "OUTER, DEPTH, TELL, SOURCE = %r\\nexec(SOURCE)" % (
        (frames(), DEPTH - 1, TELL, SOURCE),)

def enter(other):
    interpreters.run_string(other, inner())
    plain()
    interpreters.run_string(other, inner()); plain()

def begin():
    plain()
    if DEPTH:
        other = interpreters.create()
        enter(other)
        enter(other)
        plain()

begin()
'''

if __name__ == "__main__":
    import os
    import threading

    OUTER, DEPTH = [], 2
    TELL = os.dup(1)
    exec(SOURCE)
    thread = threading.Thread(target=begin)
    thread.start()
    thread.join()
