"""What a RAG server does, in one process and without a network, so that an
oracle can look at every allocation: requests through FastAPI on asyncio and
uvloop, numpy, SQLite, JSON, threads, deep recursion, exceptions."""

import asyncio
import json
import re
import sqlite3
import sys
import threading

try:
    import httpx
    import numpy as np
    from fastapi import FastAPI
except ImportError as missing:
    print(missing)
    sys.exit(77)

app = FastAPI()
database = sqlite3.connect(":memory:", check_same_thread=False)
database.execute("create table passages(id integer, body text)")
database.executemany(
    "insert into passages values (?, ?)",
    [(i, f"passage {i} " * 20) for i in range(300)],
)
vectors = np.random.default_rng(1).standard_normal((300, 64))


def recurse(depth):
    return len(str(depth) * 600) + (recurse(depth - 1) if depth else 0)


@app.get("/search")
async def search(q: str):
    query = np.frombuffer(q.encode().ljust(512, b"."), dtype=np.uint8)
    scores = vectors @ query.reshape(64, 8).mean(axis=1)
    best = np.argsort(scores)[-5:]
    rows = [
        database.execute(
            "select body from passages where id = ?", (int(i),)
        ).fetchone()
        for i in best
    ]
    return {"rows": rows, "words": re.findall(r"\w+", rows[0][0] * 5)}


@app.get("/fail")
def fail():
    try:
        json.loads("{" * 50)
    except ValueError as error:
        return {"error": str(error)}


async def requests(count):
    transport = httpx.ASGITransport(app=app)
    async with httpx.AsyncClient(transport=transport, base_url="http://t") as c:
        for i in range(count):
            (await c.get("/search", params={"q": f"words {i}"})).json()
            (await c.get("/fail")).json()


def work():
    for i in range(10):
        np.linalg.svd(np.ones((12, 12)) + i)
        json.loads(json.dumps({"list": list(range(200)), "text": "x" * 2000}))
        sorted(range(100), key=lambda n: str(n) * 200)


threads = [threading.Thread(target=work) for _ in range(3)]
for thread in threads:
    thread.start()
asyncio.run(requests(8))
try:
    import uvloop

    uvloop.install()
    asyncio.run(requests(8))
except ImportError:
    pass
for thread in threads:
    thread.join()
sys.setrecursionlimit(5000)
recurse(2500)
