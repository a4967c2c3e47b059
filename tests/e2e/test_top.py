"""strandline top, in a real terminal: tmux holds it and presses the keys."""

import json
import os
import pathlib
import re
import shutil
import signal
import subprocess
import sys
import time

import pytest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "servers"))
import serve  # noqa: E402

UTF8 = {"LC_ALL": "C.UTF-8"}


class Terminal:
    """One pane of a tmux of our own."""

    def __init__(self, socket, folder):
        self.socket = socket
        self.folder = folder

    def tmux(self, *words):
        """Ask tmux; what it prints."""
        return subprocess.run(
            ["tmux", "-S", str(self.socket), "-f", "/dev/null",
             *map(str, words)], check=True, capture_output=True,
            text=True, timeout=120).stdout

    def run(self, *words, columns=80, rows=24, **environment):
        """Run a command in it; its status is shown when it ends."""
        settings = [f"{k}={v}" for k, v in environment.items()]
        command = " ".join(["env", "-u", "NO_COLOR", *settings,
                            *map(str, words)])
        self.tmux("new-session", "-d", "-s", "t", "-x", columns, "-y", rows,
                  "-c", self.folder,
                  f"{command}; echo ended with $?; sleep 600")

    def screen(self, *options):
        """The text that stands on it."""
        return self.tmux("capture-pane", "-p", "-t", "t", *options)

    def press(self, *keys):
        """Press keys, by tmux's names."""
        self.tmux("send-keys", "-t", "t", *keys)

    def resize(self, columns, rows):
        """Another size."""
        self.tmux("resize-window", "-t", "t", "-x", columns, "-y", rows)

    def shows(self, text, seconds=120):
        """Wait until it does; the screen then."""
        deadline = time.monotonic() + seconds
        screen = ""
        while time.monotonic() < deadline:
            screen = self.screen()
            if text in screen:
                return screen
            time.sleep(0.05)
        raise AssertionError(f"no '{text}' in\n{screen}")


@pytest.fixture
def terminal(tmp_path):
    if not shutil.which("tmux"):
        pytest.skip("no tmux here")
    it = Terminal(tmp_path / "tmux", tmp_path)
    yield it
    subprocess.run(["tmux", "-S", str(it.socket), "kill-server"],
                   capture_output=True, check=False)


class Server:
    """rag_c under the profiler."""

    def __init__(self, product, path):
        self.port = serve.free_port()
        self.process = serve.running(
            [*product.under(path),
             *serve.rag_c(self.port, product.build)], self.port)

    def __enter__(self):
        self.process.__enter__()
        return self

    def __exit__(self, *what):
        self.process.__exit__(*what)


@pytest.fixture(scope="module")
def ended(product, tmp_path_factory):
    """A recording of rag_c that has ended."""
    folder = tmp_path_factory.mktemp("top")
    path = folder / "shop.strand"
    with Server(product, path) as server:
        product.load(server.port, "-c", 2, "-n", 400, "-m", "search=3,chat=1")
    return path


def test_a_recording_that_ended_is_shown_at_80_by_24(product, terminal, ended):
    terminal.run(product.tool, "top", ended, **UTF8)
    screen = terminal.shows("q quit")
    lines = screen.splitlines()
    assert len(lines) == 24 and all(len(line) <= 80 for line in lines)
    assert lines[0].startswith("strandline  ") and "ended" in lines[0]
    assert lines[1].startswith("verdict  ")
    assert re.search(r"RSS \d+\.\d MiB", screen)
    assert "live heap" in screen and "█" in screen
    assert re.search(r" 40\d in all", screen), "400, and those that waited"
    terminal.press("q")
    terminal.shows("ended with 0")


def test_keys_lead_through_tables(product, terminal, ended):
    terminal.run(product.tool, "top", ended, "-k", "alloc", **UTF8)
    terminal.shows("[1 sites]")
    terminal.press("2")
    terminal.shows("POST /api/v1/chat")
    terminal.press("/", *"zzz", "Enter")
    terminal.shows("nothing contains that text")
    terminal.press("/", "Escape", "1", "Enter")
    terminal.shows("innermost first")
    terminal.press("Escape", "s")
    terminal.shows("by count")
    terminal.press("k")
    terminal.shows("kind peak")
    terminal.press("4")
    terminal.shows("[4 processes]")
    terminal.press("?")
    terminal.shows("any key leaves this page")
    terminal.press("x", "p")
    terminal.shows("paused")


