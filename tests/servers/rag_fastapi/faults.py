"""Planted faults, chosen by the environment variable RAG_FAULT.

Each says its ground truth: the class that a verdict must give it (one of
them where there are two), the endpoint whose requests drive it, the function
that must be named, and the bytes kept for each of these requests.  Where
bytes are given as a range the rest is CPython's own rounding.
`python3 -m rag_fastapi.faults` prints the table as JSON.

  name                class      endpoint  function          bytes per request
  none                clean
  native_leak         leak       chat      parse_prompt      1024, malloc
  python_cache        growth     search    remember_answer   1500..2500
  retention           retention  search    shrink_to_fit     0; 8 KiB of RSS
                                                             for 16,384 times
  mapping_leak        mappings   chat      map_scratch       65536, mmap
  thread_leak         threads    chat      start_watcher     1 thread in 8
  fd_leak             fds        chat      open_audit_log    1 descriptor
  slow_endpoint       clean      memory    wait_for_replica  1.2 s of waiting
  cycle_del           leak,      chat      link_turns        1100..1600
                      growth (the collector's own list still leads there)
  callback_closure    growth     chat      on_answer_done    1100..1500
  numpy_kept          growth     search    log_embedding     1100..1300
  thread_local        growth     memory    note_lookup       1000..1200
  lru_unbounded       growth     search    normalised        1000..1400, a new
                                                             query each time
and three that look like faults and are not:
  bounded_lru         clean      search    normalised_lately
  interned            clean      search    intern_terms
  warmup_imports      clean      search    import_lazily
"""

import collections
import ctypes
import functools
import importlib
import json
import mmap
import os
import resource
import sys
import threading
import time

libc = ctypes.CDLL(None)
libc.malloc.restype = ctypes.c_void_p
libc.malloc.argtypes = [ctypes.c_size_t]
libc.realloc.restype = ctypes.c_void_p
libc.realloc.argtypes = [ctypes.c_void_p, ctypes.c_size_t]
libc.free.argtypes = [ctypes.c_void_p]


class Fault:
    """No fault: the base of the others.  Hooks are called by app.py."""

    name = "none"
    verdict = "clean"
    endpoint = None
    function = None
    bytes_per_request = (0, 0)

    def on_start(self):
        """Once, before the first request."""

    def on_search(self, query, vector, hits):
        """For each answered search."""

    def on_chat(self, prompt):
        """For each chat, before its first token."""

    def on_memory(self, session):
        """For each memory lookup, in a thread of the pool."""


def parse_prompt(prompt):
    """Copies the prompt into a C buffer that nobody frees."""
    buffer = libc.malloc(1024)
    ctypes.memset(buffer, 0, 1024)
    ctypes.memmove(buffer, prompt.encode(), min(len(prompt), 1023))


class NativeLeak(Fault):
    """1,024 bytes of malloc lost for each chat."""

    name = "native_leak"
    verdict = "leak"
    endpoint = "POST /api/v1/chat"
    function = "parse_prompt"
    bytes_per_request = (1024, 1024)

    def on_chat(self, prompt):
        parse_prompt(prompt)


class PythonCache(Fault):
    """A cache of answers whose key never repeats."""

    name = "python_cache"
    verdict = "growth"
    endpoint = "POST /api/v1/retrieval/search"
    function = "remember_answer"
    bytes_per_request = (1500, 2500)

    def __init__(self):
        self.answers = {}

    def remember_answer(self, query, hits):
        """Keep the answer by query and time: never found again."""
        text = " ".join(hit.snippet for hit in hits).ljust(1200)[:1200]
        self.answers[query, time.monotonic_ns()] = {"answer": text}

    def on_search(self, query, vector, hits):
        self.remember_answer(query, hits)


