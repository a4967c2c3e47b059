"""Text to unit vectors: hashed n-grams through a fixed random projection.

No model to download and no randomness at run time, yet texts that share
words and parts of words land close to each other, and a query costs what a
small local model costs: a walk over the text and a matrix product.
"""

import re
import zlib

import numpy

DIMENSIONS = 256
BUCKETS = 16384
WORD = re.compile(r"[a-z0-9_]+")


def features(text):
    """Bucket numbers of the words and of their letter trigrams."""
    buckets = []
    for word in WORD.findall(text.lower()):
        buckets.append(zlib.crc32(word.encode()) % BUCKETS)
        marked = f"<{word}>"
        for start in range(len(marked) - 2):
            trigram = marked[start:start + 3].encode()
            buckets.append(zlib.crc32(trigram, 1) % BUCKETS)
    return buckets


class Embedder:
    """Embeds queries and passages in the same space."""

    def __init__(self):
        generator = numpy.random.Generator(numpy.random.PCG64(20))
        self.projection = generator.standard_normal(
            (BUCKETS, DIMENSIONS), dtype=numpy.float32)

    def embed(self, text):
        """One unit vector; the zero vector for a text without words."""
        buckets, counts = numpy.unique(
            numpy.asarray(features(text), dtype=numpy.int64),
            return_counts=True)
        weights = numpy.sqrt(counts).astype(numpy.float32)
        vector = weights @ self.projection[buckets]
        norm = float(numpy.linalg.norm(vector))
        return vector / numpy.float32(norm or 1.0)

    def embed_documents(self, texts):
        """A row for each text."""
        return numpy.stack([self.embed(text) for text in texts])
