"""The HTML report in a real browser: it asks nobody for anything, errs not,
and does what it is told by mouse, keyboard and finger.

Pages are those of real recordings of the bundled servers, of one with planted
faults' names, and of one with 200,000 stacks.  Pictures are left in
STRANDLINE_PICTURES, where that is set, for somebody to look at.
"""

import base64
import gzip
import json
import os
import pathlib
import re
import shutil
import subprocess

import pytest

import serve
from conftest import settle

ROOT = pathlib.Path(__file__).resolve().parents[2]
CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
READY = "html[data-ready]"
FLAME = "canvas[role=application]"
PLOT = "#memory .u-over"
KIND, ENDPOINT = "#stacks select >> nth=0", "#stacks select >> nth=1"
SEARCH = "#stacks input[type=search]"
PHONE = {"viewport": {"width": 390, "height": 844}, "isMobile": True,
         "hasTouch": True}
DESKTOP = {"viewport": {"width": 1280, "height": 900}}


class Browser:
    """Chromium, as browser.mjs drives it."""

    def __init__(self, modules):
        self.process = subprocess.Popen(
            ["node", str(pathlib.Path(__file__).with_name("browser.mjs")),
             CHROMIUM, str(modules)], text=True,
            stdin=subprocess.PIPE, stdout=subprocess.PIPE)

    def __call__(self, action, **more):
        self.process.stdin.write(json.dumps({"do": action, **more}) + "\n")
        self.process.stdin.flush()
        answer = json.loads(self.process.stdout.readline())
        assert "error" not in answer, answer["error"]
        return answer["ok"]

    def close(self):
        self.process.stdin.close()
        self.process.wait(30)


class Page:
    """A report that is open, and was ready after `took` seconds."""

    def __init__(self, browser, path, options, fragment=""):
        self.browser = browser
        self.path = path
        self.took = browser("open", url=f"file://{path}{fragment}",
                            ready=READY, options=options) / 1000

    def __call__(self, action, **more):
        return self.browser(action, **more)

    def text(self, selector):
        return self("evaluate", script=(
            f"document.querySelector({json.dumps(selector)}).innerText"))

    def texts(self, selector):
        return self("evaluate", script=(
            f"[...document.querySelectorAll({json.dumps(selector)})]"
            ".map((e) => e.innerText)"))

    def becomes(self, selector, pattern):
        """Once the text there matches @pattern."""
        self("wait", script=(
            f"/{pattern}/.test(document.querySelector("
            f"{json.dumps(selector)}).innerText)"))
        return self.text(selector)

    def width(self):
        return self("evaluate",
                    script="document.documentElement.scrollWidth")

    def picture(self, name, whole=True):
        folder = os.environ.get("STRANDLINE_PICTURES")
        if folder:
            self("picture", path=str(pathlib.Path(folder) / f"{name}.png"),
                 whole=whole)

    def check_quiet(self):
        told = self("told")
        assert told["complaints"] == []
        assert told["requests"] == [f"file://{self.path}"]


@pytest.fixture(scope="module")
def modules(product):
    """Where the page's packages lie in the build."""
    web = product.build / "generated/web"
    if not CHROMIUM:
        pytest.skip("no chromium here")
    if not (web / "node_modules/playwright-core").exists():
        pytest.skip("built without the page of the HTML report")
    return web


@pytest.fixture(scope="module")
def browser(modules):
    browser = Browser(modules)
    yield browser
    browser.close()


def record(product, folder, command, port, mix, seconds, **environment):
    recording = folder / "run.strand"
    with serve.running([*product.under(recording), *command], port,
                       env={**os.environ, **environment}):
        product("mark", recording, "load begins")
        product.load(port, "--duration", seconds, "--connections", "4",
                     "--mix", mix)
        product("mark", recording, "load ends")
    settle(recording)  # its size on disk is in the report
    return recording


def write_page(product, recording):
    path = recording.parent / "page.html"
    product("report", "-f", "html", "-o", path, recording)
    return path


@pytest.fixture(scope="module")
def leaking(product, modules, tmp_path_factory):
    """The C server, which maps 64 KiB for each chat and keeps them."""
    port = serve.free_port()
    return record(product, tmp_path_factory.mktemp("leaking"),
                  serve.rag_c(port, product.build), port, "search=3,chat", 10,
                  RAG_FAULT="mapping_leak")


