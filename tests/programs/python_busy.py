"""Spin in a function that native code calls, in a thread of its own or not.

    python_busy.py main|thread

Prints a line when it has begun.
"""

import sys
import threading


def spin():
    """Use CPU time below a generator, which native code drives."""
    while True:
        sum(square(i) for i in range(1000))


def square(number):
    """Called by Python."""
    return number * number


class Worker:
    """Gives it a qualified name (3.11)."""

    def work(self, _):
        """Called by native code."""
        spin()


def main():
    """Begin where we are told to."""
    print("busy", flush=True)
    if sys.argv[1] == "thread":
        thread = threading.Thread(target=Worker().work, args=(0,))
        thread.start()
        thread.join()
    else:
        sorted([1, 2], key=Worker().work)


main()
