"""strandline run, mark and the command line, on real processes.

What is asserted: the server's status, signals, streams and processes are as
they would be without strandline, what it cannot do is one sentence and the
right status, and the recording holds what was running.
"""

import json
import os
import pty
import shutil
import signal
import subprocess
import time
from pathlib import Path

import pytest

BUILD = Path(os.environ.get("STRANDLINE_BUILD", "build/release")).resolve()
STRANDLINE = str(BUILD / "strandline")
PYTHON = "/usr/bin/python3"
PATIENCE_S = 120


@pytest.fixture(autouse=True)
def in_own_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PATH", "/usr/bin:/bin:/usr/sbin:/sbin")


def strandline(*words, **kwargs):
    return subprocess.run([STRANDLINE, *words], capture_output=True, text=True,
                          timeout=PATIENCE_S + 30, **kwargs)


def run(*command, options=(), **kwargs):
    return strandline("run", "-q", "-o", "t.strand", *options, "--", *command,
                      **kwargs)


def start(*command, options=(), **kwargs):
    return subprocess.Popen(
        [STRANDLINE, "run", "-q", "-o", "t.strand", *options, "--", *command],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, **kwargs)


def await_(what, seconds=PATIENCE_S):
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        value = what()
        if value:
            return value
        time.sleep(0.02)
    raise AssertionError("waited in vain")


def report(recording="t.strand"):
    answer = strandline("report", "-f", "json", recording)
    assert answer.returncode == 0, answer.stderr
    return json.loads(answer.stdout)


def slabs(recording="t.strand"):
    return [p for p in Path(recording).glob("*.slabs") if p.stem != "host"]


def alive(pid):
    try:
        return Path(f"/proc/{pid}/stat").read_text().split(")")[1][1] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False


# -- the command line ------------------------------------------------------

def refused(answer, status, sentence):
    assert answer.returncode == status
    assert answer.stdout == ""
    assert answer.stderr == f"strandline: {sentence}\n"


def test_a_mistake_in_the_command_line_is_status_2():
    refused(strandline(), 2, "which command? see strandline --help")
    refused(strandline("rum"), 2,
            "unknown command 'rum'; did you mean 'run'?")
    refused(strandline("run"), 2,
            "which command? strandline run [options] -- CMD...")
    refused(strandline("run", "--rate", "0", "true"), 2,
            "--rate: 0 is no distance between samples; use --mode exact to "
            "record every allocation")
    refused(strandline("run", "--interval", "5", "true"), 2,
            "--interval: 5 ms is not between 10 ms and an hour")
    assert os.listdir() == []


@pytest.mark.parametrize("words", [["--help"], ["help"], ["run", "--help"],
                                   ["help", "report"], ["mark", "-h"],
                                   ["--version"]])
def test_help_goes_to_standard_output(words):
    answer = strandline(*words)
    assert answer.returncode == 0
    assert answer.stdout
    assert answer.stderr == ""


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_completion_parses_in_its_shell(shell):
    script = strandline("completion", shell).stdout
    if not shutil.which(shell):
        pytest.skip(f"no {shell} here")
    assert subprocess.run([shell, "-n"], input=script, text=True).returncode \
        == 0


# -- what cannot be started ------------------------------------------------

def test_a_missing_command_is_one_sentence_and_leaves_nothing():
    refused(strandline("run", "--", "nosuchcommand"), 1,
            "cannot run nosuchcommand: there is no such command in PATH")
    assert os.listdir() == []


def compile_(name, text, *flags):
    subprocess.run(["cc", "-x", "c", "-", "-o", name, *flags], input=text,
                   text=True, check=True)
    return f"./{name}"


def test_a_static_program_is_refused_before_it_starts():
    compile_("p", "#include <stdio.h>\nint main(){puts(\"ran\");}", "-static")
    refused(run("./p"), 1,
            "./p is linked statically, so LD_PRELOAD does not reach it; link "
            "it dynamically to profile it")


