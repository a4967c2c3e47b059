"""Names of programs whose symbols are elsewhere, or whose files are gone.

One program, compiled once; its static function and its line are to be found
from a separate debug file by build-id or by link, from a compressed table in
the program itself, from a debuginfod server on the loopback; and where the
program's file was deleted or replaced, that is said and nothing is made up.
"""

import functools
import http.server
import os
import pathlib
import shutil
import subprocess
import threading

import pytest

SOURCE = """
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
static __attribute__((noinline)) void *hidden_function(size_t size)
{
    void *p = malloc(size);
    memset(p, 1, size);
    return p;
}
int main(int argc, char **argv)
{
    void *volatile kept = NULL;
    for (int i = 0; i < 1000; i++)
        kept = hidden_function(1000);
    for (int i = 1; i < argc; i++)
        if (strcmp(argv[i], "delete") == 0)
            unlink(argv[0]);
        else
            rename(argv[i], argv[0]);
    return kept == NULL;
}
"""
LINE = 7  # of the call of malloc
DEBUG_ROOT = pathlib.Path("/usr/lib/debug/.build-id")


def sh(*words, **more):
    return subprocess.run(list(map(str, words)), check=True,
                          capture_output=True, text=True, **more).stdout


class Built:
    """The program, its debug file and its build-id."""

    def __init__(self, folder):
        self.folder = folder
        self.program = folder / "program"
        self.debug = folder / "kept/program.names"  # nobody looks there
        self.debug.parent.mkdir()
        source = folder / "program.c"
        source.write_text(SOURCE)
        sh("cc", "-g", "-O1", "-Wl,--build-id=sha1", source, "-o",
           self.program)
        sh("objcopy", "--only-keep-debug", self.program, self.debug)
        notes = sh("readelf", "-n", self.program)
        self.build_id = next(line.split()[-1] for line in notes.splitlines()
                             if "Build ID" in line)

    def strip(self):
        sh("strip", self.program)

    def other(self):
        """Another build of it, under another name."""
        other = self.folder / "other"
        (self.folder / "other.c").write_text(
            SOURCE.replace("hidden_function", "another_function"))
        sh("cc", "-g", "-O1", "-Wl,--build-id=sha1", self.folder / "other.c",
           "-o", other)
        return other


@pytest.fixture
def built(tmp_path):
    """It, freshly compiled."""
    return Built(tmp_path)


def found(product, recording, built, *words, **environment):
    """(function, line) of the largest site, and the problems that are said."""
    subprocess.run([*product.under(recording.path, "--mode", "exact"),
                    str(built.program), *map(str, words)], check=True,
                   timeout=120, env={**os.environ, **environment})
    report = recording.json()
    site = report["sites"][0]
    assert site["allocated"]["bytes"]["value"] == 1000 * 1000
    frame = site["stack"][-1]
    return (frame["function"], frame["line"]), report["problems"]


def test_a_program_with_all_its_symbols(product, recording, built):
    assert found(product, recording, built) == (("hidden_function", LINE), [])


def test_a_stripped_program_has_no_names_and_none_are_made_up(
        product, recording, built):
    built.strip()
    (function, line), _ = found(product, recording, built)
    assert function.startswith("program+0x")
    assert not line


def test_a_debug_file_by_link(product, recording, built):
    built.strip()
    sh("objcopy", f"--add-gnu-debuglink={built.debug}", built.program)
    (built.folder / ".debug").mkdir()
    built.debug.rename(built.folder / ".debug" / built.debug.name)
    assert found(product, recording, built)[0] == ("hidden_function", LINE)


def test_a_debug_file_by_build_id(product, recording, built):
    if os.geteuid() != 0:
        pytest.skip(f"only root may write below {DEBUG_ROOT}")
    built.strip()
    place = DEBUG_ROOT / built.build_id[:2] / f"{built.build_id[2:]}.debug"
    place.parent.mkdir(parents=True, exist_ok=True)
    try:
        shutil.copy(built.debug, place)
        assert found(product, recording, built)[0] == ("hidden_function",
                                                       LINE)
    finally:
        place.unlink()


def test_a_compressed_table_in_the_program(product, recording, built):
    if not shutil.which("xz"):
        pytest.skip("no xz here")
    names = built.folder / "names"
    names.write_text("hidden_function\n")
    mini = built.folder / "mini"
    sh("objcopy", "-S", "--remove-section=.gdb_index",
       "--remove-section=.comment", f"--keep-symbols={names}", built.debug,
       mini)
    sh("xz", mini)
    built.strip()
    sh("objcopy", f"--add-section=.gnu_debugdata={mini}.xz", built.program)
    assert found(product, recording, built)[0][0] == "hidden_function"


class Debuginfod(http.server.SimpleHTTPRequestHandler):
    """GET /buildid/HEX/debuginfo"""

    def log_message(self, *_):
        pass


@pytest.fixture
def debuginfod(built):
    """The address of a server that has the program's debug file."""
    place = built.folder / "served/buildid" / built.build_id
    place.mkdir(parents=True)
    shutil.copy(built.debug, place / "debuginfo")
    server = http.server.ThreadingHTTPServer(
        ("127.0.0.1", 0), functools.partial(
            Debuginfod, directory=str(built.folder / "served")))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()


def test_a_debuginfod_server(product, recording, built, debuginfod):
    built.strip()
    told = found(product, recording, built, DEBUGINFOD_URLS=debuginfod,
                 DEBUGINFOD_CACHE_PATH=str(built.folder / "cache"))
    assert told[0] == ("hidden_function", LINE)


def test_a_deleted_program_is_said(product, recording, built):
    (function, _), problems = found(product, recording, built, "delete")
    assert function.startswith("program+0x")
    assert len(problems) == 1
    assert str(built.program) in problems[0]


def test_a_replaced_program_is_said_and_lends_no_names(product, recording,
                                                       built):
    (function, _), problems = found(product, recording, built, built.other())
    assert function.startswith("program+0x")
    assert len(problems) == 1
    assert str(built.program) in problems[0]


def test_names_are_kept_in_the_recording(product, recording, built):
    first = found(product, recording, built)
    built.program.unlink()
    report = recording.json()
    frame = report["sites"][0]["stack"][-1]
    assert (frame["function"], frame["line"]) == first[0]
