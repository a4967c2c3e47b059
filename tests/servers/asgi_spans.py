"""An ASGI server's worth of asyncio, without a server: requests that wait in
the middle of what they do, all on one thread.

    python3 asgi_spans.py PATH-OF-strandline.py PORT

serves by uvicorn; each request allocates by the C library what its path says,
half before and half after it has waited for the others.
"""

import asyncio
import ctypes
import importlib.util
import sys

import uvicorn

SPEC = importlib.util.spec_from_file_location("strandline", sys.argv[1])
strandline = importlib.util.module_from_spec(SPEC)
SPEC.loader.exec_module(strandline)

LIBC = ctypes.CDLL(None)
LIBC.malloc.restype = ctypes.c_void_p
LIBC.free.argtypes = [ctypes.c_void_p]


def allocate(size):
    LIBC.free(LIBC.malloc(size))


@strandline.span("think")
async def think(size):
    allocate(size)
    await asyncio.sleep(0.002)
    allocate(size)


async def app(scope, receive, send):
    if scope["type"] != "http":
        return
    size = 8_000_000 if scope["path"] == "/big" else 0
    if size:
        allocate(size)
        await asyncio.create_task(think(size))
        allocate(size)
    else:
        await asyncio.sleep(0.001)
        with strandline.span("nothing"):
            pass
    await send({"type": "http.response.start", "status": 200,
                "headers": [(b"content-length", b"2")]})
    await send({"type": "http.response.body", "body": b"ok"})


if __name__ == "__main__":
    uvicorn.run(strandline.Middleware(app), port=int(sys.argv[2]),
                lifespan="off", log_level="warning", loop="asyncio")
