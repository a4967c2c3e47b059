"""Hybrid search: FAISS for meaning, SQLite FTS5 for words, fused by rank.

The prepared corpus (full-text database and vectors) is kept in a cache
folder: the first start builds it, later ones load it.  Each process searches
its own copy in memory, so an ingest is seen by the worker that took it.
"""

import contextlib
import hashlib
import os
import pathlib
import sqlite3
import sys
import tempfile
import threading
from typing import NamedTuple

import faiss
import numpy

from . import corpus, embedder

FORMAT = 1  # of the cached files: raised when their making changes
CANDIDATES = 50  # taken from each ranking before they are fused
RRF_K = 60  # of reciprocal rank fusion, as in the literature
STOPWORDS = frozenset("""a an and are as at be by can do does for from how i
    if in into is it my not of on or so than that the then there this to what
    when where which who why with you""".split())
SCHEMA = """
CREATE TABLE passage (id INTEGER PRIMARY KEY, title TEXT, text TEXT);
CREATE VIRTUAL TABLE words USING fts5(
    title, text, content='passage', content_rowid='id',
    tokenize='porter unicode61');
"""


class Hit(NamedTuple):
    """One passage that was found."""

    id: int
    score: float
    title: str
    snippet: str


def cache_folder():
    """RAG_CACHE, or where the user's caches are."""
    home = os.environ.get("XDG_CACHE_HOME") or pathlib.Path.home() / ".cache"
    return pathlib.Path(os.environ.get("RAG_CACHE")
                        or pathlib.Path(home) / "strandline" / "rag")


def insert(database, first_id, pairs):
    """Add passages, numbered from @first_id, to table and full text."""
    rows = [(first_id + n, *pair) for n, pair in enumerate(pairs)]
    for table, key in (("passage", "id"), ("words", "rowid")):
        database.executemany(
            f"INSERT INTO {table}({key}, title, text) VALUES (?, ?, ?)", rows)
    database.commit()


def build(folder, stem, limit, embed_documents):
    """Make the cached files; each appears whole or not at all."""
    pairs = list(corpus.passages(limit))
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder) as scratch:
        database = sqlite3.connect(pathlib.Path(scratch) / "db")
        database.executescript(SCHEMA)
        insert(database, 1, pairs)
        database.execute("INSERT INTO words(words) VALUES ('optimize')")
        database.commit()
        database.close()
        numpy.save(pathlib.Path(scratch) / "vectors.npy",
                   embed_documents([" ".join(pair) for pair in pairs]))
        # The database last: it is the one whose presence is asked for.
        os.replace(pathlib.Path(scratch) / "vectors.npy",
                   folder / f"{stem}.npy")
        os.replace(pathlib.Path(scratch) / "db", folder / f"{stem}.db")


def prepared(limit, embed_documents):
    """(database path, vectors) of the corpus, built when not there yet."""
    folder = cache_folder()
    key = f"{FORMAT} {sys.version} {embedder.DIMENSIONS} {limit}"
    stem = f"corpus-{hashlib.sha256(key.encode()).hexdigest()[:16]}"
    if not (folder / f"{stem}.db").exists():
        build(folder, stem, limit, embed_documents)
    return folder / f"{stem}.db", numpy.load(folder / f"{stem}.npy")


def match_expression(query):
    """FTS5's syntax for: any of these words; empty when there is none."""
    words = dict.fromkeys(embedder.WORD.findall(query.lower()))
    wanted = [word for word in words if word not in STOPWORDS]
    return " OR ".join(f'"{word}"' for word in wanted[:16])


def fuse(rankings):
    """Reciprocal rank fusion: (id, score), best first, ties by id."""
    scores = {}
    for ranking in rankings:
        for rank, passage in enumerate(ranking, start=1):
            scores[passage] = scores.get(passage, 0.0) + 1 / (RRF_K + rank)
    return sorted(scores.items(), key=lambda item: (-item[1], item[0]))


class Index:
    """The passages of one process, searchable.  Any thread may call."""

    def __init__(self, limit, encoder):
        faiss.omp_set_num_threads(1)  # the workers are the parallelism
        self.encoder = encoder
        path, vectors = prepared(limit, encoder.embed_documents)
        self.database = sqlite3.connect(":memory:", check_same_thread=False)
        with contextlib.closing(sqlite3.connect(path)) as stored:
            stored.backup(self.database)
        self.vectors = faiss.IndexFlatIP(embedder.DIMENSIONS)
        self.vectors.add(vectors)
        self.lock = threading.Lock()  # guards both, and that they agree

    def __len__(self):
        return self.vectors.ntotal

    def by_meaning(self, vector, limit):
        """Ids of the nearest passages and their similarities."""
        scores, rows = self.vectors.search(vector[numpy.newaxis, :], limit)
        return [(int(row) + 1, float(score))
                for row, score in zip(rows[0], scores[0]) if row >= 0]

    def by_words(self, query, limit):
        """Ids of the best passages by BM25."""
        expression = match_expression(query)
        if not expression:
            return []
        return [row[0] for row in self.database.execute(
            "SELECT rowid FROM words WHERE words MATCH ?"
            " ORDER BY rank LIMIT ?", (expression, limit))]

    def ranked(self, query, vector, mode):
        """(id, score) pairs, best first."""
        nearest = self.by_meaning(vector, CANDIDATES)
        if mode == "vector":
            return nearest
        return fuse([[passage for passage, _ in nearest],
                     self.by_words(query, CANDIDATES)])

    def snippet(self, passage, expression):
        """The part of a passage where the query's words stand."""
        row = self.database.execute(
            "SELECT snippet(words, 1, '<b>', '</b>', '...', 24) FROM words"
            " WHERE words MATCH ? AND rowid = ?",
            (expression, passage)).fetchone() if expression else None
        return row[0] if row else None

    def search(self, query, vector, limit, mode):
        """The @limit best passages, with the words found marked."""
        expression = match_expression(query)
        hits = []
        with self.lock:
            for passage, score in self.ranked(query, vector, mode)[:limit]:
                title, text = self.database.execute(
                    "SELECT title, text FROM passage WHERE id = ?",
                    (passage,)).fetchone()
                snippet = self.snippet(passage, expression) or text[:160]
                hits.append(Hit(passage, round(score, 6), title, snippet))
        return hits

    def texts(self, passages):
        """The whole text of each passage."""
        with self.lock:
            return [self.database.execute(
                "SELECT text FROM passage WHERE id = ?",
                (passage,)).fetchone()[0] for passage in passages]

    def ingest(self, pairs):
        """Add (title, text) passages; returns their ids."""
        if not pairs:
            return []
        vectors = self.encoder.embed_documents(
            [" ".join(pair) for pair in pairs])
        with self.lock:
            first_id = len(self) + 1
            insert(self.database, first_id, pairs)
            self.vectors.add(vectors)
        return list(range(first_id, first_id + len(pairs)))