def test_a_program_that_turns_into_a_static_one_is_said():
    compile_("p", "#include <unistd.h>\nint main(){sleep(2);return 7;}",
             "-static")
    answer = run("sh", "-c", "exec ./p")
    assert answer.returncode == 7
    assert "which did not record" in answer.stderr


def test_an_existing_recording_is_not_touched():
    Path("t.strand").mkdir()
    refused(run("true"), 1,
            "t.strand exists already; choose another name with -o, or remove "
            "it")
    assert os.listdir("t.strand") == []


# -- the server is left as it would be -------------------------------------

def test_the_status_is_the_servers():
    assert run("sh", "-c", "exit 37").returncode == 37


def test_a_death_by_signal_is_128_and_its_number():
    answer = run("sh", "-c", "kill -SEGV $$")
    assert answer.returncode == 128 + signal.SIGSEGV
    assert "signal 11 (Segmentation fault)" in answer.stderr


def test_its_streams_are_its_own():
    answer = run("sh", "-c", "cat; echo err >&2", input="hello\n")
    assert answer.stdout == "hello\n"
    assert answer.stderr == "err\n"


def test_it_has_no_descriptors_of_ours():
    answer = run("sh", "-c", "ls /proc/self/fd")
    # 0, 1, 2, the listing itself, and the recorder's own above 200
    few = [int(fd) for fd in answer.stdout.split() if int(fd) < 100]
    assert few == [0, 1, 2, 3]


def test_its_signal_mask_and_ignored_signals_are_as_before():
    look = [PYTHON, "-c", "print(open('/proc/self/status').read())"]

    def signals(text):
        return [line for line in text.splitlines()
                if line.startswith(("SigBlk", "SigIgn"))]

    plain = subprocess.run(look, capture_output=True, text=True).stdout
    assert signals(run(*look).stdout) == signals(plain)


def test_a_script_without_an_interpreter_runs():
    Path("s").write_text("exit 5\n")
    os.chmod("s", 0o755)
    assert run("./s").returncode == 5


def test_killing_strandline_leaves_the_server_alone():
    p = start(PYTHON, "-c", "import os, time; print(os.getpid(), flush=True)\n"
              "time.sleep(0.5); open('after', 'w'); time.sleep(60)")
    server = int(p.stdout.readline())
    p.kill()
    p.wait()
    try:
        await_(lambda: Path("after").exists())
        assert alive(server)
    finally:
        os.kill(server, signal.SIGKILL)
    await_(lambda: not alive(server))
    assert report()["recording"]["torn"]


# -- signals ---------------------------------------------------------------

TRAPS = ("trap 'echo usr1' USR1; trap 'echo hup; exit 6' HUP; echo ready; "
         "while :; do sleep 0.05; done")


def test_signals_are_passed_on():
    p = start("sh", "-c", TRAPS)
    assert p.stdout.readline() == "ready\n"
    p.send_signal(signal.SIGUSR1)
    assert p.stdout.readline() == "usr1\n"
    p.send_signal(signal.SIGHUP)
    assert p.stdout.readline() == "hup\n"
    assert p.wait(PATIENCE_S) == 6


def test_the_terminals_interrupt_reaches_the_server_once():
    program = ("import signal, time, sys\n"
               "n = 0\n"
               "def on(*_):\n"
               "    global n\n"
               "    n += 1\n"
               "signal.signal(signal.SIGINT, on)\n"
               "print('ready', flush=True)\n"
               "while not n: time.sleep(0.01)\n"
               "time.sleep(0.5)\n"
               "sys.exit(40 + n)\n")
    pid, terminal = pty.fork()
    if pid == 0:
        os.execv(STRANDLINE, [STRANDLINE, "run", "-q", "-o", "t.strand",
                              "--", PYTHON, "-c", program])
    seen = b""
    while b"ready" not in seen:
        seen += os.read(terminal, 1024)
    os.write(terminal, b"\x03")
    _, status = os.waitpid(pid, 0)
    os.close(terminal)
    assert os.waitstatus_to_exitcode(status) == 41