def test_another_size_is_drawn_anew(product, terminal, ended):
    terminal.run(product.tool, "top", ended, **UTF8)
    terminal.shows("q quit")
    terminal.resize(120, 40)
    deadline = time.monotonic() + 120
    while time.monotonic() < deadline:
        lines = terminal.screen().splitlines()
        if len(lines) == 40 and "q quit" in lines[-1]:
            break
        time.sleep(0.05)
    assert "q quit" in lines[-1] and len(lines[0]) > 80
    terminal.resize(50, 12)
    terminal.shows("ended")
    terminal.resize(30, 5)
    terminal.shows("too small")
    terminal.resize(80, 24)
    terminal.shows("q quit")


def test_a_report_is_written(product, terminal, ended):
    terminal.run(product.tool, "top", ended, **UTF8)
    terminal.shows("q quit")
    terminal.press("w")
    terminal.shows("written: top-shop-1.txt")
    report = terminal.folder / "top-shop-1.txt"
    assert "LEDGER" in report.read_text() or "rag_c" in report.read_text()


@pytest.mark.parametrize("environment", [
    {"NO_COLOR": "1", "LC_ALL": "C.UTF-8"},
    {"TERM": "vt100", "LC_ALL": "C.UTF-8"}])
def test_without_colour_there_is_none(product, terminal, ended, environment):
    terminal.run(product.tool, "top", ended, **environment)
    terminal.shows("q quit")
    codes = re.findall(r"\x1b\[([0-9;]*)m", terminal.screen("-e"))
    colours = [c for code in codes for c in code.split(";")
               if c.isdigit() and 30 <= int(c) <= 49 and int(c) not in (39, 49)]
    assert colours == []


def test_a_terminal_of_ascii_gets_ascii(product, terminal, ended):
    terminal.run(product.tool, "top", ended, LC_ALL="C")
    screen = terminal.shows("q quit")
    assert "#####" in screen and "█" not in screen


def test_a_dumb_terminal_is_told_so(product, terminal, ended):
    terminal.run(product.tool, "top", ended, TERM="dumb")
    screen = " ".join(terminal.shows("ended with 1").split())
    assert "cannot draw on this terminal (TERM is dumb)" in screen


def test_no_terminal_is_told_so(product, ended):
    done = subprocess.run([product.tool, "top", str(ended)],
                          capture_output=True, text=True, timeout=60,
                          stdin=subprocess.DEVNULL)
    assert done.returncode == 1
    assert "top draws on a terminal, and this is none" in done.stderr
    assert product("top", "--once", ended).startswith("strandline  ")


def test_a_process_is_followed_into_its_recording(product, terminal,
                                                  recording):
    with Server(product, recording.path) as server:
        pid = next(int(p.stem) for p in recording.slabs())
        terminal.run(product.tool, "top", pid, **UTF8)
        assert "live" in terminal.shows("live heap").splitlines()[0]
        product.load(server.port, "-c", 2, "-n", 300, "-m", "search")
        terminal.shows(" 30")
    terminal.shows("  ended")


def test_a_process_that_nothing_records_has_a_ledger(product, terminal,
                                                     eventually):
    process = subprocess.Popen(["sleep", "600"])
    try:
        terminal.run(product.tool, "top", process.pid, **UTF8)
        screen = terminal.shows("nothing records this process; a attaches")
        assert re.search(r"RSS \d+\.\d .iB", screen)
        assert re.search(r"threads 1 ", screen)
    finally:
        process.kill()
        process.wait()
    terminal.shows("has ended")
    terminal.press("q")
    terminal.shows("ended with 0")


