"""What Python servers are made of today: PyPI's packages on CPython 3.13.

The bundled server on the current FastAPI, uvicorn, numpy and faiss-cpu, the
ways that uvicorn and gunicorn start workers, greenlets, and extensions from
Cython.  All of it with --all only (scripts/pythons.sh makes the environment).
"""

import json
import os
import subprocess

import pytest

import serve
from conftest import ROOT, Recording
from pythons import made
from test_inject import Attached, children_of, under_load
from test_python import disagreement, functions, run
from test_servers import answers

pytestmark = pytest.mark.long

FOLDER = ROOT / "tests/servers"
MODES = {"exact": ["--mode", "exact"], "sample": ["--rate", "64KiB"]}
APP = "rag_fastapi.app:app"
SEARCH = "POST /api/v1/retrieval/search"


@pytest.fixture(scope="module")
def web():
    """The interpreter of today's packages."""
    return made("web").path


@pytest.fixture(scope="module", params=["debian", "web"])
def python(request):
    """Debian's interpreter and packages, and today's."""
    return serve.PYTHON if request.param == "debian" else made("web").path


def frames(report):
    return {(f["function"].rpartition(".")[2], f["file"].rpartition("/")[2])
            for s in report["sites"] for f in s["stack"]
            if f["kind"] == "python"}


def check(report, asked):
    """What is to be seen of the bundled server, whichever way it runs."""
    assert not any(report["losses"].values()), report["losses"]
    assert not [p for p in report["problems"] if "Python" in p]
    assert {("search", "app.py"), ("embed", "embedder.py")} <= frames(report)
    endpoint = next(e for e in report["endpoints"]
                    if f"{e['method']} {e['route']}" == SEARCH)
    assert endpoint["count"] == asked and endpoint["errors"] == 0


def check_types(report):
    """What RAG_FAULT=python_cache keeps."""
    kept = [s for s in report["sites"]
            if "PythonCache.remember_answer" in functions(s)
            and s.get("objects", {}).get("holder_type") == "dict"]
    assert {"dict", "str"} & {s["objects"]["type"] for s in kept}


def check_leak(report):
    """Who keeps it."""
    assert report["verdict"]["class"] == "growth", report["verdict"]
    assert any("remember_answer" in (f.get("where") or {}).get("function", "")
               for f in report["findings"]), report["verdict"]


@pytest.mark.parametrize("mode", ["sample", "exact"])
def test_todays_packages_run_as_without_us(product, recording, web, mode):
    port = serve.free_port()
    command = serve.rag_fastapi(port, "uvloop", python=web)
    with serve.running(command, port):
        plain = answers(port)
    with serve.running([*product.under(recording.path, "--mode", mode),
                        *command], port):
        assert answers(port) == plain
        seen = product.load(port, "-n", "300", "-m", "search")
        assert seen["errors"] == 0
    check(recording.json(), 300 + 3)  # three of QUESTIONS are searches


def test_a_planted_leak_is_named(product, recording, web, monkeypatch):
    monkeypatch.setenv("RAG_FAULT", "python_cache")
    port = serve.free_port()
    with serve.running([*product.under(recording.path),
                        *serve.rag_fastapi(port, "uvloop", python=web)],
                       port):
        seen = product.load(port, "-d", 60, "-r", 100, "-m", "search",
                            "--unique")
    report = recording.json()
    check(report, seen["count"])
    check_types(report)
    check_leak(report)


def test_a_running_server_is_entered(product, web, tmp_path, monkeypatch):
    monkeypatch.setenv("RAG_FAULT", "python_cache")
    port = serve.free_port()
    with serve.running(serve.rag_fastapi(port, "uvloop", python=web),
                       port) as server:
        plain = answers(port)
        attached = Attached(product, server.pid, tmp_path / "t.strand")
        seen = product.load(port, "-d", 60, "-r", 100, "-m", "search",
                            "--unique")
        assert seen["errors"] == 0
        attached.interrupt()
        # A passage more is there since, to be found and counted.
        assert answers(port)[6] == plain[6]
    report = Recording(product, tmp_path / "t.strand").json()
    check(report, seen["count"])
    check_leak(report)


def ways(python, port):
    """Each way to start the server on several processes."""
    uvicorn = [python, "-m", "uvicorn", "--app-dir", FOLDER, APP, "--port",
               port, "--log-level", "warning"]
    return {
        "preload": [python, "-m", "gunicorn", "--chdir", FOLDER, "--bind",
                    f"127.0.0.1:{port}", "--workers", "2", "--preload",
                    "--worker-class", "uvicorn.workers.UvicornWorker",
                    "--log-level", "warning", APP],
        "workers": [*uvicorn, "--workers", "2"],
        "reload": [*uvicorn, "--reload", "--reload-dir", FOLDER / "tap"],
    }


WAYS = ["preload", "workers", "reload"]


@pytest.mark.parametrize("way", WAYS)
def test_workers_are_followed(product, recording, python, way):
    port = serve.free_port()
    command = list(map(str, ways(python, port)[way]))
    with serve.running([*product.under(recording.path), *command], port):
        seen = product.load(port, "-n", "300", "-m", "search")
        assert seen["errors"] == 0
    check(recording.json(), 300)


def descendants(pid):
    """Every process below one, the oldest first."""
    found = []
    for child in children_of(pid):
        found += [child, *descendants(child)]
    return found


