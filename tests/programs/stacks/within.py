"""Two threads, each in an interpreter within this one, in any since 3.9.

It prints "null" when both are there; then they wait.
"""

import os
import threading

try:
    import _interpreters as interpreters
except ImportError:
    import _xxsubinterpreters as interpreters

CODE = """
import os, time
def within():
    os.write(%d, b"null\\n")
    time.sleep(1000)
within()
"""


def enter(tell):
    """Native code calls what is within."""
    interpreters.run_string(interpreters.create(), CODE % tell)


def begin(tell):
    """A frame more of the outer one."""
    enter(tell)


THERE, TELL = os.pipe()
threading.Thread(target=begin, args=(TELL,), daemon=True).start()
os.read(THERE, 1)
begin(1)