def test_a_attaches_and_leaves(product, terminal):
    checks = json.loads(product("doctor", "--json"))["checks"]
    if not any(c["name"] == "attach (eBPF)" and c["state"] == "works"
               for c in checks):
        pytest.skip("no programs in the kernel here")
    process = subprocess.Popen(
        ["/usr/bin/python3", "-c",
         "x = []\nwhile True: x.append(bytes(1 << 16)); "
         "__import__('time').sleep(.01)"])
    try:
        terminal.run(product.tool, "top", process.pid, "-k", "rss", **UTF8)
        terminal.shows("a attaches to it")
        terminal.press("a")
        terminal.shows(f"top-{process.pid}-1.strand")
        terminal.press("q")
        screen = terminal.shows("ended with 0")
        assert "Recording: " in screen
        assert process.poll() is None
    finally:
        process.kill()
        process.wait()


def test_a_preloaded_server_that_idles_is_shown_while_it_idles(
        product, terminal):
    """It records when it allocates, and until then there is its ledger."""
    port = serve.free_port()
    env = {**os.environ, "LD_PRELOAD": product.shim, "STRANDLINE": "idle"}
    with serve.running(serve.rag_c(port, product.build), port,
                       env=env) as server:
        terminal.run(product.tool, "top", "--attach", server.pid, **UTF8)
        # By now, or it has not allocated since.
        terminal.shows(f"top-{server.pid}-1.strand")
        assert re.search(r"RSS \d+\.\d MiB", terminal.screen())
        product.load(port, "-c", 2, "-n", 2000, "-m", "search")
        terminal.shows("   lost ")
        terminal.press("q")
        terminal.shows("ended with 0")


def test_stopped_and_continued_it_draws_on(product, terminal):
    process = subprocess.Popen(["sleep", "600"])
    try:
        terminal.tmux("new-session", "-d", "-s", "t", "-x", 80, "-y", 24,
                      "-c", terminal.folder,
                      "env LC_ALL=C.UTF-8 PS1=ready: sh -i")
        terminal.shows("ready:")
        terminal.press(f"{product.tool} top {process.pid}", "Enter")
        terminal.shows("? help")
        terminal.press("C-z")
        terminal.shows("Stopped")
        terminal.press("fg", "Enter")
        terminal.shows("? help")
        terminal.press("q")
        terminal.shows("ready:")
    finally:
        process.kill()
        process.wait()


def test_an_attach_ends_with_its_terminal(product, terminal, eventually):
    process = subprocess.Popen(["sleep", "600"])
    try:
        terminal.run(product.tool, "top", "--attach", process.pid, **UTF8)
        terminal.shows(f"top-{process.pid}-1.strand")
        tools = [pid for pid in descendants(int(terminal.tmux(
            "display-message", "-p", "-t", "t", "#{pane_pid}")))
            if os.readlink(f"/proc/{pid}/exe").endswith("/strandline")]
        assert len(tools) >= 2, "top, and what it attaches by"
        terminal.tmux("kill-session", "-t", "t")
        eventually(lambda: not any(
            pathlib.Path(f"/proc/{pid}").exists() for pid in tools), 60)
        assert process.poll() is None
    finally:
        process.kill()
        process.wait()
    report = product("report", next(terminal.folder.glob("*.strand")))
    assert "resident (RSS)" in report


def test_a_signal_ends_it_and_gives_the_terminal_back(product, terminal,
                                                      ended):
    terminal.run(product.tool, "top", ended, **UTF8)
    terminal.shows("q quit")
    shell = int(terminal.tmux("display-message", "-p", "-t", "t",
                              "#{pane_pid}"))
    top = next(pid for pid in descendants(shell)
               if os.readlink(f"/proc/{pid}/exe").endswith("/strandline"))
    os.kill(top, signal.SIGTERM)
    terminal.shows("ended with 0")
    assert terminal.tmux("display-message", "-p", "-t", "t",
                         "#{cursor_flag} #{alternate_on}") == "1 0\n"


def descendants(pid):
    """Of a process, itself too."""
    yield pid
    for child in pathlib.Path(
            f"/proc/{pid}/task/{pid}/children").read_text().split():
        yield from descendants(int(child))


def test_what_is_no_recording_is_told_in_a_sentence(product, tmp_path):
    for word in (tmp_path, tmp_path / "nothing"):
        done = subprocess.run([product.tool, "top", str(word)],
                              capture_output=True, text=True, timeout=60)
        assert done.returncode == 1
        assert str(word) in done.stderr and done.stderr.count("\n") == 1
