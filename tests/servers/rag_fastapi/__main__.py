"""python3 -m rag_fastapi [--port N] [--loop asyncio|uvloop] [--workers N]

One worker is uvicorn in this process; more are gunicorn's, which replaces
this process.
"""

import argparse
import os
import pathlib
import sys

APP = "rag_fastapi.app:app"
FOLDER = pathlib.Path(__file__).resolve().parent.parent
WORKERS = {"uvloop": "uvicorn.workers.UvicornWorker",
           "asyncio": "uvicorn.workers.UvicornH11Worker"}


def parse():
    """The command line."""
    parser = argparse.ArgumentParser(
        prog="rag_fastapi", description="The RAG service on FastAPI.")
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=8000)
    parser.add_argument("--loop", choices=sorted(WORKERS), default="asyncio")
    parser.add_argument("--workers", type=int, default=1)
    return parser.parse_args()


def main():
    """Serve until told to stop."""
    options = parse()
    if options.workers > 1:
        os.execv(sys.executable, [
            sys.executable, "-m", "gunicorn", "--chdir", str(FOLDER),
            "--bind", f"{options.host}:{options.port}",
            "--workers", str(options.workers), "--log-level", "warning",
            "--worker-class", WORKERS[options.loop], APP])
    sys.path.insert(0, str(FOLDER))
    import uvicorn  # not wanted where gunicorn imports it
    uvicorn.run(APP, host=options.host, port=options.port, loop=options.loop,
                log_level="warning")


main()
