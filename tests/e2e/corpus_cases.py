"""Servers whose memory is known, what is put on them, and their truth.

Those of tests/programs/corpus state it in their heads (corpus.h there); the
two RAG servers state it for each fault that can be planted in them.  A load
is written so, in a head or below:

    8 x 2000/s                      8 connections, 2,000 GET /work a second
    8 x 600/s /a=2,/b               two of /a to one of /b
    8 x 500/s for 1/2; 8 x 1000/s for 1/2     one after the other
    8 x 2000/s + 64 x 8/s /slow               both at once
"""

import dataclasses
import fractions
import json
import os
import pathlib
import re
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parents[2]
SOURCES = ROOT / "tests/programs/corpus"
sys.path.insert(0, str(ROOT / "tests/servers"))

import serve  # noqa: E402  (stands in tests/servers)

CLASSES = ["clean", "leak", "growth", "retention", "mappings", "threads",
           "fds", "inconclusive"]
LARGE = 256  # bytes per request: from here on, half the time must do


@dataclasses.dataclass
class Stream:
    """Requests that come in one way."""

    connections: int
    rate: float
    mix: str

    @classmethod
    def parse(cls, text):
        """`8 x 2000/s /work`"""
        found = re.fullmatch(r"(\d+) x ([\d.]+)/s(?: (\S+))?", text.strip())
        if not found:
            raise ValueError(f"not a load: '{text}'")
        return cls(int(found[1]), float(found[2]), found[3] or "/work")


@dataclasses.dataclass
class Phase:
    """Streams that run side by side for a share of the time."""

    streams: list
    share: fractions.Fraction

    @classmethod
    def parse(cls, text):
        """`8 x 2000/s + 64 x 8/s /slow for 1/2`"""
        streams, _, share = text.partition(" for ")
        return cls([Stream.parse(s) for s in streams.split("+")],
                   fractions.Fraction(share or 1))


@dataclasses.dataclass
class Truth:
    """What a verdict must say."""

    classes: list         # one of them
    also: list            # may be found besides, of the same functions
    functions: list       # one of them
    bytes: tuple = None   # for each request of `path`: at least, at most
    path: str = None      # of the requests that it is about; None: all
    things: float = None  # threads or descriptors for each request


class Case:
    """A server, its truth and its load."""

    def __init__(self, name, truth, load):
        self.name = name
        self.truth = truth
        self.load = [Phase.parse(text) for text in load.split(";")]
        if sum(phase.share for phase in self.load) != 1:
            raise ValueError(f"{name}: the load's shares are not the whole")

    @property
    def clean(self):
        """Whether any finding would be a false alarm."""
        return self.truth.classes == ["clean"]

    in_python = False  # whether what it keeps is CPython's

    @property
    def seconds(self):
        """How long the issue gives it."""
        large = self.truth.bytes and self.truth.bytes[0] >= LARGE
        return 30 if large else 60

    def requests(self, seconds, faster):
        """How many will be made."""
        return round(sum(stream.rate * faster * phase.share * seconds
                         for phase in self.load for stream in phase.streams))

    def start(self, under, build, requests, seconds, **options):
        """Start the server by the command @under: (process, port)."""
        raise NotImplementedError


class Corpus(Case):
    """One of tests/programs/corpus."""

    def __init__(self, source):
        fields = self._fields(source.read_text())
        size, _, path = fields.get("bytes", "").partition(" of ")
        super().__init__(source.stem, Truth(
            classes=fields["class"].split("|"),
            also=fields.get("also", "").split(),
            functions=fields.get("function", "").split("|"),
            bytes=(float(size), float(size)) if size else None,
            path=path or None,
            things=float(fields["things"]) if "things" in fields else None),
            fields.get("load", "8 x 2000/s"))

    @staticmethod
    def _fields(text):
        head = text[:text.index("*/")]
        joined = re.sub(r"\n \*  +", " ", head)
        return dict(re.findall(r"^ \* ([a-z]+): (.*)$", joined, re.M))

    def start(self, under, build, requests, seconds, **options):
        server = subprocess.Popen(
            [*under, build / "tests/programs/corpus" / self.name,
             str(requests), str(seconds)],
            stdout=subprocess.PIPE, text=True, start_new_session=True,
            **options)
        line = server.stdout.readline()
        if not line.startswith("listening on "):
            raise RuntimeError(f"{self.name}: no server: '{line}'")
        return server, int(line.split()[-1])


class Planted(Case):
    """A RAG server with one of its faults."""

    LOADS = {"rag_c": "8 x 400/s search=2,chat",
             "rag_fastapi": "8 x 140/s search=5,chat + 4 x 30/s memory"}

    def __init__(self, server, fault, said):
        self.server = server
        self.fault = fault
        self.in_python = (server == "rag_fastapi" and
                          said["classes"] != ["leak"])
        low, high = said["bytes_per_request"]
        if set(said["classes"]) & {"threads", "fds"}:
            high = 0  # their findings count things
        super().__init__(f"{server}.{fault}", Truth(
            classes=said["classes"],
            also=["growth", "leak", "mappings"]
            if "threads" in said["classes"] else [],
            functions=[said["function"] or ""],
            bytes=(low, high) if high else None,
            path=(said["endpoint"] or "").split(" ")[-1] or None),
            self._load(server, fault, said["endpoint"] or ""))

    @classmethod
    def _load(cls, server, fault, endpoint):
        if (server, fault) == ("rag_fastapi", "slow_endpoint"):
            return "8 x 140/s search=5,chat + 32 x 20/s memory"
        if (server, fault) == ("rag_c", "slow_endpoint"):
            return "8 x 300/s search + 32 x 20/s chat"
        if server == "rag_fastapi" and endpoint.endswith("/chat"):
            return "8 x 140/s search,chat + 4 x 30/s memory"
        return cls.LOADS[server]

    def start(self, under, build, requests, seconds, **options):
        port = serve.free_port()
        command = (serve.rag_c(port, build) if self.server == "rag_c"
                   else serve.rag_fastapi(port))
        server = subprocess.Popen(
            [*under, *command], stdout=subprocess.DEVNULL,
            start_new_session=True, **options,
            env={**os.environ, "RAG_FAULT": self.fault})
        serve.wait_until(lambda: server.poll() is not None or
                         serve.answers(port), what=f"{self.name} on {port}")
        return server, port


def corpus():
    """Those of tests/programs/corpus, by name."""
    found = [Corpus(path) for folder in ("clean", "faulty")
             for path in sorted((SOURCES / folder).glob("*.c*"))]
    return {case.name: case for case in found}


def planted(build):
    """Those of the RAG servers that are there, by name."""
    said = {"rag_fastapi": [serve.PYTHON, "-m", "rag_fastapi.faults"]}
    if (build / "tests/servers/rag_c").exists():
        said["rag_c"] = [build / "tests/servers/rag_c", "--faults"]
    found = []
    for server, command in said.items():
        done = subprocess.run(command, check=True, capture_output=True,
                              cwd=ROOT / "tests/servers", timeout=30)
        found += [Planted(server, fault, truth)
                  for fault, truth in json.loads(done.stdout).items()]
    return {case.name: case for case in found}


# Which endpoint the load tool's kinds of request go to.
PATHS = {"search": "/api/v1/retrieval/search",
         "vector": "/api/v1/retrieval/search",
         "chat": "/api/v1/chat",
         "ingest": "/api/v1/retrieval/ingest",
         "memory": "/api/v1/memory/search"}
