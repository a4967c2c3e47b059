"""strandline stacks: every thread where it is, and nobody notices."""

import json
import os
import pathlib
import signal
import subprocess
import time

import pytest

SCHEMA = pathlib.Path(__file__).parents[2] / "reports/stacks-schema.json"
FOLDER = "tests/programs/stacks"
SMALL = 5.0  # ms that 50 threads may stand still


def asleep(pid):
    """All threads of a process and of its child are."""
    tasks = list(pathlib.Path(f"/proc/{pid}/task").iterdir())
    children = (tasks[0] / "children").read_text().split()
    states = [(task / "stat").read_text().rsplit(")")[1][1] for task in tasks]
    return set(states) == {"S"} and all(map(asleep, children))


@pytest.fixture
def started(product, eventually):
    """Start programs of tests/programs/stacks; they are ended afterwards."""
    running = []

    def start(name, *words, prefix=()):
        path = product.build / FOLDER / name
        if not path.exists():
            pytest.skip(f"{name} was not built here")
        process = subprocess.Popen(
            [*prefix, str(path), *map(str, words)], stdin=subprocess.PIPE,
            stdout=subprocess.PIPE, text=True)
        running.append(process)
        assert process.stdout.readline() == "ready\n"
        eventually(lambda: asleep(process.pid))
        return process

    yield start
    for process in running:
        process.kill()
        process.wait()
        process.stdout.close()


def stacks(product, pid):
    """The report in JSON, held to its schema."""
    report = json.loads(product("stacks", pid, "--json"))
    jsonschema = pytest.importorskip("jsonschema")
    jsonschema.validate(report, json.loads(SCHEMA.read_text()))
    return report


def functions(thread):
    """Names from the root to the leaf."""
    return [frame["function"] for frame in thread["stack"]]


def refused(product, *words):
    """The sentence of a command that must fail with status 1."""
    done = subprocess.run([product.tool, "stacks", *map(str, words)],
                          capture_output=True, text=True, timeout=60)
    assert done.returncode == 1, done.stdout
    assert done.stderr.count("\n") == 1
    return done.stderr


def state_of(pid):
    """The letter of /proc/PID/stat."""
    return pathlib.Path(f"/proc/{pid}/stat").read_text().rsplit(")")[1][1]


def check_places(report, count):
    """Threads are where places.c says."""
    first = report["threads"][0]
    names = functions(first)
    assert names.index("main") < names.index("read_here")
    assert first["syscall"] == "read"
    assert first["waits_for"].startswith("data on fd 0, pipe:")
    rest = {t["name"]: t for t in report["threads"][1:]}
    assert sorted(rest) == sorted(f"waiter-{i}" for i in range(count))
    for i in range(count):
        names = functions(rest[f"waiter-{i}"])
        assert names.count("go_deeper") == 10 + i
        assert "wait_here" in names and "waiter" in names
        assert rest[f"waiter-{i}"]["state"] == "waiting"


@pytest.mark.parametrize("name", ["stacks_places", "stacks_static",
                                  "stacks_musl", "stacks_musl_static"])
def test_each_thread_is_where_its_program_says(product, started, name):
    process = started(name, 3)
    check_places(stacks(product, process.pid), 3)


def test_lines_are_those_of_the_source(product, started):
    process = started("stacks_places", 1)
    frames = stacks(product, process.pid)["threads"][0]["stack"]
    line = next(f["line"] for f in frames if f["function"] == "read_here")
    source = pathlib.Path(__file__).parents[1] / "programs/stacks/places.c"
    assert "read(0" in source.read_text().splitlines()[line - 1]


def test_fifty_threads_stand_still_for_less_than_5_ms(product, started,
                                                     eventually):
    process = started("stacks_places", 50)
    check_places(stacks(product, process.pid), 50)
    # What others make of the CPUs is not the tool's: the best of many.
    eventually(lambda: stacks(product, process.pid)["stopped_ms"] < SMALL)


def test_a_thread_that_computes_is_seen_on_busy_cpus(product):
    """Others compete for all CPUs, so it is late to stop."""
    code = ("import itertools\nprint(flush=True)\n"
            "for _ in itertools.count(): pass")
    running = [subprocess.Popen(["/usr/bin/python3", "-c", code],
                                stdout=subprocess.PIPE)
               for _ in range(2 * os.cpu_count())]
    try:
        for process in running:
            process.stdout.readline()
        for process in running:
            thread, = stacks(product, process.pid)["threads"]
            assert thread["state"] == "running"
            assert "<module>" in functions(thread)
    finally:
        for process in running:
            process.kill()
            process.wait()
            process.stdout.close()


