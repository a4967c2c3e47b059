"""Other tools' profiles in our reports: jemalloc's dumps, folded stacks, pprof.

A dump is made by jemalloc itself where it is there, and its figures are held
to those of jeprof; a profile that is written and read again says the same.
"""

import pathlib
import re
import shutil
import subprocess

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]
GOLDEN = ROOT / "tests/golden"
JEMALLOC = pathlib.Path("/usr/lib/x86_64-linux-gnu/libjemalloc.so.2")
FORMATS = ["text", "json", "folded", "svg", "md", "csv", "pprof",
           "speedscope", "openmetrics"]

PROGRAM = """
#include <stdlib.h>
#include <string.h>
void *kept[2];
__attribute__((noinline)) static void *keep_blocks(int n)
{
	char **all = malloc(n * sizeof(*all));
	for (int i = 0; i < n; i++)
		all[i] = memset(malloc(4096), 1, 4096);
	return all;
}
int main(int argc, char **argv)
{
	(void)argc;
	kept[0] = keep_blocks(atoi(argv[1]));
	return 0;
}
"""


def text(product, *words):
    """What is written of a file."""
    return product("report", *words)


def largest(folded):
    """The line of the heaviest stack."""
    return max(folded.splitlines(),
               key=lambda line: int(line.rpartition(" ")[2]))


@pytest.fixture(scope="module")
def dumps(tmp_path_factory):
    """Dumps of a program that keeps 5,000 and 20,000 blocks of 4 KiB."""
    if not JEMALLOC.exists():
        pytest.skip("no jemalloc here (libjemalloc2)")
    folder = tmp_path_factory.mktemp("dumps")
    (folder / "keeps.c").write_text(PROGRAM)
    subprocess.run(["gcc", "-g", "-O1", "-o", "keeps", "keeps.c"], cwd=folder,
                   check=True, timeout=60)
    for blocks in (5000, 20000):
        subprocess.run(
            ["./keeps", str(blocks)], cwd=folder, check=True, timeout=60,
            env={"LD_PRELOAD": str(JEMALLOC), "MALLOC_CONF":
                 f"prof:true,prof_final:true,lg_prof_sample:14,"
                 f"prof_prefix:{blocks}"})
    found = {blocks: next(folder.glob(f"{blocks}.*.heap"), None)
             for blocks in (5000, 20000)}
    if not found[5000]:
        pytest.skip("this jemalloc makes no dumps")
    return {"program": folder / "keeps", **found}


def test_a_dump_of_jemalloc_names_who_keeps(product, dumps):
    report = text(product, dumps[20000])
    assert "imported from a heap dump of jemalloc" in report
    assert re.search(r"keep_blocks\s", report)
    assert "keeps.c:" in report
    top = largest(text(product, dumps[20000], "-f", "folded"))
    stack, _, weight = top.rpartition(" ")
    assert stack.endswith("main;keep_blocks")
    assert 0.8 * 20000 * 4096 < float(weight) < 1.2 * 20000 * 4096


@pytest.mark.skipif(not shutil.which("jeprof"),
                    reason="no jeprof here (libjemalloc-dev)")
def test_the_figures_of_a_dump_are_those_of_jeprof(product, dumps):
    theirs = subprocess.run(
        ["jeprof", "--text", "--show_bytes", dumps["program"],
         dumps[20000]], capture_output=True, text=True, timeout=120).stdout
    total = float(re.search(r"Total: (\d+) B", theirs).group(1))
    ours = sum(float(line.rpartition(" ")[2]) for line in text(
        product, dumps[20000], "-f", "folded").splitlines())
    assert abs(ours - total) < 0.001 * total


def test_two_dumps_are_compared(product, dumps):
    report = product("diff", dumps[5000], dumps[20000])
    line = next(l for l in report.splitlines() if "keep_blocks" in l)
    base, new = map(float, re.findall(r"([0-9.]+) MiB", line)[:2])
    assert 3.2 < new / base < 4.8


@pytest.mark.parametrize("name", ["rag.folded", "rag.pprof",
                                  "hostile.pprof"])
