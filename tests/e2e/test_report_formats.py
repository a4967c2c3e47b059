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

ROOT = pathlib.Path(__file__).resolve().parents[2]
GOLDEN = ROOT / "tests/golden"
CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")


def speedscope():
    """The folder of npm's speedscope, where somebody put it."""
    places = [ROOT / "node_modules", ROOT / "reports/web/node_modules",
              *map(pathlib.Path, filter(
                  None, os.environ.get("NODE_PATH", "").split(":")))]
    for place in places:
        if (place / "speedscope/dist/release/index.html").exists():
            return place / "speedscope/dist/release"
    return None


SPEEDSCOPE = speedscope()
needs_speedscope = pytest.mark.skipif(
    not SPEEDSCOPE, reason="no speedscope here (npm install speedscope, and "
    "its node_modules in NODE_PATH)")
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