@pytest.mark.parametrize("way", WAYS)
def test_a_worker_is_entered(product, web, way, tmp_path, eventually):
    port = serve.free_port()
    command = list(map(str, ways(web, port)[way]))
    with serve.running(command, port) as server:
        with under_load(product, port, "-m", "search"):
            for number, worker in enumerate(descendants(server.pid)):
                if b"resource_tracker" in open(
                        f"/proc/{worker}/cmdline", "rb").read():
                    continue
                attached = Attached(product, worker,
                                    tmp_path / f"{number}.strand")
                eventually(lambda: frames(attached.recording.json()) >=
                           {("search", "app.py")}, 60)
                attached.interrupt()
                assert not any(
                    attached.recording.json()["losses"].values())


@pytest.mark.parametrize("mode", MODES)
def test_greenlets_have_stacks_of_their_own(product, recording, web, mode):
    printed = run(product, recording,
                  [web, ROOT / "tests/programs/python_greenlets.py"],
                  *MODES[mode])
    assert not disagreement(recording, printed)
    assert not any(recording.json()["losses"].values())
    for site in recording.json()["sites"]:
        names = functions(site)
        if "down" in names:  # else another's frames, or none, stood outside
            assert names[0] == "[greenlet]" and "[broken]" not in names
            assert not any("_PyEval_EvalFrame" in name for name in names)


GREENLET = """
import gevent, sys
def spin():
    print("there", flush=True)
    while True: pass
def asked():
    spin()
gevent.spawn(asked)
gevent.sleep(0)
"""


def test_a_greenlets_stack_is_its_own(product, web):
    process = subprocess.Popen([web, "-c", GREENLET], text=True,
                               stdout=subprocess.PIPE)
    try:
        assert process.stdout.readline() == "there\n"
        told = json.loads(product("stacks", process.pid, "--json"))
    finally:
        process.kill()
        process.wait()
        process.stdout.close()
    thread, = told["threads"]
    assert thread["outer_end"] == "greenlet"
    assert [f["function"] for f in thread["stack"]
            if f["kind"] == "python"] == ["asked", "spin"]
    assert not any("_PyEval_EvalFrame" in f["function"]
                   for f in thread["stack"])


CYTHON = """
from libc.stdlib cimport malloc

cdef void *kept = NULL

cdef int inner(size_t size) except -1:
    global kept
    kept = malloc(size)
    return 0

def held():
    return kept != NULL

def outer(size, callback):
    inner(size)
    return callback(size + 1)
"""

CALLER = """
import ctypes, tide
MALLOC = ctypes.CDLL(None).malloc
MALLOC.restype, MALLOC.argtypes = ctypes.c_void_p, [ctypes.c_size_t]
def back(size):
    return bool(MALLOC(size))
def ask():
    return tide.outer(3 << 20, back)
print(ask() and tide.held())
"""


@pytest.fixture(scope="module")
def extension(web, tmp_path_factory):
    """The folder of an extension that Cython has made."""
    folder = tmp_path_factory.mktemp("cython")
    (folder / "tide.pyx").write_text(CYTHON)
    subprocess.run([os.path.join(os.path.dirname(web), "cythonize"), "-i",
                    "-3", "tide.pyx"], cwd=folder, check=True,
                   capture_output=True)
    return folder


@pytest.mark.parametrize("mode", MODES)
def test_cython_stands_between_its_callers(product, recording, web,
                                           extension, mode):
    printed = run(product, recording, [web, "-c", CALLER], *MODES[mode],
                  env={**os.environ, "PYTHONPATH": str(extension)})
    assert printed == "True\n"
    sites = {round(s["allocated"]["bytes"]["value"]): functions(s)
             for s in recording.json()["sites"]
             if s["allocated"]["bytes"]["value"] >= 3 << 20}
    inner, back = sites[3 << 20], sites[(3 << 20) + 1]
    assert inner.index("ask") < next(
        i for i, name in enumerate(inner) if "outer" in name) < next(
        i for i, name in enumerate(inner) if "inner" in name)
    assert back.index("ask") < next(
        i for i, name in enumerate(back) if "outer" in name
        ) < back.index("back")


UNLOCKED = """
import ctypes, threading, numpy
MALLOC = ctypes.CDLL(None).malloc   # without the lock
MALLOC.restype, MALLOC.argtypes = ctypes.c_void_p, [ctypes.c_size_t]
a = numpy.random.rand(300, 300)
def native():
    for i in range(200):
        MALLOC(1000000)
def product():
    for i in range(50):
        a @ a
def both(work):
    return [threading.Thread(target=work) for _ in range(3)]
threads = both(native) + both(product)
for t in threads: t.start()
for t in threads: t.join()
print("done")
"""


@pytest.mark.parametrize("mode", MODES)
def test_threads_without_the_lock(product, recording, python, mode):
    assert run(product, recording, [python, "-c", UNLOCKED],
               *MODES[mode]) == "done\n"
    report = recording.json()
    assert report["losses"]["python_frames_unread"] == 0
    native = [s for s in report["sites"] if "native" in functions(s)]
    total = sum(s["allocated"]["bytes"]["value"] for s in native)
    assert 600e6 <= total < 605e6
    for site in native:
        names = functions(site)
        assert names.index("start_thread") < names.index("native")
        assert "Thread.run" in names