@pytest.fixture(scope="module")
def leaking_page(product, leaking):
    return write_page(product, leaking)


@pytest.fixture(scope="module")
def python_page(product, modules, tmp_path_factory):
    """The FastAPI server, with two workers."""
    port = serve.free_port()
    return write_page(product, record(
        product, tmp_path_factory.mktemp("python"),
        serve.rag_fastapi(port, workers=2), port, "search=6,chat=2,ingest",
        3))


@pytest.fixture
def leak(browser, leaking_page):
    page = Page(browser, leaking_page, DESKTOP)
    yield page
    page.check_quiet()


def payload_of(path):
    """What the page carries, as JSON."""
    text = re.search(r'id="payload">([^<]*)<', path.read_text())[1]
    stream = gzip.decompress(base64.b64decode(text))
    return json.loads(stream[4:4 + int.from_bytes(stream[:4], "little")])


def test_the_banner_tells_the_verdict_and_its_evidence(leak):
    assert leak.text("#verdict .class") == "mappings"
    assert "map_scratch" in leak.text("#verdict")
    assert "per request" in leak.text("#verdict .evidence")
    assert "RSS grew by" in leak.text("#verdict")
    leak.picture("leak")


def test_the_verdict_can_be_read_where_no_script_runs(browser, leaking_page):
    browser("open", url=f"file://{leaking_page}",
            options={**DESKTOP, "javaScriptEnabled": False})
    shown = browser("evaluate", script="document.body.innerText")
    assert "map_scratch" in shown
    assert "scripts are off" in shown


def test_pointing_at_the_ledger_reads_its_values(leak):
    leak("hover", on=PLOT, x=400, y=60)
    values = leak.becomes("#memory .u-legend", r"RSS\s*[0-9.]+ MiB")
    assert re.search(r"live heap\s*[0-9.]+ [KM]iB", values)
    assert re.search(r"at\s*[0-9.]+ s", values)


def test_a_drag_over_the_ledger_chooses_a_time_for_the_stacks(leak):
    leak("choose", on=KIND, value="alloc")
    whole = leak.becomes("#stacks .what", "allocated")
    leak("drag", on=PLOT, **{"from": 0.4, "to": 0.6})
    part = leak.becomes("#stacks .what", " s to ")
    assert size_of(part) < size_of(whole) / 2
    leak("click", on="text=whole recording")
    assert leak.text("#stacks .what") == whole


def size_of(text):
    value, unit = re.match(r"([0-9.]+) (B|KiB|MiB|GiB)", text).groups()
    return float(value) * 1024 ** ["B", "KiB", "MiB", "GiB"].index(unit)


def test_a_phase_between_marks_can_be_chosen(leak):
    phases = leak.texts("#memory .sheet tbody tr")
    assert phases[1].startswith("load begins")
    leak("click", on="#memory .sheet tbody button >> nth=1")
    assert float(leak("evaluate", script=(
        "document.querySelector('#memory input').value"))) > 0


def test_a_search_is_summed_and_a_click_zooms(leak):
    leak("type", on=SEARCH, text="main")
    assert re.match(r"[0-9.]+%, .* in [0-9]+ frame",
                    leak.becomes("#stacks .matched", "frame"))
    assert leak("evaluate", script=(
        "[...document.querySelectorAll('#stacks button')].find((b) => "
        "b.textContent === 'reset zoom').disabled"))
    leak("click_at", on=FLAME, x=200, y=30)
    leak("click", on="text=reset zoom")
    leak("type", on=SEARCH, text="no such function")
    assert leak.becomes("#stacks .matched", "no match")


def test_a_search_is_kept_in_the_address(browser, leaking_page):
    page = Page(browser, leaking_page, DESKTOP, "#search=main&kind=alloc")
    assert "frame" in page.text("#stacks .matched")
    assert "of allocated memory" in page.text("#stacks .what")


def test_the_flame_graph_can_be_walked_by_keys(leak):
    leak("press", keys="/")
    leak("evaluate", script="document.querySelector('canvas[role]').focus()")
    for key in ("ArrowDown", "ArrowDown", "ArrowDown"):
        leak("press", keys=key)
    first = leak.text("#stacks .told")
    assert "%" in first
    leak("press", keys="Enter")
    assert "of what is shown" in leak_down(leak)
    leak("press", keys="Escape")


