"""What was said in a session: in Redis when REDIS_URL is set, else here.

Both keep the last TURNS turns of a session; the one in the process forgets
the session that was silent longest once there are more than SESSIONS.
"""

import collections
import json
import os

TURNS = 20
SESSIONS = 1000
EXPIRY_SECONDS = 3600


class LocalMemory:
    """Sessions of this process, bounded in number and in length."""

    def __init__(self):
        self.sessions = collections.OrderedDict()

    async def remember(self, session, role, text):
        """Add one turn to a session."""
        turns = self.sessions.setdefault(
            session, collections.deque(maxlen=TURNS))
        self.sessions.move_to_end(session)
        turns.append((role, text))
        if len(self.sessions) > SESSIONS:
            self.sessions.popitem(last=False)

    async def recall(self, session):
        """The turns of a session, oldest first."""
        return list(self.sessions.get(session, ()))


class RedisMemory:
    """Sessions shared by all workers."""

    def __init__(self, url):
        from redis import asyncio as redis  # only wanted with REDIS_URL
        self.redis = redis.from_url(url, decode_responses=True)

    async def remember(self, session, role, text):
        """Add one turn to a session."""
        async with self.redis.pipeline() as pipeline:
            pipeline.rpush(f"session:{session}", json.dumps((role, text)))
            pipeline.ltrim(f"session:{session}", -TURNS, -1)
            pipeline.expire(f"session:{session}", EXPIRY_SECONDS)
            await pipeline.execute()

    async def recall(self, session):
        """The turns of a session, oldest first."""
        turns = await self.redis.lrange(f"session:{session}", 0, -1)
        return [tuple(json.loads(turn)) for turn in turns]


def open_memory():
    """The memory that the environment asks for."""
    url = os.environ.get("REDIS_URL")
    return RedisMemory(url) if url else LocalMemory()
