"""Objects of CPython, which never reach malloc, are on record.

On Debian's interpreter and those of pyenv that are there, 3.9 and later.
What a program keeps is what it keeps more than the same one that keeps
nothing, by CPython's own sizes; it ends past its clean-up, so that all of it
lives.
"""

import os
import pathlib
import re
import subprocess

import pytest

from conftest import Recording

PYENV = pathlib.Path.home() / ".pyenv/versions"
VERSIONS = ["3.9", "3.10", "3.11", "3.12", "3.13"]
BRIEF = ["debian"]  # a report on the others reads much debugging data

KEEP = """
import os, sys
kept = []
for i in range(1000, 1000 + int(sys.argv[1])):
    kept.append({"number": i, "text": str(i).ljust(100), "list": [i]})
size = sys.getsizeof
print(sum(size(k) + size(k["text"]) + size(k["list"]) + size(k["number"])
          for k in kept) + size(kept), flush=True)
os._exit(0)
"""


def interpreters():
    """Debian's, and one of each version that pyenv has."""
    found = {"debian": "/usr/bin/python3"}
    for version in VERSIONS:
        paths = sorted(PYENV.glob(f"{version}.*/bin/python3"))
        found[version] = str(paths[-1]) if paths else None
    return found


def there(item):
    """The path of an interpreter, or why it is not to be had."""
    name, path = item
    if not path or not os.path.exists(path):
        pytest.skip(f"pyenv has no Python {name}")
    return path


@pytest.fixture(params=interpreters().items(), ids=lambda item: item[0])
def python(request):
    """The path of each interpreter."""
    return there(request.param)


@pytest.fixture(params=[
    pytest.param(item, id=item[0],
                 marks=[] if item[0] in BRIEF else pytest.mark.long)
    for item in interpreters().items()])
def some_python(request):
    """The path of Debian's; with --all of each."""
    return there(request.param)


def run(product, folder, words, **settings):
    """(what it said, the report) of a recorded run."""
    env = product.preload_alone(folder, PYTHONHASHSEED="0", **settings)
    done = subprocess.run(words, env=env, check=True, timeout=60,
                          capture_output=True, text=True)
    return done.stdout, Recording(product, folder).json()


def live(report):
    """(low, value, high) of all live bytes."""
    figure = report["totals"]["live"]["bytes"]
    return figure["low"], figure["value"], figure["high"]


def kept(product, folder, python, count, **settings):
    """(truth, (low, value, high)) of a program that keeps @count dicts."""
    said, report = run(product, folder, [python, "-c", KEEP, str(count)],
                       **settings)
    return int(said), live(report)


def test_what_is_kept_is_within_its_interval(product, tmp_path, python):
    sample = {"STRANDLINE_RATE": str(16 << 10), "STRANDLINE_SEED": "1"}
    _, none = kept(product, tmp_path / "none.strand", python, 0, **sample)
    truth, some = kept(product, tmp_path / "some.strand", python, 20000,
                       **sample)
    assert truth > 5e6
    assert some[0] - none[2] <= truth <= some[2] - none[0]
    assert abs(some[1] - none[1] - truth) < truth * 0.06


def test_exact_objects_are_exact(product, tmp_path, some_python):
    exact = {"mode": "exact", "STRANDLINE_PYTHON_OBJECTS": "1"}
    _, none = kept(product, tmp_path / "none.strand", some_python, 0,
                   **exact)
    truth, some = kept(product, tmp_path / "some.strand", some_python, 5000,
                       **exact)
    # The list grew by steps; free lists keep a few objects.
    assert abs(some[1] - none[1] - truth) < 20000


def test_exact_leaves_objects_out(product, tmp_path):
    truth, told = kept(product, tmp_path / "t.strand", "/usr/bin/python3",
                       20000, mode="exact")
    assert told[1] < truth / 2


AFTER = """
import os, sys, time
until = time.monotonic() + 3
while time.monotonic() < until:  # it looks about once a second
    bytearray(1 << 20)
kept = [str(i).ljust(100) for i in range(20000)]
print(sum(map(sys.getsizeof, kept)), flush=True)
os._exit(0)
"""


def test_allocators_that_a_setting_replaces_are_wrapped_again(product,
                                                              tmp_path):
    said, report = run(
        product, tmp_path / "t.strand",
        ["/usr/bin/python3", "-c", AFTER],
        PYTHONMALLOC="debug", STRANDLINE_RATE=str(16 << 10))
    assert live(report)[2] > int(said)


TRACED = """
import os, sys, tracemalloc
tracemalloc.start()
kept = [str(i).ljust(100) for i in range(20000)]
traced = tracemalloc.get_traced_memory()[0]
tracemalloc.stop()
kept += [str(i).ljust(100) for i in range(20000)]
assert traced > 20000 * 149, traced
print(sum(map(sys.getsizeof, kept)), flush=True)
os._exit(0)
"""


def test_tracemalloc_works_on_top(product, tmp_path):
    said, report = run(product, tmp_path / "t.strand",
                       ["/usr/bin/python3", "-c", TRACED],
                       STRANDLINE_RATE=str(16 << 10))
    assert live(report)[2] > int(said)
    assert live(report)[0] < int(said) + 4e6


CHURN = """
import gc, sys, threading
def work(n):
    for i in range(n):
        a = {"self": None, "n": [i] * (i % 50)}
        a["self"] = a
        "x".ljust(i % 700).encode().decode()
threads = [threading.Thread(target=work, args=(20000,)) for _ in range(4)]
for t in threads: t.start()
for t in threads: t.join()
gc.collect()
print(len(gc.get_objects()) > 1000, sys.getallocatedblocks() > 1000)
"""