def leak_down(page):
    page("press", keys="ArrowDown")
    page("press", keys="ArrowDown")
    return page.text("#stacks .told")


def test_callers_and_recursion_keep_the_sum(leak):
    whole = leak.text("#stacks .what")
    for name in ("callers", "merge recursion", "root at the bottom"):
        leak("click", on=f"#stacks label:has-text('{name}')")
        assert leak.text("#stacks .what") == whole


def test_stacks_of_one_endpoint_are_fewer(leak):
    leak("choose", on=KIND, value="alloc")
    whole = size_of(leak.becomes("#stacks .what", "allocated"))
    routes = leak("evaluate", script=(
        "[...document.querySelectorAll('#stacks select')[1].options]"
        ".map((o) => o.value)"))
    parts = []
    for route in [*routes[2:], "-"]:
        leak("choose", on=ENDPOINT, value=route)
        parts.append(size_of(leak.text("#stacks .what")))
    assert max(parts) < whole
    assert sum(parts) == pytest.approx(whole, rel=0.05)


def test_sites_sort_filter_and_open_to_their_stacks(leak):
    assert leak.texts("#sites thead th")[1] == \
        leak.texts("#sites th[aria-sort]")[0]
    leak("click", on="#sites thead button:has-text('alloc')")
    assert leak.texts("#sites th[aria-sort]")[0].startswith("alloc")
    leak("type", on="#sites input", text="map_scratch")
    leak("wait", script=(
        "document.querySelectorAll('#sites tbody tr').length === 1"))
    leak("click", on="#sites .opener")
    frames = leak.texts("#sites .stack li .function")
    assert "map_scratch" in frames
    assert "serve_chat" in frames


def test_endpoints_have_histograms_and_timelines(leak):
    rows = leak.texts("#requests tbody tr:not(.detail)")
    assert any("/api/v1/chat" in row for row in rows)
    captions = leak.texts("#requests figcaption")
    assert any("latency, first byte" in text for text in captions)
    assert any("over time" in text for text in captions)
    assert leak("evaluate", script=(
        "document.querySelectorAll('#requests svg .bar').length")) > 5


def test_losses_and_cost_are_told_zeros_included(leak):
    names = leak("evaluate", script=(
        "[...document.querySelectorAll('#recording .counters li')]"
        ".map((e) => e.textContent)"))
    assert any("no slab" in name for name in names)
    assert "of a core, in its hooks" in leak.text("#recording")


def test_the_machine_is_told(leak):
    told = leak.text("#recording")
    assert re.search(r"memory\s+[0-9.]+ [GM]iB", told)
    assert re.search(r"processor\s+.+, [0-9]+ of them", told)


@pytest.mark.parametrize("name, options", [
    ("light", DESKTOP), ("dark", {**DESKTOP, "colorScheme": "dark"}),
    ("phone", PHONE)])
def test_nothing_stands_in_a_readers_way(browser, leaking_page, name,
                                         options):
    page = Page(browser, leaking_page, options)
    page.picture(name)
    assert page.width() <= options["viewport"]["width"]
    assert page("obstacles") == []
    assert page("evaluate", script=(
        "Math.min(...[...document.querySelectorAll('.bars text')].map("
        "(e) => e.getBoundingClientRect().height))")) > 9  # to be read


def test_it_prints_in_light_with_all_opened(leak, tmp_path):
    leak("media", options={"colorScheme": "dark"})
    leak("evaluate", script="dispatchEvent(new Event('beforeprint'))")
    assert leak("evaluate", script=(
        "[...document.querySelectorAll('details')].every((d) => d.open)"))
    assert leak("evaluate", script=(
        "document.documentElement.dataset.theme")) == "light"
    leak("evaluate", script="dispatchEvent(new Event('afterprint'))")
    folder = os.environ.get("STRANDLINE_PICTURES", tmp_path)
    printed = leak("pdf", path=str(pathlib.Path(folder) / "leak.pdf"))
    assert pathlib.Path(printed).read_bytes().startswith(b"%PDF")


