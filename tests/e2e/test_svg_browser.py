"""The flame graph in a real browser: it draws, searches, zooms, and errs not.

Headless Chromium opens the golden files by file:// and prints the document as
its script left it.  Views are asked for by the address, as a bookmark would;
clicks and keys are sent by a second script appended to a copy.
"""

import pathlib
import re
import shutil
import subprocess
import xml.etree.ElementTree as ElementTree

import pytest

GOLDEN = pathlib.Path(__file__).resolve().parents[1] / "golden"
CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
SVG = "{http://www.w3.org/2000/svg}"

needs_chromium = pytest.mark.skipif(not CHROMIUM, reason="no chromium here")
needs_xmllint = pytest.mark.skipif(
    not shutil.which("xmllint"), reason="no xmllint here (libxml2-utils)")


class View:
    """What the browser made of a flame graph."""

    def __init__(self, dom):
        self.root = ElementTree.fromstring(dom)
        self.frames = [
            g for g in self.root.iter(SVG + "g")
            if "f" in g.get("class", "").split()
        ]

    def text(self, name):
        for element in self.root.iter(SVG + "text"):
            if element.get("class") == name:
                return element.text or ""
        raise AssertionError(f"no {name} in the document")

    def named(self, name):
        """The names of the frames in a class."""
        return [
            g.get("data-tip").split("\n")[0] for g in self.frames
            if name in g.get("class").split()
        ]

    def shown(self):
        return {
            g.get("data-tip").split("\n")[0]:
            float(g.find(SVG + "rect").get("width"))
            for g in self.frames if "off" not in g.get("class").split()
        }


def browse(path, fragment, profile):
    """The document after its scripts ran; fails on any console message."""
    done = subprocess.run(
        [CHROMIUM, "--headless", "--no-sandbox", "--disable-gpu",
         "--enable-logging=stderr", "--v=0", f"--user-data-dir={profile}",
         "--window-size=1200,600", "--virtual-time-budget=2000",
         "--dump-dom", f"file://{path}{fragment}"],
        capture_output=True, text=True, timeout=120, check=True)
    complaints = re.findall(r".*CONSOLE.*", done.stderr)
    assert not complaints, complaints
    return View(done.stdout)


@pytest.fixture
def rag(tmp_path):
    return lambda fragment="": browse(GOLDEN / "rag.svg", fragment,
                                      tmp_path / "profile")


@pytest.fixture
def acting(tmp_path):
    """The graph after what @script does to it."""

    def act(script, fragment=""):
        text = (GOLDEN / "rag.svg").read_text()
        copy = tmp_path / "acting.svg"
        copy.write_text(text.replace(
            "</svg>", f"<script><![CDATA[{script}]]></script></svg>"))
        return browse(copy, fragment, tmp_path / "profile")

    return act


@needs_xmllint
@pytest.mark.parametrize("path", sorted(GOLDEN.glob("*.svg")),
                         ids=lambda path: path.name)
def test_it_is_well_formed(path):
    subprocess.run(["xmllint", "--noout", path], check=True)


@needs_chromium
def test_it_fills_the_window(rag):
    view = rag()
    assert view.shown()["all"] == 1200
    assert view.text("matched") == ""
    assert view.text("reset") == ""


@needs_chromium
@pytest.mark.parametrize("name", ["hostile.svg", "empty.svg"])
def test_odd_graphs_draw_without_a_complaint(name, tmp_path):
    view = browse(GOLDEN / name, "#search=b", tmp_path / "profile")
    assert len(list(view.root.iter(SVG + "script"))) == 1
    assert "all" in view.shown()


@needs_chromium
def test_a_search_in_the_address_marks_and_sums(rag):
    view = rag("#search=rag::index")
    assert view.named("hit") == ["rag::Index::add(float const*, long)"]
    assert view.text("matched") == "67.9%, 142.5 MiB in 1 frame"


@needs_chromium
def test_files_are_searched_too_and_nested_matches_count_once(rag):
    view = rag("#search=libragindex")
    assert len(view.named("hit")) == 2
    assert view.text("matched") == "67.9%, 142.5 MiB in 2 frames"


@needs_chromium
def test_a_search_without_a_match_says_so(rag):
    assert rag("#search=no.such.symbol").text("matched") == "no match"


@needs_chromium
def test_a_zoom_in_the_address_widens_a_frame_and_keeps_its_callers(rag):
    view = rag("#zoom=SearchService.embed_batch%20(embed.py:41)")
    shown = view.shown()
    assert shown["SearchService.embed_batch (embed.py:41)"] == 1200
    assert shown["PyArray_NewFromDescr_int"] == 1200
    assert shown["search (main.py:88)"] == 1200
    assert "rag::Index::add(float const*, long)" not in shown
    assert "search (main.py:88)" in view.named("above")
    assert view.text("reset") == "reset zoom"


@needs_chromium
def test_an_address_that_makes_no_sense_shows_the_whole(rag):
    assert rag("#zoom=99999&search=%E0%A4%A&x").shown()["all"] == 1200
    assert rag("#zoom=-1").text("reset") == ""


CLICK = """
var frames = Array.from(document.querySelectorAll(".f"));
function click(name) {
	frames.find(function (g) {
		return g.getAttribute("data-tip").startsWith(name);
	}).dispatchEvent(new MouseEvent("click", { bubbles: true }));
}
function key(name, ctrl) {
	window.dispatchEvent(new KeyboardEvent("keydown",
		{ key: name, ctrlKey: !!ctrl, cancelable: true }));
}
function type(text) {
	var input = document.activeElement;
	input.value = text;
	input.dispatchEvent(new Event("input", { bubbles: true }));
}
"""


@needs_chromium
def test_a_click_zooms(acting):
    view = acting(CLICK + 'click("rag::Index::add");')
    assert view.shown()["rag::Index::add(float const*, long)"] == 1200
    assert "remember (sessions.py:17)" not in view.shown()


@needs_chromium
def test_a_click_on_the_root_zooms_out(acting):
    view = acting(CLICK + 'click("rag::Index"); click("all");')
    assert view.text("reset") == ""
    assert view.shown()["rag::Index::add(float const*, long)"] < 900


@needs_chromium
def test_control_f_leads_to_the_search_box(acting):
    view = acting(CLICK + 'key("f", true); type("remember");')
    assert view.text("matched") == "7.1%, 15.0 MiB in 2 frames"


@needs_chromium
def test_arrow_keys_walk_and_enter_zooms(acting):
    view = acting(CLICK + """
        ["ArrowDown", "ArrowDown", "ArrowDown", "ArrowUp", "ArrowDown",
         "ArrowRight", "ArrowLeft"].forEach(function (k) { key(k); });
        key("Enter");""")
    walked = view.named("at")
    assert len(walked) == 1
    assert walked[0] != "all"
    assert view.shown()[walked[0]] == 1200
    assert view.text("status").startswith(walked[0])
    assert view.text("reset") == "reset zoom"


@needs_chromium
def test_escape_clears_the_search_before_the_zoom(acting):
    view = acting(CLICK + 'key("Escape");', "#search=remember&zoom=7")
    assert view.text("matched") == ""
    assert view.text("reset") == "reset zoom"


@needs_chromium
def test_pointing_at_a_frame_tells_its_figures(acting):
    view = acting(CLICK + """
        frames[0].querySelector("rect").dispatchEvent(
            new MouseEvent("mouseover", { bubbles: true }));""")
    assert view.text("status").startswith("all   209.8 MiB, 100.00%")
    tips = list(view.root.iter(SVG + "title"))
    assert [tip.text for tip in tips] == ["all\n209.8 MiB, 100.00%"]
