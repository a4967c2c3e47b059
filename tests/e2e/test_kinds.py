"""Programs of every kind, and processes begun in every way.

What can be recorded is, exactly; what cannot is left alone, and said.
"""

import os
import pathlib
import pwd
import shutil
import subprocess

import pytest

from conftest import Recording
from test_truth import seen, truth_of

HELLO = """
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>
#include <sys/wait.h>
int main(void) {
    char *p = NULL;
    for (int i = 1; i < 1000; i++) {
        p = realloc(p, i * 37);
        p[i] = 1;
    }
    free(p);
    int fd = dup(1), status = 0;
    close(fd);
    if (!fork()) {
        free(malloc(10));
        _exit(4);
    }
    wait(&status);
    printf("hello %d\\n", WEXITSTATUS(status));
    return 5;
}
"""


def compiled(folder, name, *command):
    """A program made by @command, or a skip by its name."""
    if not shutil.which(command[0]):
        pytest.skip(f"no {command[0]} here")
    source = folder / f"{name}.c"
    source.write_text(HELLO)
    program = folder / name
    done = subprocess.run([*command, str(source), "-o", str(program)],
                          capture_output=True, text=True)
    if done.returncode:
        pytest.skip(f"{' '.join(command)} makes no program here")
    return program


def under(product, recording, *command, options=(), **more):
    return subprocess.run([*product.under(recording.path, *options),
                           *map(str, command)], capture_output=True,
                          text=True, timeout=60, **more)


KINDS = [("static", ["cc", "-static"], "is linked statically"),
         ("musl", ["musl-gcc"], "uses the C library musl"),
         ("static_musl", ["musl-gcc", "-static"], "is linked statically"),
         ("narrow", ["cc", "-m32"], "is a 32-bit program")]


@pytest.mark.parametrize("name, command, why", KINDS,
                         ids=[kind[0] for kind in KINDS])
def test_a_command_that_cannot_be_recorded_is_one_sentence(
        product, recording, tmp_path, name, command, why):
    done = under(product, recording, compiled(tmp_path, name, *command))
    assert (done.returncode, done.stdout) == (1, "")
    assert why in done.stderr
    assert len(done.stderr.splitlines()) == 1
    assert not recording.path.exists()


@pytest.mark.parametrize("mode", ["sample", "exact"])
@pytest.mark.parametrize("name, command, why", KINDS,
                         ids=[kind[0] for kind in KINDS])
def test_a_child_that_cannot_be_recorded_runs_as_alone(
        product, recording, tmp_path, name, command, why, mode):
    program = compiled(tmp_path, name, *command)
    done = under(product, recording, "sh", "-c", f"{program}; echo $?",
                 options=["--mode", mode])
    assert (done.returncode, done.stdout) == (0, "hello 4\n5\n")
    if name != "narrow":  # its loader says that it ignores us
        assert done.stderr == ""


def test_every_way_to_begin_a_process_is_recorded(product, recording):
    program = product.program("truth_spawns")
    alone = subprocess.run([program], capture_output=True, text=True)
    done = under(product, recording, program, options=["--mode", "exact"])
    assert (done.returncode, done.stdout) == (0, alone.stdout)
    truth = truth_of("spawns.c")
    report = recording.json()
    assert seen(report, truth) == truth
    assert not any(report["losses"].values())


@pytest.fixture
def stranger(product, tmp_path):
    """Runs a command as a user without rights, who can use the product."""
    if os.geteuid() != 0 or not shutil.which("setpriv"):
        pytest.skip("only root can become a stranger")
    nobody = pwd.getpwnam("nobody")
    home = pathlib.Path("/tmp") / f"strandline-stranger-{os.getpid()}"
    home.mkdir()
    for built in (product.tool, product.shim):
        shutil.copy(built, home)
    os.chown(home, nobody.pw_uid, nobody.pw_gid)

    def run(*command):
        return subprocess.run(
            ["setpriv", f"--reuid={nobody.pw_uid}",
             f"--regid={nobody.pw_gid}", "--clear-groups", "--",
             *map(str, command)], capture_output=True, text=True,
            timeout=60, cwd=home)

    run.home = home
    yield run
    shutil.rmtree(home)


def test_a_program_that_gains_rights_is_refused(stranger):
    program = shutil.copy(shutil.which("id"), stranger.home / "id")
    os.chown(program, 0, 0)
    os.chmod(program, 0o4755)
    done = stranger("./strandline", "run", "-q", "-o", "t.strand", "./id")
    assert done.returncode == 1
    assert "gains privilege by its file" in done.stderr


def test_a_command_that_becomes_one_is_said(stranger):
    program = shutil.copy(shutil.which("sleep"), stranger.home / "sleep")
    os.chown(program, 0, 0)
    os.chmod(program, 0o4755)
    done = stranger("./strandline", "run", "-q", "-o", "t.strand",
                    "--interval", "50", "--", "sh", "-c", "exec ./sleep 2")
    assert done.returncode == 0
    assert "became [sleep], which did not record" in done.stderr


def test_what_an_exec_led_to_is_not_taken_for_unrecorded(product, recording):
    done = under(product, recording, "sh", "-c",
                 "exec env /usr/bin/python3 -c 'print(1)'")
    assert (done.stdout, done.stderr) == ("1\n", "")


def test_a_nested_pid_namespace(product, recording):
    probe = subprocess.run(["unshare", "-pf", "--mount-proc", "true"],
                           capture_output=True)
    if probe.returncode:
        pytest.skip("namespaces need root")
    done = under(
        product, recording, "unshare", "-pf", "--mount-proc",
        product.program("truth_peak"), options=["--mode", "exact"])
    assert done.returncode == 0
    truth = truth_of("peak.c")
    report = recording.json()
    told = seen(report, truth)
    for name, figures in truth.items():
        if name != "*":
            assert told[name] == figures
    assert not any(report["losses"].values())


def test_the_ledger_knows_processes_of_a_nested_pid_namespace(
        product, recording):
    if subprocess.run(["unshare", "-pf", "--mount-proc", "true"],
                      capture_output=True).returncode:
        pytest.skip("namespaces need root")
    under(product, recording, "unshare", "-pf", "--mount-proc",
          "/usr/bin/python3", "-c",
          "import time; kept = b'x' * (50 << 20); time.sleep(2)",
          options=["--interval", "100"])
    report = recording.json()
    server = next(p for p in report["processes"] if p["main"])
    assert "python3" in server["exe"]
    assert server["pid"] == 1
    assert max(line["rss"] for line in report["ledger"]
               if line["pid"] == 1) > 50 << 20
