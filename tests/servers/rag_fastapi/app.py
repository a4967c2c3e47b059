"""The service: routes, their models, and what happens in a request.

  POST /api/v1/retrieval/search   hybrid or vector-only search
  POST /api/v1/chat               an answer streamed as server-sent events
  POST /api/v1/retrieval/ingest   more passages (for the worker that got it)
  GET  /api/v1/memory/search      turns of a session that contain a word
  GET  /health                    200 once the index is loaded
  GET  /metrics                   Prometheus text

Environment: REDIS_URL (session memory shared by workers), RAG_CACHE (folder
of the prepared index), RAG_PASSAGES (how many, 10,000), RAG_FAULT (faults.py).

A search runs on the event loop, as most services of this kind do: it is all
CPU, and a thread would only add its hand-over.  Lookups that may wait run in
the thread pool.
"""

import asyncio
import json
import os
import time
from typing import List, Optional

from fastapi import FastAPI, Query, Response
from fastapi.responses import StreamingResponse
from pydantic import BaseModel, Field
from typing_extensions import Literal

from . import faults, memory, metrics
from .embedder import Embedder
from .generator import Generator
from .index import Index

CONTEXT_PASSAGES = 4


class SearchRequest(BaseModel):
    """A search."""

    query: str = Field(min_length=1, max_length=2000)
    top_k: int = Field(default=8, ge=1, le=100)
    mode: Literal["hybrid", "vector"] = "hybrid"


class SearchHit(BaseModel):
    """One passage found."""

    id: int
    score: float
    title: str
    snippet: str


class SearchResponse(BaseModel):
    """What was found, best first."""

    query: str
    mode: str
    total: int
    hits: List[SearchHit]


class ChatRequest(BaseModel):
    """A question within a session."""

    message: str = Field(min_length=1, max_length=4000)
    session_id: str = Field(default="default", min_length=1, max_length=128)
    max_tokens: int = Field(default=48, ge=1, le=1024)
    token_delay_ms: float = Field(default=0, ge=0, le=1000)


class Document(BaseModel):
    """A passage to take in."""

    title: str = Field(min_length=1, max_length=200)
    text: str = Field(min_length=1, max_length=20000)


class IngestRequest(BaseModel):
    """Passages to take in."""

    documents: List[Document]


class IngestResponse(BaseModel):
    """Their ids, and how many passages there are now."""

    ids: List[int]
    passages: int


class Turn(BaseModel):
    """One thing said in a session."""

    role: str
    text: str


class MemoryResponse(BaseModel):
    """The turns found."""

    session_id: str
    turns: List[Turn]


class Timing:
    """ASGI middleware: counts each request by its route and status."""

    def __init__(self, app, counters):
        self.app = app
        self.counters = counters

    async def __call__(self, scope, receive, send):
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        status = 500
        began = time.perf_counter()

        async def sending(message):
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        try:
            await self.app(scope, receive, sending)
        finally:
            route = getattr(scope.get("route"), "path", "_OTHER")
            self.counters.observe(scope["method"], route, status,
                                  time.perf_counter() - began)


app = FastAPI(title="RAG service")
counters = metrics.Metrics()
app.add_middleware(Timing, counters=counters)
encoder = Embedder()
index = Index(int(os.environ.get("RAG_PASSAGES", "10000")), encoder)
generator = Generator()
sessions = memory.open_memory()
fault = faults.planted()
fault.on_start()


@app.post("/api/v1/retrieval/search", response_model=SearchResponse)
async def search(request: SearchRequest):
    """Find passages by meaning and words, or by meaning only."""
    vector = encoder.embed(request.query)
    hits = index.search(request.query, vector, request.top_k, request.mode)
    fault.on_search(request.query, vector, hits)
    return SearchResponse(
        query=request.query, mode=request.mode, total=len(hits),
        hits=[SearchHit(**hit._asdict()) for hit in hits])


def prompt_of(turns, texts, message):
    """The text that a language model would be given."""
    said = "\n".join(f"{role}: {text}" for role, text in turns)
    return "\n\n".join([*texts, said, f"user: {message}"])


def event(payload):
    """One server-sent event."""
    return f"data: {json.dumps(payload)}\n\n"


async def answer(request, prompt, texts):
    """The events of one answer; the turn is remembered at its end."""
    tokens = []
    for token in generator.stream(prompt, texts, request.max_tokens):
        tokens.append(token)
        yield event({"token": token})
        await asyncio.sleep(request.token_delay_ms / 1000)
    await sessions.remember(request.session_id, "user", request.message)
    await sessions.remember(request.session_id, "assistant", "".join(tokens))
    yield event({"done": True, "tokens": len(tokens)})


@app.post("/api/v1/chat")
async def chat(request: ChatRequest):
    """Answer from the passages found and the session so far."""
    vector = encoder.embed(request.message)
    hits = index.search(request.message, vector, CONTEXT_PASSAGES, "hybrid")
    texts = index.texts([hit.id for hit in hits])
    turns = await sessions.recall(request.session_id)
    prompt = prompt_of(turns, texts, request.message)
    fault.on_chat(prompt)
    return StreamingResponse(answer(request, prompt, texts),
                             media_type="text/event-stream")


@app.post("/api/v1/retrieval/ingest", response_model=IngestResponse)
def ingest(request: IngestRequest):
    """Take in passages; they are found from the next search on."""
    ids = index.ingest([(document.title, document.text)
                        for document in request.documents])
    return IngestResponse(ids=ids, passages=len(index))


@app.get("/api/v1/memory/search", response_model=MemoryResponse)
async def memory_search(session_id: str = Query(min_length=1),
                        q: Optional[str] = None):
    """The turns of a session that contain @q; all of them without it."""
    await asyncio.get_running_loop().run_in_executor(
        None, fault.on_memory, session_id)
    turns = await sessions.recall(session_id)
    return MemoryResponse(
        session_id=session_id,
        turns=[Turn(role=role, text=text) for role, text in turns
               if not q or q.lower() in text.lower()])


@app.get("/health")
async def health():
    """Answers once everything is loaded."""
    return {"status": "ok", "passages": len(index), "fault": fault.name}


@app.get("/metrics")
async def prometheus():
    """What Prometheus scrapes."""
    return Response(counters.text({"rag_passages": len(index)}),
                    media_type="text/plain; version=0.0.4")
