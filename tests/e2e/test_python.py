"""Python frames in stacks, held to what Python itself says.

Interpreters: Debian's, those of pyenv, and those in roots of other releases
(scripts/roots.sh).  What a machine lacks is skipped by name.
"""

import ast
import contextlib
import os
import pathlib
import re
import shutil
import subprocess

import pytest

import serve
from conftest import ROOT, Recording
from test_inject import Attached, children_of
from test_roots import Container

PROGRAMS = ROOT / "tests/programs"
PYENV = pathlib.Path(os.environ.get("PYENV_ROOT", pathlib.Path.home() /
                                    ".pyenv")) / "versions"
VERSIONS = ["3.9", "3.10", "3.11", "3.12", "3.13", "3.14"]
SUITES = ["bullseye", "trixie", "sid"]
DEBIAN = serve.PYTHON
# A block of 1 MiB, as places are told by, is sampled at any such rate.
MODES = {"exact": ["--mode", "exact"], "sample": ["--rate", "16KiB"]}


def pyenv(version):
    """The interpreter of that version, or a skip."""
    found = sorted(PYENV.glob(f"{version}.*/bin/python3"))
    if not found:
        pytest.skip(f"pyenv has no Python {version}")
    return str(found[-1])


def stacks(report):
    """Of each site, its Python frames as Python names them."""
    return [tuple((f["function"], f["file"], f["line"])
                  for f in site["stack"] if f["kind"] == "python")
            for site in report["sites"]]


def run(product, recording, command, *options, timeout=120, **kwargs):
    """What @command printed, recorded."""
    done = subprocess.run(
        [*product.under(recording.path, *options), *map(str, command)],
        capture_output=True, text=True, timeout=timeout, **kwargs)
    assert done.returncode == 0, done.stderr
    return done.stdout


def disagreement(recording, printed):
    """Stacks that Python gave and the report has not."""
    places = ast.literal_eval(printed.splitlines()[-1]).values()
    assert len(places) > 40
    report = recording.json()
    assert report["losses"]["python_frames_unread"] == 0
    seen = set(stacks(report))
    return [place for place in places
            if tuple(map(tuple, place)) not in seen]


@pytest.mark.parametrize("mode", MODES)
def test_debians_python_agrees(product, recording, mode):
    printed = run(product, recording,
                  [DEBIAN, PROGRAMS / "python_places.py", "fork"],
                  *MODES[mode])
    assert not disagreement(recording, printed)


@pytest.mark.parametrize("version", VERSIONS[:5])
def test_pyenvs_python_agrees(product, recording, version):
    printed = run(product, recording,
                  [pyenv(version), PROGRAMS / "python_places.py"],
                  *MODES["exact"])
    assert not disagreement(recording, printed)


@pytest.mark.long
@pytest.mark.parametrize("version", VERSIONS[:5])
def test_pyenvs_python_agrees_on_samples(product, recording, version):
    printed = run(product, recording,
                  [pyenv(version), PROGRAMS / "python_places.py"],
                  *MODES["sample"])
    assert not disagreement(recording, printed)


@contextlib.contextmanager
def released(product, suite, folder):
    """(a recording, what prints what a program printed under it)"""
    if subprocess.run(["unshare", "--mount", "true"],
                      capture_output=True).returncode:
        pytest.skip("roots of other releases need root")
    shared = folder / "shared_folder"
    shared.mkdir()
    container = Container(product, suite, shared)

    def printed(program, *options):
        code, out, error = container.printed(
            [*container.under(shared / "t.strand", *options),
             *container.command("python3", shutil.copy(program, shared))])
        assert code == 0, error
        return out

    try:
        yield Recording(product, shared / "t.strand"), printed
    finally:
        container.close()


@pytest.mark.parametrize("mode", [
    "exact", pytest.param("sample", marks=pytest.mark.long)])
@pytest.mark.parametrize("suite", SUITES)
def test_python_of_another_release_agrees(product, suite, mode, tmp_path):
    with released(product, suite, tmp_path) as (recording, printed):
        assert not disagreement(recording,
                                printed(PROGRAMS / "python_places.py",
                                        *MODES[mode]))


def functions(site):
    return [f["function"] for f in site["stack"]]


