"""An ASGI server whose modules, threads and code come and go with requests.

    python_churn_server.py PORT
"""

import collections
import importlib
import itertools
import pathlib
import sys
import tempfile
import threading

import uvicorn

FOLDER = pathlib.Path(tempfile.mkdtemp())
sys.path.insert(0, str(FOLDER))
SOURCE = """
class Answer{n}:
    def __init__(self):
        self.text = [str(i) * 20 for i in range({n} % 50)]
def answer():
    return Answer{n}()
"""
NUMBERS = itertools.count()
NAMES = collections.deque(f"churned_{i}" for i in range(40))


def renewed():
    """A module that has come in the place of another."""
    n = next(NUMBERS)
    name = NAMES[0]
    NAMES.rotate(1)
    (FOLDER / f"{name}.py").write_text(SOURCE.format(n=n))
    importlib.invalidate_caches()
    if n % 3 == 0:
        sys.modules.pop(name, None)
    if name in sys.modules:
        return importlib.reload(sys.modules[name])
    return importlib.import_module(name)


def on_thread(n):
    """Code that is new by name and by place, in a thread that is new."""
    scope = {}
    exec("\n" * (n % 100) + f"def f{n}(): return bytes({n % 9999})", scope)
    scope[f"f{n}"]()


async def app(scope, receive, send):
    """Answers GET /anything."""
    if scope["type"] != "http":
        return
    module = renewed()
    threads = [threading.Thread(target=on_thread, args=(next(NUMBERS),))
               for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    body = f"{len(module.answer().text) >= 0}\n".encode()
    await send({"type": "http.response.start", "status": 200,
                "headers": [(b"content-length", b"%d" % len(body))]})
    await send({"type": "http.response.body", "body": body})


uvicorn.run(app, port=int(sys.argv[1]), log_level="warning", lifespan="off")
