"""Reports in other tools' formats, each opened by the tool itself.

The golden files hold what the unit tests agreed on; here the programs that
the formats belong to say whether they can read it.  A program that this
machine lacks is skipped by name.
"""

import base64
import json
import os
import pathlib
import re
import shutil
import subprocess

import jsonschema
import pytest

import serve

ROOT = pathlib.Path(__file__).resolve().parents[2]
GOLDEN = ROOT / "tests/golden"
CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")


def speedscope():
    """The folder of npm's speedscope, which comes with the page's packages
    as reports/web's lock file pins them."""
    place = (pathlib.Path(os.environ["STRANDLINE_BUILD"]).resolve() /
             "generated/web/node_modules/speedscope/dist/release")
    return place if (place / "index.html").exists() else None


SPEEDSCOPE = speedscope()
needs_speedscope = pytest.mark.skipif(
    not SPEEDSCOPE, reason="no speedscope here: built without npm's packages")
needs_chromium = pytest.mark.skipif(not CHROMIUM, reason="no chromium here")


def view(path, profile, tmp_path):
    """speedscope's page with @path loaded, as its command line does it."""
    script = tmp_path / "load.js"
    encoded = base64.b64encode(path.read_bytes()).decode()
    script.write_text("speedscope.loadFileFromBase64("
                      f"{json.dumps(path.name)}, {json.dumps(encoded)})")
    done = subprocess.run(
        [CHROMIUM, "--headless", "--no-sandbox", "--disable-gpu",
         "--enable-logging=stderr", "--v=0", f"--user-data-dir={profile}",
         "--virtual-time-budget=10000", "--dump-dom",
         f"file://{SPEEDSCOPE}/index.html#localProfilePath={script}"],
        capture_output=True, text=True, timeout=120, check=True)
    assert "Importing as speedscope json file" in done.stderr
    return done.stdout


@needs_speedscope
@pytest.mark.parametrize("name", ["rag", "hostile", "empty"])
def test_speedscope_files_keep_to_the_published_schema(name):
    schema = json.loads((SPEEDSCOPE / "file-format-schema.json").read_text())
    report = json.loads((GOLDEN / f"{name}.speedscope").read_text())
    jsonschema.validate(report, schema)


@needs_speedscope
@needs_chromium
def test_speedscope_opens_every_profile(tmp_path):
    page = view(GOLDEN / "rag.speedscope", tmp_path / "profile", tmp_path)
    assert "<title>rag - speedscope</title>" in page
    assert re.search(r"live memory <span[^>]*>\(1/4\)", page)


@needs_speedscope
@needs_chromium
def test_speedscope_shows_hostile_names_as_text(tmp_path):
    page = view(GOLDEN / "hostile.speedscope", tmp_path / "profile", tmp_path)
    assert "<title>&lt;rag&gt; &amp; \"co\" - speedscope</title>" in page
    assert "<script>alert" not in page


def decoded(path):
    """What protoc reads from a pprof file, as text."""
    return subprocess.run(
        ["protoc", "--decode=pprof.Profile", f"-I{ROOT}/reports",
         "profile.proto"], input=path.read_bytes(), capture_output=True,
        timeout=60, check=True).stdout.decode()


def go_pprof(path, *options):
    """What Go's pprof prints about a file."""
    return subprocess.run(
        ["go", "tool", "pprof", *options, str(path)], capture_output=True,
        text=True, timeout=120, check=True).stdout


needs_protoc = pytest.mark.skipif(
    not shutil.which("protoc"), reason="no protoc here (protobuf-compiler)")
needs_go = pytest.mark.skipif(not shutil.which("go"), reason="no go here")


@needs_protoc
@pytest.mark.parametrize("name", ["rag", "hostile", "empty"])
def test_protoc_decodes_pprof_files_and_knows_every_field(name):
    text = decoded(GOLDEN / f"{name}.pprof")
    assert not re.search(r"^\s*\d+:", text, re.M)
    assert text.startswith("sample_type {")


@needs_protoc
def test_protoc_finds_all_sites_of_the_server():
    text = decoded(GOLDEN / "rag.pprof")
    assert len(re.findall(r"^sample \{", text, re.M)) == 11
    assert "/usr/lib/x86_64-linux-gnu/libsqlite3.so.0.8.6" in text


@needs_go
def test_go_sums_pprof_files_up():
    text = go_pprof(GOLDEN / "rag.pprof", "-top", "-unit=MB")
    assert "Type: inuse_space" in text
    assert re.search(r"120MB .* std::vector<float", text), text
    text = go_pprof(GOLDEN / "rag.pprof", "-top", "-sample_index=alloc_space",
                    "-unit=MB")
    assert re.search(r"4200MB .* PyArray_NewFromDescr_int", text), text


@needs_go
def test_go_shows_inlined_calls_with_their_lines():
    text = go_pprof(GOLDEN / "rag.pprof", "-traces", "-lines")
    assert "/usr/include/c++/12/bits/stl_vector.h:1287" in text
    assert "(inline)" in text


@needs_go
def test_go_reads_hostile_names():
    text = go_pprof(GOLDEN / "hostile.pprof", "-top")
    assert "<script>alert(1)</script>" in text
    assert "\033" not in text