def largest(report):
    return max(report["sites"],
               key=lambda s: s["allocated"]["bytes"]["value"])


KEEP = """
import numpy
def embed():
    return numpy.ones(5_000_000)
def search():
    return embed()
kept = search()
"""


def test_native_frames_stand_within_the_python_ones(product, recording):
    run(product, recording, [DEBIAN, "-c", KEEP], *MODES["exact"])
    report = recording.json()
    names = functions(largest(report))
    at = names.index("search")
    assert names[at - 1] == "<module>" and names[at + 1] == "embed"
    kinds = [f["kind"] for f in largest(report)["stack"]]
    assert kinds[0] == "native" and kinds[-1] == "native"
    assert kinds[at - 1:at + 2] == ["python"] * 3
    assert not any("EvalFrame" in name for name in names)
    # What numpy allocates is for who asked numpy.
    assert largest(report)["function"] == "embed"


def test_views_leave_frames_out(product, recording):
    run(product, recording, [DEBIAN, "-c", KEEP], *MODES["exact"])
    native = largest(recording.json("--native-only"))
    assert {f["kind"] for f in native["stack"]} == {"native"}
    assert "_PyEval_EvalFrameDefault" in functions(native)
    python = largest(recording.json("--python-only"))
    assert {f["kind"] for f in python["stack"]} == {"python"}
    assert functions(python)[:3] == ["<module>", "search", "embed"]


def test_folded_stacks_name_python_as_others_do(product, recording):
    run(product, recording, [DEBIAN, "-c", KEEP], *MODES["exact"])
    folded = recording.text("-f", "folded", "-k", "alloc")
    assert ";search (<string>:6);embed (<string>:4);" in folded


def test_python_frames_can_be_left_out(product, recording):
    run(product, recording, [DEBIAN, "-c", KEEP], *MODES["exact"],
        "--no-python")
    kinds = {f["kind"] for s in recording.json()["sites"] for f in s["stack"]}
    assert "python" not in kinds


DEEP = """
import sys
def down(n):
    return down(n - 1) if n else bytearray(7 << 20)
def forever(n):
    return forever(n + 1)
sys.setrecursionlimit(20000)
down(900); down(15000) if sys.version_info >= (3, 11) else None
sys.setrecursionlimit(1000)
try:
    forever(0)
except RecursionError:
    print("limit")
"""


@pytest.mark.parametrize("version", ["3.9", "3.11", "3.13"])
def test_recursion_to_the_limit(product, recording, version):
    assert run(product, recording, [pyenv(version), "-c", DEEP],
               *MODES["exact"]) == "limit\n"
    deep = [s for s in stacks(recording.json())
            if s and s[-1][0] == "down"]
    assert max(map(len, deep)) >= 902


WITHIN = PROGRAMS / "python_within.py"


def lacking(recording, printed):
    """Stacks that Python gave, one a line, and the report has not."""
    places = {tuple(map(tuple, ast.literal_eval(line)))
              for line in printed.splitlines()}
    assert len(places) > 100
    report = recording.json()
    assert report["losses"]["python_frames_unread"] == 0
    return places.difference(stacks(report))


@pytest.mark.parametrize("version, mode", [
    ("3.9", "exact"), ("3.11", "sample"), ("3.12", "exact"),
    ("3.13", "sample"),
    *(pytest.param(*rest, marks=pytest.mark.long) for rest in [
        ("3.9", "sample"), ("3.10", "exact"), ("3.10", "sample"),
        ("3.11", "exact"), ("3.12", "sample"), ("3.13", "exact")])])
def test_interpreters_within_interpreters(product, recording, version, mode):
    """A stack has the frames of all that it goes through."""
    printed = run(product, recording, [pyenv(version), WITHIN], *MODES[mode])
    assert not lacking(recording, printed)


@pytest.mark.long
@pytest.mark.parametrize("mode", MODES)
def test_interpreters_within_that_of_sid(product, mode, tmp_path):
    """Other minimal installations have no way to make one."""
    with released(product, "sid", tmp_path) as (recording, printed):
        assert not lacking(recording, printed(WITHIN, *MODES[mode]))