class Retention(Fault):
    """Buffers that are shrunk to fit and kept in a bounded history.

    glibc shrinks in place: between two kept heads of 48 bytes stays a hole,
    just too small for the next buffer.  The heap grows by a buffer for each
    search while what lives in it does not, until the history has gone round
    once; jemalloc moves what is shrunk and shows nothing of this.
    """

    name = "retention"
    verdict = "retention"
    endpoint = "POST /api/v1/retrieval/search"
    function = "shrink_to_fit"
    bytes_per_request = (0, 0)
    HISTORY = 16384
    BUFFER = 8192

    def __init__(self):
        self.history = collections.deque()
        self.buffer = None

    def on_start(self):
        # The history is full from the start, so that live bytes are flat;
        # and what the start left free must not hide the growth.
        self.history.extend(libc.malloc(48) for _ in range(self.HISTORY))
        libc.malloc_trim(0)

    def shrink_to_fit(self):
        """One more kept head, one more hole; the oldest head goes."""
        last, self.buffer = self.buffer, libc.malloc(self.BUFFER)
        ctypes.memset(self.buffer, 1, self.BUFFER)
        if last:  # with the next one behind it, so that a hole is left
            self.history.append(libc.realloc(last, 48))
            libc.free(self.history.popleft())

    def on_search(self, query, vector, hits):
        self.shrink_to_fit()


class MappingLeak(Fault):
    """A touched anonymous mapping kept for each chat."""

    name = "mapping_leak"
    verdict = "mappings"
    endpoint = "POST /api/v1/chat"
    function = "map_scratch"
    bytes_per_request = (65536, 65536)

    def __init__(self):
        self.maps = []

    def map_scratch(self):
        """Scratch space that is never unmapped."""
        scratch = mmap.mmap(-1, 65536)
        for offset in range(0, 65536, 4096):
            scratch[offset] = 1
        self.maps.append(scratch)

    def on_chat(self, prompt):
        self.map_scratch()


class ThreadLeak(Fault):
    """Every eighth chat starts a thread that waits for ever."""

    name = "thread_leak"
    verdict = "threads"
    endpoint = "POST /api/v1/chat"
    function = "start_watcher"
    bytes_per_request = (1000, 10000)  # a thread's stack and state, by eight

    def __init__(self):
        self.count = 0
        self.never = threading.Event()

    def start_watcher(self):
        """A watcher for an event that does not come."""
        threading.Thread(target=self.never.wait, daemon=True).start()

    def on_chat(self, prompt):
        self.count += 1
        if self.count % 8 == 0:
            self.start_watcher()


class FdLeak(Fault):
    """A descriptor left open for each chat."""

    name = "fd_leak"
    verdict = "fds"
    endpoint = "POST /api/v1/chat"
    function = "open_audit_log"

    def on_start(self):
        _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))

    def open_audit_log(self):
        """Opened for this chat, closed by nobody."""
        os.open(os.devnull, os.O_WRONLY)

    def on_chat(self, prompt):
        self.open_audit_log()


class SlowEndpoint(Fault):
    """Memory lookups wait for a replica that is far away."""

    name = "slow_endpoint"
    endpoint = "GET /api/v1/memory/search"
    function = "wait_for_replica"

    def wait_for_replica(self):
        """1.2 seconds off the CPU."""
        time.sleep(1.2)

    def on_memory(self, session):
        self.wait_for_replica()


class Turn:
    """Half of a cycle, with a finaliser as connection holders have."""

    def __init__(self, text):
        self.text = text
        self.peer = None

    def __del__(self):
        self.text = None


class CycleDel(Fault):
    """Cycles that are never collected: one reference is never given back.

    As from an extension that forgets a Py_DECREF.  Without it the collector
    would free them, finaliser or not.
    """

    name = "cycle_del"
    verdict = "leak growth"
    endpoint = "POST /api/v1/chat"
    function = "link_turns"
    bytes_per_request = (1100, 1600)

    def link_turns(self):
        """Question and answer that know each other, and nobody else."""
        question = Turn(bytearray(1000))
        answer = Turn(None)
        question.peer, answer.peer = answer, question
        ctypes.pythonapi.Py_IncRef(ctypes.py_object(question))

    def on_chat(self, prompt):
        self.link_turns()


class CallbackClosure(Fault):
    """Callbacks are registered for each chat and never taken off."""

    name = "callback_closure"
    verdict = "growth"
    endpoint = "POST /api/v1/chat"
    function = "on_answer_done"
    bytes_per_request = (1100, 1500)

    def __init__(self):
        self.callbacks = []

    def on_answer_done(self, prompt):
        """Register a callback that holds on to a copy of the prompt."""
        context = bytearray(prompt.encode().ljust(1000)[:1000])
        self.callbacks.append(lambda: len(context))

    def on_chat(self, prompt):
        self.on_answer_done(prompt)