@needs_go
def test_go_reads_the_gzip_that_the_tool_writes(product, recording, tmp_path):
    subprocess.run([*product.under(recording.path), "/bin/true"], check=True,
                   timeout=60)
    report = tmp_path / "true.pb.gz"
    recording.text("-f", "pprof", "-k", "alloc", "-o", report)
    assert "Type: alloc_space" in go_pprof(report, "-top")


@needs_go
@needs_protoc
def test_a_servers_profile_tells_builds_and_endpoints(product, recording,
                                                      tmp_path):
    port = serve.free_port()
    command = serve.rag_c(port, product.build)
    with serve.running([*product.under(recording.path, "--mode", "exact"),
                        *command], port):
        product.load(port, "-n", 300, "-m", "chat,search")
    report = tmp_path / "rag.pb.gz"
    recording.text("-f", "pprof", "-k", "alloc", "-o", report)
    own = subprocess.run(
        ["readelf", "-n", command[0]], capture_output=True,
        text=True, timeout=60, check=True).stdout
    build = re.search(r"Build ID: ([0-9a-f]+)", own).group(1)
    assert build in go_pprof(report, "-raw")
    text = go_pprof(report, "-tags", "-sample_index=alloc_space")
    assert "POST /api/v1/chat" in text
    named = {f"{thread['name']} ({thread['tid']})"
             for thread in recording.json()["threads"]}
    told = set(re.findall(r"\S+ \(\d+\)$", text, re.M))
    assert told and told <= named


METRICS = [GOLDEN / f"{name}.openmetrics" for name in ("rag", "hostile")]
SUFFIXES = {"gauge": [""], "counter": ["_total"], "info": ["_info"],
            "summary": ["", "_count"], "stateset": [""],
            "histogram": ["_bucket", "_sum", "_count"]}
LABEL = r'[a-z_]+="(?:[^"\\]|\\["\\n])*"'
SERIES = re.compile(rf"([a-z_]+)(?:\{{({LABEL}(?:,{LABEL})*)\}})? (\S+)")


class Family:
    """What one # TYPE begins."""

    def __init__(self, name, kind):
        self.name, self.kind, self.unit, self.help = name, kind, None, None
        self.series = {}

    def add(self, line):
        """A line with a value, held to the family's type."""
        name, labels, value = SERIES.fullmatch(line).groups()
        assert name in [self.name + s for s in SUFFIXES[self.kind]], line
        assert (name, labels) not in self.series, f"twice: {line}"
        value = float(value)
        assert self.kind != "counter" or value >= 0, line
        assert self.kind != "stateset" or value in (0, 1), line
        if self.kind == "summary" and name == self.name:
            quantile = re.search(r'quantile="([^"]+)"', labels).group(1)
            assert 0 <= float(quantile) <= 1
        self.series[name, labels] = value


def families(text):
    """All families of a text, which must be OpenMetrics to the letter."""
    assert text.endswith("# EOF\n")
    found = {}
    for line in text[:-len("# EOF\n")].splitlines():
        if not line.startswith("#"):
            family.add(line)
            continue
        _, word, name, rest = line.split(" ", 3)
        if word == "TYPE":
            assert name not in found, f"{name} in two places"
            family = found[name] = Family(name, rest)
            continue
        assert name == family.name and not family.series
        assert word in ("UNIT", "HELP")
        assert word != "UNIT" or name.endswith("_" + rest)
        setattr(family, word.lower(), rest)
    return found


def as_older_text(text):
    """The same for readers of the older text format, which is promtool's:
    it knows fewer types, and names a counter with its suffix."""
    for family in families(text).values():
        if family.kind == "histogram":
            continue
        suffix = SUFFIXES[family.kind][0]
        text = re.sub(rf"^(# (?:TYPE|HELP) {family.name})(?= )",
                      rf"\1{suffix}", text, flags=re.M)
    text = re.sub(r"^(# TYPE \S+) (info|stateset)$", r"\1 gauge", text,
                  flags=re.M)
    return re.sub(r"^# (UNIT|EOF).*\n", "", text, flags=re.M)


@pytest.mark.parametrize("path", METRICS, ids=lambda path: path.name)
def test_openmetrics_is_written_to_the_letter(path):
    found = families(path.read_text())
    assert all(family.help and family.series for family in found.values())
    assert "strandline_recording" in found


def test_openmetrics_has_the_names_that_dashboards_know():
    found = families((GOLDEN / "rag.openmetrics").read_text())
    assert {"process_resident_memory_bytes", "process_cpu_seconds",
            "process_open_fds", "process_threads",
            "process_start_time_seconds",
            "http_server_request_duration_seconds"} <= found.keys()


@pytest.mark.parametrize("path", METRICS, ids=lambda path: path.name)
def test_prometheus_own_parser_of_openmetrics_reads_it(path):
    parser = pytest.importorskip("prometheus_client.openmetrics.parser")
    text = path.read_text()
    read = list(parser.text_string_to_metric_families(text))
    assert [family.name for family in read] == list(families(text))


@pytest.mark.skipif(not shutil.which("promtool"),
                    reason="no promtool here (prometheus)")
@pytest.mark.parametrize("path", METRICS, ids=lambda path: path.name)
def test_promtool_has_nothing_to_say(path):
    done = subprocess.run(["promtool", "check", "metrics"],
                          input=as_older_text(path.read_text()),
                          capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stdout + done.stderr) == (0, "")