MADE = """
try:
    import _interpreters as interpreters
except ImportError:
    import _xxsubinterpreters as interpreters
import time
until = time.monotonic() + 1
while time.monotonic() < until:
    interpreters.destroy(interpreters.create())
"""


@pytest.mark.parametrize("version", [
    pytest.param("3.9", marks=pytest.mark.long), "3.12", "3.13"])
def test_interpreters_are_made_and_ended(product, recording, version):
    """They are looked at when there is next to nothing in them, too."""
    run(product, recording, [pyenv(version), "-c", MADE], *MODES["sample"])
    assert not any(recording.json()["losses"].values())


EMBED = """
#include <Python.h>
#include <dlfcn.h>
#include <stdlib.h>

static void *kept;

int native_caller(const char *code)
{
	return PyRun_SimpleString(code);
}

int main(void)
{
	for (int i = 0; i < 2; i++) { /* twice: it ends and begins again */
		Py_Initialize();
		native_caller("def asked(): return bytearray(5 << 20)\\n"
			      "asked()");
		Py_Finalize();
	}
	kept = malloc(3 << 20);
	return !kept;
}
"""


def compiled(folder, source, *options):
    """The program of that source, made in @folder."""
    (folder / "embed.c").write_text(source)
    program = str(folder / "embed")
    subprocess.run(["cc", "-g", str(folder / "embed.c"), "-o", program,
                    *options], check=True)
    return program


def test_an_embedded_interpreter(product, recording, tmp_path):
    home = pathlib.Path(pyenv("3.11")).parents[1]
    program = compiled(tmp_path, EMBED, f"-I{home}/include/python3.11",
                       f"-L{home}/lib", f"-Wl,-rpath,{home}/lib",
                       "-lpython3.11")
    run(product, recording, [program], *MODES["exact"],
        env={**os.environ, "PYTHONHOME": str(home)})
    asked = [s for s in recording.json()["sites"]
             if "asked" in functions(s)
             and s["allocated"]["bytes"]["value"] > 4 << 20]
    assert sum(s["allocated"]["bytes"]["value"] for s in asked) > 10 << 20
    for site in asked:
        names = functions(site)
        assert names.index("native_caller") < names.index("asked")


# Loaded long after the start, unloaded, and loaded again.
LATE = """
#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static void *function(void *library, const char *name)
{
	void *found = dlsym(library, name);

	return found ? found : (perror(name), exit(1), NULL);
}

int native_caller(void *library)
{
	int (*run)(const char *) = function(library, "PyRun_SimpleString");

	return run("import posix, time\\n"
		   "def asked(): return bytearray(5 << 20)\\n"
		   "def kept(): return [{'n': str(n)} for n in range(9999)]\\n"
		   "seconds, n = int(posix.environ[b'SECONDS']), 0\\n"
		   "until = time.monotonic() + seconds\\n"
		   "while n < 20 + seconds * 99 or time.monotonic() < until:\\n"
		   "    n, _ = n + 1, (asked(), kept(), posix.listdir('/'))");
}

int main(int argc, char **argv)
{
	puts("ready");
	fflush(stdout);
	for (char go; argc > 1 && read(0, &go, 1) == 1;) {
		void *library = dlopen(argv[1], RTLD_NOW | RTLD_GLOBAL);

		if (!library)
			return fprintf(stderr, "%s\\n", dlerror());
		*(int *)function(library, "Py_NoSiteFlag") = 1;
		((void (*)(int))function(library, "Py_InitializeEx"))(0);
		if (native_caller(library))
			return 1;
		((void (*)(void))function(library, "Py_Finalize"))();
		dlclose(library);
		for (int n = 0; n < 20000; n++)
			free(malloc(5000));
		puts(dlopen(argv[1], RTLD_NOW | RTLD_NOLOAD) ? "there" : "gone");
		fflush(stdout);
	}
	return 0;
}
"""


def late(folder, version, seconds=0):
    """(the command of a program that loads that Python, what it wants)"""
    home = pathlib.Path(pyenv(version)).parents[1]
    return ([compiled(folder, LATE),
             str(home / f"lib/libpython{version}.so.1.0")],
            {**os.environ, "PYTHONHOME": str(home),
             "SECONDS": str(int(seconds))})