class NumpyKept(Fault):
    """Every query's vector is kept for a statistic that nobody asks for."""

    name = "numpy_kept"
    verdict = "growth"
    endpoint = "POST /api/v1/retrieval/search"
    function = "log_embedding"
    bytes_per_request = (1100, 1300)

    def __init__(self):
        self.vectors = []

    def log_embedding(self, vector):
        """256 floats and their array object."""
        self.vectors.append(vector.copy())

    def on_search(self, query, vector, hits):
        self.log_embedding(vector)


class ThreadLocal(Fault):
    """Each pool thread notes what it looked up."""

    name = "thread_local"
    verdict = "growth"
    endpoint = "GET /api/v1/memory/search"
    function = "note_lookup"
    bytes_per_request = (1000, 1200)

    def __init__(self):
        self.local = threading.local()

    def note_lookup(self, session):
        """Grows in as many places as there are threads."""
        if not hasattr(self.local, "notes"):
            self.local.notes = []
        self.local.notes.append(session.encode().ljust(1000)[:1000])

    def on_memory(self, session):
        self.note_lookup(session)


@functools.lru_cache(maxsize=None)
def normalised(query):
    """The query padded to 1,000 characters, remembered for ever."""
    return query.lower().ljust(1000)


class LruUnbounded(Fault):
    """A memo without bound; grows when queries do not repeat."""

    name = "lru_unbounded"
    verdict = "growth"
    endpoint = "POST /api/v1/retrieval/search"
    function = "normalised"
    bytes_per_request = (1000, 1400)

    def on_search(self, query, vector, hits):
        normalised(query)


@functools.lru_cache(maxsize=400)
def normalised_lately(query):
    """The same with a bound: 400 KiB, then flat."""
    return query.lower().ljust(1000)


class BoundedLru(Fault):
    """Fills 400 KiB in the first 400 different queries."""

    name = "bounded_lru"
    endpoint = "POST /api/v1/retrieval/search"
    function = "normalised_lately"

    def on_search(self, query, vector, hits):
        normalised_lately(query)


class Interned(Fault):
    """The words of titles are interned: as many as the corpus has."""

    name = "interned"
    endpoint = "POST /api/v1/retrieval/search"
    function = "intern_terms"

    def __init__(self):
        self.terms = set()

    def intern_terms(self, hits):
        """A set that ends with the vocabulary."""
        for hit in hits:
            self.terms.update(map(sys.intern, hit.title.split(".")))

    def on_search(self, query, vector, hits):
        self.intern_terms(hits)


class WarmupImports(Fault):
    """The first requests import what they need."""

    name = "warmup_imports"
    endpoint = "POST /api/v1/retrieval/search"
    function = "import_lazily"
    MODULES = """csv xml.etree.ElementTree sqlite3.dump decimal fractions
        statistics difflib pydoc doctest unittest.mock ftplib imaplib
        mailbox wave zipapp tarfile plistlib configparser curses.ascii
        turtledemo xmlrpc.server wsgiref.simple_server cgitb""".split()

    def __init__(self):
        self.wanted = list(reversed(self.MODULES))
        self.count = 0

    def import_lazily(self):
        """One module each hundred searches until all are there."""
        self.count += 1
        if self.wanted and self.count % 100 == 0:
            try:
                importlib.import_module(self.wanted.pop())
            except ImportError:
                pass  # gone from newer versions, or not installed

    def on_search(self, query, vector, hits):
        self.import_lazily()


FAULTS = {fault.name: fault for fault in (Fault, *Fault.__subclasses__())}


def planted():
    """The fault that the environment asks for."""
    name = os.environ.get("RAG_FAULT") or "none"
    if name not in FAULTS:
        raise SystemExit(f"RAG_FAULT={name} is none of {', '.join(FAULTS)}")
    return FAULTS[name]()


def truth():
    """Name to ground truth, for tests."""
    return {name: {"classes": fault.verdict.split(),
                   "endpoint": fault.endpoint,
                   "function": fault.function,
                   "bytes_per_request": fault.bytes_per_request}
            for name, fault in FAULTS.items()}


if __name__ == "__main__":
    json.dump(truth(), sys.stdout, indent=2)