def test_a_program_does_what_it_did(product, tmp_path, some_python):
    words = [some_python, "-c", CHURN]
    plain = subprocess.run(words, check=True, capture_output=True, text=True,
                           timeout=60).stdout
    said, report = run(product, tmp_path / "t.strand", words,
                       STRANDLINE_RATE=str(16 << 10))
    assert said == plain
    assert not any(report["losses"].values())


HELD = """
import time
answer_cache = {}
sessions = []
class Session:
    def __init__(self, number):
        self.name = f"session {number}".ljust(200)
def serve():
    until = time.monotonic() + 4
    while time.monotonic() < until:
        number = len(sessions)
        answer_cache[f"question {number}"] = {"answer": str(number) * 40}
        sessions.append(Session(number))
        if number % 50 == 0:
            time.sleep(0.02)
serve()
"""


def serve(product, recording, folder, python, *options):
    """The report of a server that keeps what it is given."""
    (folder / "app.py").write_text(HELD)
    subprocess.run([*product.under(recording.path, *options), python, "-c",
                    "import app"], cwd=folder, check=True, timeout=60,
                   env={**os.environ, "PYTHONPATH": str(folder)})
    return recording.json()


def test_what_is_kept_has_a_type_and_a_holder(recording, product, tmp_path,
                                              some_python):
    report = serve(product, recording, tmp_path, some_python,
                   "--rate", "4KiB")
    told = {(s["objects"]["type"], s["objects"]["holder"],
             s["objects"]["holder_type"])
            for s in report["sites"] if "objects" in s}
    assert {("dict", "app.answer_cache", "dict"),
            ("dict entries", "app.answer_cache", "dict"),
            ("str", "app.answer_cache", "dict"),
            ("str", "app.sessions", "list"),
            ("app.Session", "app.sessions", "list")} <= told


ROUTES = """
import functools, time
class Route:  # as Starlette's are
    def __init__(self, path, methods, endpoint):
        self.path, self.methods, self.endpoint = path, methods, endpoint
def logged(function):
    @functools.wraps(function)
    def wrapper(*words):
        return function(*words)
    return wrapper
class Views:
    def show(self): pass
def plain(): pass
@logged
def within(): pass
def part(what): pass
table = [Route("/plain", {"GET", "HEAD"}, plain),
         Route("/within/{id}", {"POST"}, within),
         Route("/bound", {"PUT"}, Views().show),
         Route("/part", {"GET"}, functools.partial(part, 1)),
         Route("/none", {"GET"}, print),
         Route(7, {"GET"}, plain)]
until, kept = time.monotonic() + 3, []
while time.monotonic() < until:
    kept.append(bytearray(4096))
    time.sleep(0.005)
"""


def test_the_functions_that_answer_requests_are_known(recording, product,
                                                      tmp_path, some_python):
    (tmp_path / "views.py").write_text(ROUTES)
    subprocess.run([*product.under(recording.path, "--rate", "4KiB"),
                    some_python, "-c", "import views"], cwd=tmp_path,
                   check=True, timeout=60,
                   env={**os.environ, "PYTHONPATH": str(tmp_path)})
    told = (recording.path / "host.slabs").read_bytes()
    where = str(tmp_path / "views.py")
    shown = subprocess.run([some_python, "-c", "import sys; print('Views.show' if "
                            "sys.version_info >= (3, 11) else 'show')"],
                           check=True, capture_output=True, text=True).stdout
    for request, function in [("GET /plain", "plain"), ("HEAD /plain", "plain"),
                              ("POST /within/{id}", "within"),
                              ("PUT /bound", shown.strip()),
                              ("GET /part", "part")]:
        assert f"{request}\0{function}\0{where}\0".encode() in told
    assert b"GET /none" not in told


def test_arenas_are_in_the_ledger(recording, product, tmp_path):
    report = serve(product, recording, tmp_path, "/usr/bin/python3",
                   "--interval", "100")
    last = [p for p in report["ledger"] if p["python_arenas"]][-1]
    assert last["python_arenas"] % (1 << 20) == 0
    assert 0.5 < last["python_used"] / last["python_arenas"] <= 1
    assert "of it Python arenas" in recording.text()


GROWN = """
import sys, time
kept = [str(n) for n in range(600000)]
time.sleep(2)
if len(sys.argv) > 1:
    sys._debugmallocstats()
"""


def test_arenas_of_who_rests_are_all_told(recording, product):
    """It takes them between two looks, and then nothing that calls for one."""
    told = subprocess.run(["/usr/bin/python3", "-c", GROWN, "tell"],
                          check=True, capture_output=True, text=True).stderr
    arenas = int(re.search(r"arenas allocated current += +(\d+)", told)[1])
    subprocess.run([*product.under(recording.path, "--interval", "100"),
                    "/usr/bin/python3", "-c", GROWN], check=True,
                   capture_output=True)
    most = max(p["python_arenas"] or 0 for p in recording.json()["ledger"])
    assert abs(most / (1 << 20) - arenas) <= 3


def test_objects_can_be_left_out(recording, product, tmp_path):
    report = serve(product, recording, tmp_path, "/usr/bin/python3",
                   "--python-objects", "no")
    assert not any(p["python_arenas"] for p in report["ledger"])
    assert report["totals"]["peak"]["bytes"]["high"] < 10e6