def made_by(report):
    """Bytes that each of its two functions has allocated."""
    made = {"asked": 0, "kept": 0}
    for site in report["sites"]:
        names = functions(site)
        for name in made.keys() & set(names):
            assert names.index("native_caller") < names.index(name)
            made[name] += site["allocated"]["bytes"]["value"]
    return made


@pytest.mark.parametrize("version", [
    pytest.param("3.9", marks=pytest.mark.long), "3.11",
    pytest.param("3.13", marks=pytest.mark.long)])
@pytest.mark.parametrize("mode", MODES)
def test_an_interpreter_that_comes_late_and_goes(product, recording, tmp_path,
                                                 version, mode):
    # Small objects are seen a sixteenth of a second after it is up.
    command, environment = late(tmp_path, version, seconds=mode == "sample")
    assert run(product, recording, command, *MODES[mode], input="12",
               env=environment) == "ready\ngone\ngone\n"
    made = made_by(recording.json())
    assert made["asked"] > 2 * 95 << 20  # 20 times 5 MiB, less what it began
    if mode == "sample":  # of 119 times
        assert made["kept"] > 2 * 60 * 9999 * 125


# One thread is within dlclose of something else while another forks.
FORKS = """
#include <dlfcn.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

int begun[2], go_on[2]; /* pipes, for the plugin */

static void *function(void *library, const char *name)
{
	void *found = dlsym(library, name);

	return found ? found : (perror(name), exit(1), NULL);
}

static void *unload(void *plugin)
{
	dlclose(plugin);
	return NULL;
}

static int work(void *library, const char *code)
{
	int (*run)(const char *) = function(library, "PyRun_SimpleString");

	return run(code);
}

int main(int argc, char **argv)
{
	void *library = dlopen(argv[1], RTLD_NOW | RTLD_GLOBAL);
	void *plugin = dlopen(argv[2], RTLD_NOW);
	pthread_t thread;
	int status;
	char byte;

	if (argc != 3 || !library || !plugin || pipe(begun) || pipe(go_on))
		return fprintf(stderr, "%s\\n", dlerror());
	*(int *)function(library, "Py_NoSiteFlag") = 1;
	((void (*)(int))function(library, "Py_InitializeEx"))(0);
	work(library, "def before(): return bytearray(5 << 20)\\n"
		      "before()\\n"
		      "def within(): return bytearray(7 << 20)\\n"
		      "def after(): return bytearray(9 << 20)\\n");
	pthread_create(&thread, NULL, unload, plugin);
	if (read(begun[0], &byte, 1) != 1)
		return 1;
	if (fork() == 0)
		_exit(work(library, "for n in range(9): within()"));
	wait(&status);
	if (write(go_on[1], "x", 1) != 1)
		return 1;
	pthread_join(thread, NULL);
	work(library, "for n in range(9): after()");
	return status;
}
"""
PLUGIN = """
#include <unistd.h>

extern int begun[2], go_on[2];

__attribute__((destructor)) static void end(void)
{
	char byte;

	if (write(begun[1], "x", 1) == 1 && read(go_on[0], &byte, 1) == 1)
		return;
}
"""


def test_a_fork_while_another_thread_unloads(product, recording, tmp_path):
    (tmp_path / "plugin.c").write_text(PLUGIN)
    plugin = str(tmp_path / "plugin.so")
    subprocess.run(["cc", "-shared", "-fPIC", tmp_path / "plugin.c", "-o",
                    plugin], check=True)
    home = pathlib.Path(pyenv("3.11")).parents[1]
    run(product, recording,
        [compiled(tmp_path, FORKS, "-rdynamic"),
         str(home / "lib/libpython3.11.so.1.0"), plugin], *MODES["exact"],
        env={**os.environ, "PYTHONHOME": str(home)})
    made = {}
    for site in recording.json()["sites"]:
        for name in {"before", "within", "after"} & set(functions(site)):
            made[name] = (made.get(name, 0) +
                          site["allocated"]["bytes"]["value"])
    assert made["within"] >= 9 * 7 << 20  # in the child
    assert made["after"] >= 9 * 9 << 20