def test_the_duration_ends_the_server():
    began = time.monotonic()
    answer = run("sleep", "600", options=["--duration", "1"])
    assert answer.returncode == 128 + signal.SIGTERM
    assert 0.9 < time.monotonic() - began < PATIENCE_S


def test_a_server_that_ignores_sigterm_is_killed_after_its_grace():
    answer = run("sh", "-c", "trap '' TERM; while :; do sleep 0.1; done",
                 options=["--duration", "2"])  # the trap is set by then
    assert answer.returncode == 128 + signal.SIGKILL
    assert "it is killed" in answer.stderr


# -- which process is the server -------------------------------------------

def test_a_chain_of_execs_is_one_process_with_an_image_each():
    Path("wrap").write_text(f"#!/bin/bash\nexec env X=1 {PYTHON} \"$@\"\n")
    os.chmod("wrap", 0o755)
    answer = run("./wrap", "-c", "print('served')")
    assert answer.stdout == "served\n"
    names = sorted(p.name.split(".", 1)[1] for p in slabs())
    assert names == ["1.slabs", "2.slabs", "slabs"]


def test_no_follow_records_the_command_alone():
    run("sh", "-c", "ls / > list; ls /", options=["--no-follow"])
    assert len(slabs()) == 1


def test_children_record_too():
    run("sh", "-c", "ls / > list; ls / > list; true")
    assert len(slabs()) == 3


def test_children_that_end_at_once_are_seen_to_end():
    p = start(PYTHON, "-c", "import os\n"
              "for _ in range(20):\n"
              "    child = os.fork()\n"
              "    if not child: os._exit(0)\n"
              "    os.waitpid(child, 0)\n"
              "print(flush=True)\n"
              "input()\n",
              options=["--mode", "exact"], stdin=subprocess.PIPE)
    p.stdout.readline()
    await_(lambda: [process["ended"] for process in
                    report()["processes"]].count(None) == 1)
    p.communicate("\n", timeout=PATIENCE_S)
    processes = report()["processes"]
    assert len(processes) > 10  # those that allocated before they ended
    assert all(process["ended"] is not None for process in processes)


DAEMON = ("import os, sys, time\n"
          "if os.fork(): os._exit(0)\n"
          "os.setsid()\n"
          "open('daemon', 'w').write(str(os.getpid()))\n"
          "time.sleep(1.5)\n"
          "os._exit(9)\n")


def test_a_server_that_detaches_itself_is_waited_for():
    began = time.monotonic()
    assert run(PYTHON, "-c", DAEMON).returncode == 9
    assert time.monotonic() - began > 1.4


def test_a_signal_after_that_goes_to_the_detached_server():
    p = start(PYTHON, "-c", DAEMON.replace("1.5", "60"))
    await_(lambda: Path("daemon").exists() and
           Path("daemon").read_text().isdigit())
    daemon = int(Path("daemon").read_text())
    await_(lambda: len(slabs()) == 2)
    children = Path(f"/proc/{p.pid}/task/{p.pid}/children")
    await_(lambda: children.read_text().split() == [str(daemon)])
    time.sleep(0.5)  # it has seen whom it reaped
    p.send_signal(signal.SIGTERM)
    assert p.wait(PATIENCE_S) == 128 + signal.SIGTERM
    assert not alive(daemon)


def test_orphans_of_a_failed_server_are_not_waited_for_for_ever():
    began = time.monotonic()
    answer = run("sh", "-c", "sleep 61 >/dev/null 2>&1 & echo $!; exit 4")
    orphan = int(answer.stdout)
    try:
        assert answer.returncode == 4
        assert time.monotonic() - began < 50
        assert alive(orphan)
        assert f"process {orphan} among them" in answer.stderr
    finally:
        os.kill(orphan, signal.SIGKILL)


# -- the recording ---------------------------------------------------------

