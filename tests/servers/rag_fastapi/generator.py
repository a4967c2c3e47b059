"""A small local generator: a word chain over the passages that were found.

It says nothing wise, but it streams real words at the pace of a small model,
and the same prompt gives the same answer on every machine.
"""

import random
import zlib


class Generator:
    """Generates answers.  Holds no state between two of them."""

    def __init__(self, order=2):
        self.order = order

    def chain(self, texts):
        """What follows each run of `order` words in the passages."""
        followers = {}
        for text in texts:
            words = text.split()
            for start in range(len(words) - self.order):
                key = tuple(words[start:start + self.order])
                followers.setdefault(key, []).append(
                    words[start + self.order])
        return followers

    def stream(self, prompt, texts, limit):
        """Yield up to @limit tokens, each with its leading blank."""
        followers = self.chain(texts)
        if not followers:
            yield "I found nothing about that."
            return
        chance = random.Random(zlib.crc32(prompt.encode()))
        starts = sorted(followers)
        key = chance.choice(starts)
        yield " ".join(key)
        for _ in range(limit - 1):
            if key not in followers:
                key = chance.choice(starts)
            word = chance.choice(followers[key])
            yield f" {word}"
            key = (*key[1:], word)