def test_an_interpreter_that_comes_after_us(product, tmp_path):
    # About once a second it is seen that there is something new.
    command, environment = late(tmp_path, "3.11", seconds=3)
    process = subprocess.Popen(command, stdin=subprocess.PIPE, text=True,
                               stdout=subprocess.PIPE, env=environment)
    try:
        assert process.stdout.readline() == "ready\n"
        attached = Attached(product, process.pid, tmp_path / "t.strand",
                            "--rate", "64KiB")
        process.stdin.write("1")
        process.stdin.flush()
        assert process.stdout.readline() == "gone\n"
        attached.interrupt()
        process.stdin.close()
        assert process.wait(60) == 0
    finally:
        process.kill()
        process.wait()
        process.stdout.close()
    made = made_by(attached.recording.json())
    assert made["asked"] > 100 << 20 and made["kept"] > 20 * 9999 * 125


def test_an_interpreter_that_hides_is_said_to(product, recording, tmp_path):
    hidden = tmp_path / "python3"
    hidden.write_bytes(pathlib.Path(DEBIAN).resolve().read_bytes().replace(
        b"\0_PyRuntime\0", b"\0_PyHiddens\0"))
    hidden.chmod(0o755)
    printed = run(product, recording, [hidden, "-c", "print(bytearray(9)[8])"],
                  env={**os.environ, "PYTHONHOME": "/usr"})
    assert printed == "0\n"
    assert "Python frames are not shown: the interpreter exports no symbol" \
        in " ".join(recording.text().split())
    kinds = {f["kind"] for s in recording.json()["sites"] for f in s["stack"]}
    assert kinds <= {"native", "marker"}


def churn(product, recording, seconds):
    """Threads, imports and code that come and go; what the shim held."""
    run(product, recording,
        [DEBIAN, PROGRAMS / "python_churn.py", seconds], "--interval", "100",
        timeout=seconds + 120)
    report = recording.json()
    assert report["losses"]["python_frames_unread"] == 0
    held = [p["self"] for p in report["ledger"] if p["self"] is not None]
    return held


def test_churn_does_not_grow_the_recorder(product, recording):
    held = churn(product, recording, 6)
    half = held[len(held) // 2]
    assert held[-1] <= half * 1.25 + (1 << 20)


@pytest.mark.long
def test_ten_minutes_of_churn(product, recording):
    held = churn(product, recording, 600)
    print("held:", held[::600])
    assert max(held) <= 8 << 20, "its tables are bounded, and grow in steps"


def own_memory(pid):
    """Bytes of a process that are resident and the recorder's."""
    resident, mine = 0, False
    for line in pathlib.Path(f"/proc/{pid}/smaps").read_text().splitlines():
        if re.match(r"[0-9a-f]+-[0-9a-f]+ ", line):
            mine = "[anon:strandline]" in line or ".slabs" in line
        elif mine and line.startswith("Rss:"):
            resident += int(line.split()[1]) << 10
    return resident


@pytest.mark.long
@pytest.mark.parametrize("mode", ["sample", "exact"])
def test_ten_minutes_of_new_code(product, recording, mode):
    """Modules, threads and code come and go with each request."""
    port = serve.free_port()
    command = [DEBIAN, PROGRAMS / "python_churn_server.py", port]
    resident = []
    with serve.running([*product.under(recording.path, "--mode", mode),
                        *map(str, command)], port) as process:
        server = children_of(process.pid)[0]
        for _ in range(10):
            seen = product.load(port, "-c", 8, "-r", 100, "-d", 60,
                                "-m", "/churn")
            assert seen["errors"] == 0 and seen["count"] > 60
            resident.append(own_memory(server))
    print("resident:", resident)
    assert max(resident) <= 12 << 20, resident
    held = [p["self"] for p in recording.json()["ledger"]
            if p["self"] is not None]
    print("held:", held[::60])
    assert max(held) <= 8 << 20, max(held)


@pytest.mark.parametrize("version", ["debian", *VERSIONS[:5]])
def test_threads_are_named_as_in_threading(product, recording, version):
    run(product, recording,
        [DEBIAN if version == "debian" else pyenv(version),
         PROGRAMS / "python_named.py", f"{recording.path}/host.slabs"],
        "--interval", "100")
    names = {t["name"] for t in recording.json()["threads"]}
    assert names >= {"chief", "named anew", "worker 1 of many words"}
    assert "worker 0 of many words" not in names