@pytest.mark.parametrize("format", FORMATS)
def test_an_import_is_written_in_every_format(product, tmp_path, name,
                                              format):
    text(product, GOLDEN / name, "-f", format, "-k", "live", "-o",
         tmp_path / "report")
    assert (tmp_path / "report").stat().st_size > 100


def weights(folded):
    """Live bytes of all stacks."""
    return sorted(int(line.rpartition(" ")[2]) for line in
                  folded.splitlines())


@pytest.mark.parametrize("name", ["rag.folded", "rag.pprof"])
def test_an_import_has_the_weights_of_what_was_written(product, name):
    assert weights(text(product, GOLDEN / name, "-f", "folded")) == weights(
        (GOLDEN / "rag.folded").read_text())


def test_what_pprof_is_written_reads_back_the_same(product, tmp_path):
    once, twice = tmp_path / "1.pb.gz", tmp_path / "2.pb.gz"
    text(product, GOLDEN / "rag.pprof", "-f", "pprof", "-o", once)
    text(product, once, "-f", "pprof", "-o", twice)
    for kind in ("live", "alloc"):
        assert text(product, once, "-f", "folded", "-k", kind) == text(
            product, twice, "-f", "folded", "-k", kind)


def test_a_recording_and_its_pprof_are_the_same(product, recording,
                                                tmp_path):
    subprocess.run(
        [*product.under(recording.path, "--mode", "exact"), "sh", "-c",
         "true"], check=True, timeout=60)
    profile = tmp_path / "own.pb.gz"
    recording.text("-f", "pprof", "-o", profile)
    for kind in ("live", "alloc"):
        ours = recording.text("-f", "folded", "-k", kind)
        theirs = text(product, profile, "-f", "folded", "-k", kind)
        assert weights(ours) == weights(theirs)
    report = product("diff", profile, recording.path)
    assert str(recording.path) in report and "%  worse" not in report


@pytest.mark.skipif(not shutil.which("go"), reason="no go here")
def test_gos_own_profile_is_read(product, tmp_path):
    (tmp_path / "go.mod").write_text("module keeps\n\ngo 1.18\n")
    (tmp_path / "main.go").write_text("""package main

import (
	"os"
	"runtime"
	"runtime/pprof"
)

var kept [][]byte

func keepSlices() {
	for i := 0; i < 400; i++ {
		kept = append(kept, make([]byte, 65536))
	}
}

func main() {
	runtime.MemProfileRate = 4096
	keepSlices()
	runtime.GC()
	pprof.WriteHeapProfile(os.Stdout)
	runtime.KeepAlive(kept)
}
""")
    with open(tmp_path / "go.heap", "wb") as out:
        done = subprocess.run(
            ["go", "run", "."], cwd=tmp_path, stdout=out,
            stderr=subprocess.PIPE, text=True, timeout=300)
    if done.returncode:
        pytest.skip(f"go cannot build here: {done.stderr[:200]}")
    top = largest(text(product, tmp_path / "go.heap", "-f", "folded"))
    assert "main.main;main.keepSlices" in top
    assert abs(int(top.rpartition(" ")[2]) - 400 * 65536) < 400 * 6554


def test_check_gives_no_verdict_on_one_moment(product):
    done = subprocess.run([product.tool, "check", GOLDEN / "rag.folded"],
                          capture_output=True, text=True, timeout=60)
    assert done.returncode == 13
    assert "of one moment" in done.stdout


@pytest.mark.parametrize("content, sentence", [
    (b"", "neither a recording"),
    (b"\x7fELF", "neither a recording"),
    (b"heap_v2/\n", "without the rate"),
    (b"\x1f\x8b\x08\x00", "gzip is damaged"),
    (b"\x0a\x04\x08\x01\x10\xff", "goes on in another way"),
    (b"all of this\nis a story\nof 7 men\n", "neither a recording"),
])
def test_what_is_no_profile_is_refused(product, tmp_path, content, sentence):
    path = tmp_path / "some.file"
    path.write_bytes(content)
    done = subprocess.run([product.tool, "report", path],
                          capture_output=True, text=True, timeout=60)
    assert done.returncode == 1
    assert sentence in done.stderr and done.stderr.count("\n") == 1
