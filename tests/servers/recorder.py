"""A client that records when each of its requests went and came.

Open loop: requests are due at random times, whatever becomes of those before,
each on a connection of its own that is free.  When bytes came, and when the
request left, is the kernel's word (SO_TIMESTAMPING), so that what the client
itself was late for is in none of the figures but `sent`, which is taken just
before the request is written.  Bytes that came while others still lay unread
are told the time of the last, so the client reads before all others run, where
it may.  Times are CLOCK_MONOTONIC ns, as Strandline's.
"""

import contextlib
import dataclasses
import os
import random
import selectors
import socket
import struct
import time

SO_TIMESTAMPING = 37  # SOF_TIMESTAMPING_*, of linux/net_tstamp.h:
TX_SOFTWARE, RX_SOFTWARE, SOFTWARE, OPT_TSONLY = 1 << 1, 1 << 3, 1 << 4, 1 << 11
NS = 10 ** 9
IDLE_NS = NS  # servers close what was idle for five times that


@dataclasses.dataclass
class Asked:
    """One request: sent, its answer's first and last byte, longest pause."""
    sent: int
    left: int = 0  # what the client itself took to send it is before that
    first: int = 0
    last: int = 0
    gap: int = 0
    status: int = 0

    def took(self):
        return self.last - self.sent

    def ttfb(self):
        return self.first - self.sent


class Connection:
    """One at a time; made anew when the server may have closed it."""

    def __init__(self, port):
        self.port, self.socket, self.used = port, None, 0
        self.asked, self.got = None, b""
        self.open()

    def open(self):
        if self.socket:
            self.socket.close()
        self.used = time.monotonic_ns()
        self.socket = socket.create_connection(("127.0.0.1", self.port))
        self.socket.setsockopt(socket.SOL_SOCKET, SO_TIMESTAMPING, TX_SOFTWARE
                               | RX_SOFTWARE | SOFTWARE | OPT_TSONLY)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def ask(self, request, offset):
        if time.monotonic_ns() - self.used > IDLE_NS:
            self.open()
        self.got = b""
        self.asked = Asked(time.monotonic_ns())
        self.socket.sendall(request)
        with contextlib.suppress(BlockingIOError):
            _, ancillary, _, _ = self.socket.recvmsg(
                1, 512, socket.MSG_ERRQUEUE | socket.MSG_DONTWAIT)
            self.asked.left = stamp(ancillary, offset)
        self.asked.left = self.asked.left or self.asked.sent
        return self.asked

    def read(self, offset):
        """Take what came; whether the answer is whole."""
        bytes_, ancillary, _, _ = self.socket.recvmsg(1 << 20, 512)
        if not bytes_:
            raise ConnectionError("closed within an answer")
        at = stamp(ancillary, offset) or time.monotonic_ns()
        asked = self.asked
        if not asked.first:
            asked.first = at
        # The pause before a body is none, nor that before what only ends it.
        elif bytes_ != b"0\r\n\r\n" and b"\r\n\r\n" in self.got:
            head_end = self.got.index(b"\r\n\r\n") + 4
            if len(self.got) > head_end:
                asked.gap = max(asked.gap, at - asked.last)
        asked.last = at
        self.used = time.monotonic_ns()
        self.got += bytes_
        return self.is_whole()

    def is_whole(self):
        head, end, body = self.got.partition(b"\r\n\r\n")
        if not end:
            return False
        if not self.asked.status:
            self.asked.status = int(head.split(b" ", 2)[1])
        for line in head.split(b"\r\n")[1:]:
            name, _, value = line.partition(b":")
            if name.lower() == b"content-length":
                return len(body) >= int(value)
            if name.lower() == b"transfer-encoding":
                return body.endswith(b"0\r\n\r\n")
        return True


def stamp(ancillary, offset):
    """The kernel's time of what was sent or came, or 0."""
    for level, kind, value in ancillary:
        if (level, kind) == (socket.SOL_SOCKET, SO_TIMESTAMPING):
            seconds, ns = struct.unpack("qq", value[:16])
            return seconds * NS + ns - offset
    return 0


def realtime_offset():
    """CLOCK_REALTIME less CLOCK_MONOTONIC, by the quickest of some looks."""
    best = None
    for _ in range(50):
        before = time.monotonic_ns()
        real = time.time_ns()
        after = time.monotonic_ns()
        if best is None or after - before < best[0]:
            best = after - before, real - (before + after) // 2
    return best[1]


@contextlib.contextmanager
def before_others():
    """This thread runs as soon as it can; where that is not allowed, not."""
    try:
        os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(1))
    except PermissionError:
        yield
        return
    try:
        yield
    finally:
        os.sched_setscheduler(0, os.SCHED_OTHER, os.sched_param(0))


def record(port, request, rate, count, connections=16, seed=1):
    """Ask @count times, @rate a second; a list of Asked by when they went."""
    with before_others():
        return ask_all(port, request, rate, count, connections, seed)


def ask_all(port, request, rate, count, connections, seed):
    """As record()."""
    rng = random.Random(seed)
    offset = realtime_offset()
    free = [Connection(port) for _ in range(connections)]
    asked, due = [], time.monotonic_ns()
    with selectors.DefaultSelector() as selector:
        busy = 0
        while len(asked) < count or busy:
            now = time.monotonic_ns()
            while len(asked) < count and free and now >= due:
                one = free.pop()
                asked.append(one.ask(request, offset))
                selector.register(one.socket, selectors.EVENT_READ, one)
                busy += 1
                due += int(rng.expovariate(rate) * NS)
                now = time.monotonic_ns()
            wait = 5.0
            if len(asked) < count and free:
                wait = max(0, (due - now) / NS)
            for key, _ in selector.select(wait):
                if key.data.read(offset):
                    selector.unregister(key.fileobj)
                    free.append(key.data)
                    busy -= 1
    for one in free:
        one.socket.close()
    return asked


def quantile(values, q):
    """As the tool's: the smallest that a share @q is at or below."""
    values = sorted(values)
    return values[max(0, -(-len(values) * q // 1).__int__() - 1)]