def test_a_python_server_is_shown(browser, python_page):
    page = Page(browser, python_page, DESKTOP)
    page.picture("python")
    assert "/api/v1/retrieval/search" in page.text("#requests")
    assert len(page.texts("#sites tbody tr")) > 10
    assert len(page.texts("#memory select option")) >= 4  # processes, all
    page("choose", on="#memory select", value="all")
    page.becomes("#memory", "Pages that processes share")
    page.check_quiet()
    phone = Page(browser, python_page, PHONE)
    assert phone.width() <= PHONE["viewport"]["width"]


def test_it_is_small_and_equal_recordings_give_equal_bytes(product, leaking,
                                                          leaking_page):
    again = leaking.parent / "again.html"
    product("report", "-f", "html", "-o", again, leaking)
    assert payload_of(again) == payload_of(leaking_page)
    assert again.read_bytes() == leaking_page.read_bytes()
    page = leaking_page.read_text()
    data = re.search(r'id="payload">([^<]*)<', page)[1]
    assert len(page) - len(data) < 1_500_000


def test_the_page_carries_what_the_json_report_tells(product, leaking,
                                                    leaking_page):
    page = payload_of(leaking_page)
    report = json.loads(product("report", "-f", "json", leaking))
    for section in ("verdict", "findings", "endpoints", "ledger", "losses"):
        assert page[section] == report[section]


def test_names_are_text(browser, product, modules, tmp_path, eventually):
    """A server whose name and mark are markup."""
    hostile = "<img src=x onerror=alert(1)><script>alert(2)</script>"
    recording = tmp_path / "run.strand"
    with subprocess.Popen([*product.under(recording), "/bin/sh", "-c",
                           f"echo; read x; : '{hostile}'"], text=True,
                          stdin=subprocess.PIPE,
                          stdout=subprocess.PIPE) as process:
        process.stdout.readline()
        eventually(lambda: hostile in product("report", "-f", "json",
                                              recording))
        process.communicate("\n", timeout=120)
    assert process.returncode == 0
    page = Page(browser, write_page(product, recording), DESKTOP)
    assert "onerror=alert(1)" in page.text("#verdict")
    assert page("evaluate",
                script="document.querySelectorAll('img').length") == 0
    page.check_quiet()


def test_where_there_is_no_npm_the_page_is_left_out(tmp_path):
    tools = tmp_path / "bin"
    tools.mkdir()
    for name in ("bash", "basename", "cat", "dirname", "mkdir"):
        (tools / name).symlink_to(shutil.which(name))
    done = subprocess.run(
        [ROOT / "scripts/make-page.sh", tmp_path / "web"],
        env={"PATH": str(tools)}, capture_output=True, text=True, check=True)
    assert "left out is the HTML report: no node here" in done.stdout
    for name in ("page.js", "page.css"):
        assert (tmp_path / "web" / name).read_bytes() == b""


def test_the_lock_names_no_registry():
    lock = json.loads((ROOT / "reports/web/package-lock.json").read_text())
    assert all("resolved" not in package
               for package in lock["packages"].values())


def test_two_recordings_are_compared(browser, product, leaking, tmp_path):
    port = serve.free_port()
    base = record(product, tmp_path, serve.rag_c(port, product.build), port,
                  "search=3,chat", 3)
    path = tmp_path / "diff.html"
    product("diff", "-f", "html", "-o", path, base, leaking)
    page = Page(browser, path, DESKTOP)
    page.picture("diff")
    page("click", on="#changes label")
    page("click", on="#changes button:has-text('show more')")
    assert "rss peak" in page.text("#changes")
    assert re.search(r"against .* of the base", page.text("#stacks .what"))
    page.check_quiet()


def test_200000_stacks_open_at_once(browser, product, tmp_path):
    maker = product.build / "tests/bench/make_recording"
    recording = tmp_path / "run.strand"
    subprocess.run([maker, recording, "800000", "4", "200000", "600000",
                    "60", "3000"], check=True, stdout=subprocess.DEVNULL)
    page = Page(browser, write_page(product, recording), DESKTOP)
    stacks = page("evaluate", script=(
        "+document.querySelector('#sites .more').innerText"
        ".replace(/.* of ([0-9]+) .*/s, '$1')"))
    print(f"{stacks} places; open after {page.took:.2f} s")
    assert page.took < 60  # 0.8 s on idle cores
    page.check_quiet()