def test_a_deadlock_is_named(product, started):
    process = started("stacks_deadlock")
    report = stacks(product, process.pid)
    by_function = {name: t for t in report["threads"]
                   for name in functions(t)}
    one = by_function["take_first_then_second"]
    two = by_function["take_second_then_first"]
    assert report["deadlocks"] == [[one["tid"], two["tid"]]]
    assert one["lock_holder"] == two["tid"]
    assert two["lock_holder"] == one["tid"]
    assert by_function["bystander"]["lock_holder"] == one["tid"]
    assert by_function["main"]["lock_holder"] == one["tid"]
    text = product("stacks", process.pid)
    assert "deadlock: thread" in text
    assert f"a mutex of thread {one['tid']} (futex)" in text


def test_a_stopped_process_stays_stopped(product, started, eventually):
    process = started("stacks_places", 2)
    os.kill(process.pid, signal.SIGSTOP)
    eventually(lambda: state_of(process.pid) == "T")
    report = stacks(product, process.pid)
    check_places(report, 2)
    assert report["stopped_by_signal"]
    assert state_of(process.pid) == "T"
    os.kill(process.pid, signal.SIGCONT)
    eventually(lambda: state_of(process.pid) == "S")
    process.communicate("", timeout=120)
    assert process.returncode == 0


def test_no_system_call_fails_for_being_looked_at(product, started):
    process = started("stacks_busy")
    for _ in range(30):
        assert len(stacks(product, process.pid)["threads"]) == 6
    out, _ = process.communicate("", timeout=120)
    calls, failures = map(int, out.split())
    assert calls > 100
    assert failures == 0


def test_nothing_stays_stopped_when_strandline_is_killed(
        product, started, eventually):
    """At any moment: the kernel lets go what a dead tracer held.

    (An epoll_wait may then end with EINTR, as after SIGSTOP and SIGCONT:
    nobody is left to have it restarted.)
    """
    process = started("stacks_busy")
    for step in range(25):
        tool = subprocess.Popen([product.tool, "stacks", str(process.pid)],
                                stdout=subprocess.DEVNULL)
        time.sleep(0.0008 * step)
        tool.kill()
        tool.wait()
    status = pathlib.Path(f"/proc/{process.pid}/task")

    def free():
        texts = [(task / "status").read_text() for task in status.iterdir()]
        return all("TracerPid:\t0\n" in t and "\nState:\tt" not in t
                   and "\nState:\tT" not in t for t in texts)

    eventually(free)
    out, _ = process.communicate("", timeout=120)
    assert int(out.split()[0]) > 100
    assert process.returncode == 0


def test_a_process_in_another_pid_namespace(product, started):
    if os.geteuid() != 0:
        pytest.skip("making a pid namespace takes root")
    process = started("stacks_deadlock",
                      prefix=["unshare", "--pid", "--fork", "--mount"])
    child = int(pathlib.Path(
        f"/proc/{process.pid}/task/{process.pid}/children").read_text())
    try:
        report = stacks(product, child)
        assert report["threads"][0]["own_tid"] == 1
        assert len(report["deadlocks"]) == 1
    finally:
        os.kill(child, signal.SIGKILL)


def test_who_is_not_there_is_told_in_a_sentence(product):
    gone = subprocess.Popen(["true"])
    gone.wait()
    assert refused(product, gone.pid) == (
        f"strandline: there is no process {gone.pid}\n")


def test_a_zombie_is_told_in_a_sentence(product, eventually):
    zombie = subprocess.Popen(["true"])
    eventually(lambda: state_of(zombie.pid) == "Z")
    said = refused(product, zombie.pid)
    zombie.wait()
    assert f"process {zombie.pid} has ended; its parent" in said


def test_a_thread_of_the_kernel_is_told_in_a_sentence(product):
    name = pathlib.Path("/proc/2/comm")
    if not name.exists() or name.read_text() != "kthreadd\n":
        pytest.skip("no threads of the kernel are seen here")
    assert "thread of the kernel" in refused(product, 2)


def test_a_foreign_process_is_refused_in_a_sentence(product, tmp_path):
    if os.geteuid() != 0:
        pytest.skip("becoming somebody else takes root")
    victim = subprocess.Popen(["sleep", "30"])
    try:
        done = subprocess.run(
            ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups",
             product.tool, "stacks", str(victim.pid)],
            capture_output=True, text=True, timeout=60, cwd="/")
        if done.returncode in (126, 127):
            pytest.skip("nobody may not read the built tree")
        assert done.returncode == 1
        assert "no right to stop process" in done.stderr
        assert done.stderr.count("\n") == 1
    finally:
        victim.kill()
        victim.wait()


def test_a_process_that_is_traced_is_refused_in_a_sentence(product, started):
    process = started("stacks_places", 1, prefix=["strace", "-f", "-qq",
                                                  "-e", "trace=none"]) \
        if pathlib.Path("/usr/bin/strace").exists() else None
    if process is None:
        pytest.skip("no strace here")
    child = int(pathlib.Path(
        f"/proc/{process.pid}/task/{process.pid}/children").read_text())
    assert "is traced by another program" in refused(product, child)