def test_the_ledger_has_every_process_and_its_parts_add_up():
    run("sh", "-c", f"{PYTHON} -c 'import time; time.sleep(1)'; true",
        options=["--interval", "100"])
    ledger = report()["ledger"]
    assert len({line["pid"] for line in ledger}) == 2
    whole = [line for line in ledger if line["heap"] is not None]
    assert whole
    for line in whole:
        parts = ("heap", "anon", "file", "stacks", "slabs")
        assert sum(line[part] for part in parts) == line["rss"]
    assert all(line["fds"] >= 3 and line["threads"] == 1 for line in ledger)


def test_thread_stacks_are_told_from_other_memory():
    compile_("p", """
        #include <pthread.h>
        #include <string.h>
        #include <unistd.h>
        static void *deep(void *arg) {
            volatile char room[4 << 20];
            memset((void *)room, 1, sizeof(room));
            sleep(3);
            return arg;
        }
        int main(void) {
            pthread_t t[4];
            for (int i = 0; i < 4; i++) pthread_create(&t[i], 0, deep, 0);
            for (int i = 0; i < 4; i++) pthread_join(t[i], 0);
        }""", "-pthread", "-O0")
    run("./p", options=["--interval", "100"])
    stacks = [line["stacks"] for line in report()["ledger"]
              if line["stacks"] is not None]
    assert 16 << 20 <= max(stacks) < 18 << 20


def test_marks_are_in_the_recording_by_its_name_and_by_a_process():
    p = start("sh", "-c", "echo $$; read x", stdin=subprocess.PIPE)
    server = p.stdout.readline().strip()
    assert strandline("mark", "t.strand", "warm up").returncode == 0
    assert strandline("mark", server, "load <2>").returncode == 0
    p.communicate("go\n")
    assert [m["label"] for m in report()["marks"]] == ["warm up", "load <2>"]


def test_marks_of_what_does_not_record_are_refused():
    run("true")
    refused(strandline("mark", "t.strand", "late"), 1,
            "t.strand: its server has ended, so there is nothing to mark")
    refused(strandline("mark", "/tmp", "x"), 1, "/tmp is not a recording")
    refused(strandline("mark", str(os.getpid()), "x"), 1,
            f"process {os.getpid()} records nothing; start it with "
            f"strandline run, or strandline attach {os.getpid()}")
    refused(strandline("mark", "t.strand", ""), 2, "the label is empty")


def test_the_summary_ends_with_the_recordings_path():
    answer = strandline("run", "--", PYTHON, "-c", "print('served')")
    assert answer.returncode == 0
    assert answer.stdout.startswith("served\n")
    assert answer.stdout.endswith("Recording: python3-1.strand\n")
    assert len(answer.stdout.splitlines()) > 10


def test_a_full_disk_harms_only_the_recording():
    if os.geteuid() != 0:
        pytest.skip("only root can mount a small disk")
    Path("small").mkdir()
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=128k",
                              "tmpfs", "small"])
    if mounted.returncode:
        pytest.skip("mounting is not allowed here")
    try:
        answer = strandline("run", "-q", "-o", "small/t.strand",
                            "--interval", "10", "--", PYTHON, "-c",
                            "import time; time.sleep(1); print('served')")
        assert answer.stdout == "served\n"
        assert answer.returncode == 0
    finally:
        subprocess.run(["umount", "small"])


def test_an_exact_recording_outgrows_its_cap():
    compile_("p", """
        #include <stdlib.h>
        #include <unistd.h>
        int main(void) {
            for (int i = 0; i < 3000; i++) {
                for (int j = 0; j < 1000; j++) {
                    volatile char *p = malloc(32);
                    *p = 1;
                    if (j % 100)
                        free((void *)p);
                }
                usleep(1000);
            }
        }""", "-O0")
    run("./p", options=["--mode", "exact", "--max-size", "8MiB"])
    told = report()
    assert told["losses"]["after_stop"] == 0
    # A pair takes 11 bytes at the least, so 8 MiB hold 0.8 million.
    assert told["totals"]["allocated"]["count"]["value"] > 1_600_000
    assert sum(p.stat().st_blocks * 512 for p in slabs()) < 9 << 20
