"""`strandline attach PID`, by programs in the kernel.

tests/programs/probed states in its header what it does.
"""

import contextlib
import json
import math
import os
import pathlib
import re
import shutil
import signal
import subprocess
import time

import pytest

from conftest import ROOT


@pytest.fixture(scope="session", autouse=True)
def permitted(product):
    """Skips all of it where the kernel takes no programs from us."""
    done = subprocess.run(
        [product.tool, "attach", "--dry-run", "--with", "bpf",
         str(os.getpid())], capture_output=True, text=True, timeout=60)
    if done.returncode != 0:
        pytest.skip(done.stderr.strip())


class Target:
    """A program that is attached to."""

    def __init__(self, process):
        self.process = process
        self.pid = process.pid
        self.line()

    def line(self):
        """What it says next."""
        return self.process.stdout.readline().strip()

    def tell(self):
        """Let it go on, and wait for its word."""
        self.process.stdin.write("\n")
        self.process.stdin.flush()
        return self.line()

    def lives(self):
        """Whether it has not ended."""
        return self.process.poll() is None

    def cpu_seconds(self):
        """The time that it has used."""
        stat = pathlib.Path(f"/proc/{self.pid}/stat").read_text(
            encoding="utf-8")
        user, system = stat.rpartition(")")[2].split()[11:13]
        return (int(user) + int(system)) / os.sysconf("SC_CLK_TCK")

    def status(self, key):
        """A number of /proc/PID/status."""
        with open(f"/proc/{self.pid}/status", encoding="ascii") as file:
            for line in file:
                if line.startswith(key + ":"):
                    return int(line.split()[1])
        raise KeyError(key)


@pytest.fixture
def start(product):
    """Start a probed program; it is killed at the test's end."""
    with contextlib.ExitStack() as stack:

        def run(*words, under=(), program=None):
            process = subprocess.Popen(
                [*under, str(program or product.build /
                             "tests/programs/probed/probed"),
                 *map(str, words)],
                stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
                start_new_session=True)

            def end():
                os.killpg(process.pid, signal.SIGKILL)
                process.wait()
                process.stdin.close()
                process.stdout.close()

            stack.callback(end)
            return Target(process)

        yield run


@pytest.fixture
def attach(product, recording):
    """Attach and wait for the end; what it said on standard error."""

    def run(pid, *options, status=0):
        done = subprocess.run(
            [product.tool, "attach", *map(str, (pid, *options)), "-o",
             str(recording.path)],
            capture_output=True, text=True, timeout=120)
        assert done.returncode == status, done.stdout + done.stderr
        return done.stderr

    return run


def said_before_attached(process):
    """What a tool tells until it is there; it must get there."""
    for line in process.stderr:
        if "attached to process" in line:
            return
        yield line
    raise AssertionError("it ended before it was attached")


@pytest.fixture
def attached(product, recording):
    """Attach, and be there until told to leave."""

    @contextlib.contextmanager
    def run(pid, *options):
        process = subprocess.Popen(
            [product.tool, "attach", str(pid), "-o", str(recording.path),
             "--duration", "60", *map(str, options)],
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        try:
            process.said = list(said_before_attached(process))
            yield process
            process.send_signal(signal.SIGINT)
            out, err = process.communicate(timeout=60)
            assert process.returncode == 0, out + err
        finally:
            process.kill()
            process.wait()

    return run


def folded(recording, kind):
    """{stack as a tuple, root first: weight}"""
    lines = recording.text("-k", kind, "-f", "folded").splitlines()
    parts = [line.rpartition(" ") for line in lines]
    return {tuple(stack.split(";")): int(weight)
            for stack, _, weight in parts}


def share(stacks, *names):
    """Of all weight, the part below frames @names, one after the other."""
    wanted = ";".join(names)
    found = sum(weight for stack, weight in stacks.items()
                if wanted in ";".join(stack))
    return found / sum(stacks.values())


def programs_of(pid):
    """The numbers of the programs in the kernel that a process holds."""
    found = set()
    for info in pathlib.Path(f"/proc/{pid}/fdinfo").iterdir():
        for line in info.read_text(encoding="ascii").splitlines():
            if line.startswith("prog_id:"):
                found.add(int(line.split()[1]))
    return found


def programs():
    """The numbers of all programs in the kernel."""
    done = subprocess.run(["bpftool", "-j", "prog", "list"], check=True,
                          capture_output=True, text=True)
    return {p["id"] for p in json.loads(done.stdout)}


def test_stacks_on_a_cpu_reach_the_root_without_frame_pointers(
        start, attach, recording):
    target = start("spin", 150)
    attach(target.pid, "--duration", 2)
    stacks = folded(recording, "cpu")
    deep = "main;spin;" + ";".join(["dive"] * 150) + ";work"
    assert share(stacks, deep) > 0.95
    losses = recording.json()["losses"]
    assert losses["cpu.stack_broken"] == 0
    assert losses["cpu.stack_truncated"] == 0


def test_a_stack_deeper_than_can_be_kept_is_cut_at_its_root(
        start, attach, recording):
    target = start("spin", 400)
    attach(target.pid, "--duration", 1)
    stacks = folded(recording, "cpu")
    assert share(stacks, "[truncated];dive") > 0.5
    assert recording.json()["losses"]["cpu.stack_truncated"] > 0


def test_cpu_time_is_what_the_process_used(start, attach, recording):
    target = start("spin", 3)
    attach(target.pid, "--duration", 3)
    ledger = [p for p in recording.json()["ledger"]
              if p["pid"] == target.pid]
    used = (ledger[-1]["cpu_user_ns"] - ledger[0]["cpu_user_ns"] +
            ledger[-1]["cpu_system_ns"] - ledger[0]["cpu_system_ns"])
    seen = sum(folded(recording, "cpu").values())
    # A hundred ticks a second, and a ledger that begins and ends a bit apart.
    assert seen == pytest.approx(used, abs=0.2 * used + 0.25e9)


def test_a_signal_handler_stands_on_what_it_interrupted(
        start, attach, recording):
    target = start("signal")
    attach(target.pid, "--duration", 2)
    stacks = folded(recording, "cpu")
    handled = [s for s in stacks if "on_signal" in s]
    assert handled
    assert all("interrupt" in s[:s.index("on_signal")] for s in handled)


@pytest.mark.parametrize("owner", [None, 65534])
def test_code_made_at_run_time_has_callers_and_its_process_s_name_for_it(
        start, attach, recording, owner):
    if owner is not None and os.geteuid() != 0:
        pytest.skip("giving a file away takes root")
    target = start("jit", "Made::here (fast) 1")
    names = pathlib.Path(f"/tmp/perf-{target.pid}.map")
    try:
        if owner is not None:  # nobody's word counts for nothing
            os.chown(names, owner, owner)
        attach(target.pid, "--duration", 2)
    finally:
        names.unlink()
    name = "Made::here (fast) 1" if owner is None else "[jit]"
    deep = f"main;generate;{name};dive_once;" + ";".join(["dive"] * 5)
    assert share(folded(recording, "cpu"), deep + ";work") > 0.8


NODE = """
function busy(n) {
    let x = 0;
    for (let i = 0; i < n; i++) x += Math.sqrt(i) % 7;
    return x;
}
console.log("spinning");
for (;;) busy(100000);
"""


def test_node_s_functions_stand_where_it_calls_them(
        start, attach, recording, tmp_path):
    node = shutil.which("node")
    if not node:
        pytest.skip("no node here")
    (tmp_path / "spin.js").write_text(NODE)
    target = start("--perf-basic-prof", "--no-logfile-per-isolate",
                   f"--logfile={tmp_path}/v8.log", tmp_path / "spin.js",
                   program=node)
    try:
        attach(target.pid, "--duration", 2)
    finally:
        pathlib.Path(f"/tmp/perf-{target.pid}.map").unlink(missing_ok=True)
    stacks = folded(recording, "cpu")
    found = sum(weight for stack, weight in stacks.items()
                if re.search(r"^_start;.*;JS:\S*busy ", ";".join(stack)))
    assert found > 0.5 * sum(stacks.values())


def test_a_plugin_that_is_loaded_later_has_its_name(
        product, start, attached, recording, eventually):
    plugin = product.build / "tests/programs/probed/libprobed_late.so"
    target = start("late", plugin)
    with attached(target.pid):
        assert target.tell() == "loaded"
        before = target.cpu_seconds()
        eventually(lambda: target.cpu_seconds() > before + 0.5)
    assert share(folded(recording, "cpu"), "main;late;late_spin") > 0.8


def test_what_a_deploy_replaced_has_its_stacks_and_names(
        product, start, attached, recording, tmp_path, eventually):
    built = product.build / "tests/programs/probed"
    names = ["probed", "libprobed_late.so"]
    for name in names:
        shutil.copy(built / name, tmp_path)
    target = start("late", tmp_path / names[1], program=tmp_path / names[0])
    assert target.tell() == "loaded"
    for name in names:
        shutil.copy("/bin/true", tmp_path / "new")
        os.replace(tmp_path / "new", tmp_path / name)
    with attached(target.pid):
        before = target.cpu_seconds()
        eventually(lambda: target.cpu_seconds() > before + 0.5)
    assert share(folded(recording, "cpu"), "main;late;late_spin") > 0.8
    assert recording.json()["losses"]["cpu.stack_broken"] == 0


def test_children_that_come_later_are_followed(start, attach, recording):
    target = start("fork")
    attach(target.pid, "--duration", 2)
    report = recording.json()
    assert len(report["processes"]) > 4
    assert share(folded(recording, "cpu"), "forks;dive;dive;dive;work") > 0.5


def test_children_are_left_alone_where_that_is_wanted(
        start, attach, recording):
    target = start("fork")
    attach(target.pid, "--duration", 1, "--no-follow")
    assert len(recording.json()["processes"]) == 1


def test_nothing_stays_in_the_kernel(start, attached, eventually):
    target = start("spin", 3)
    with attached(target.pid) as process:
        ours = programs_of(process.pid)
        assert ours and ours <= programs()
    eventually(lambda: not ours & programs())
    assert target.lives()


def test_nothing_stays_in_the_kernel_after_a_kill(
        product, start, recording, eventually):
    target = start("spin", 3)
    process = subprocess.Popen(
        [product.tool, "attach", str(target.pid), "-o", str(recording.path)],
        stderr=subprocess.PIPE, text=True)
    assert "attached to process" in process.stderr.readline()
    ours = programs_of(process.pid)
    assert ours
    process.kill()
    process.communicate()
    eventually(lambda: not ours & programs())
    assert target.lives()
    assert recording.json()["recording"]["mode"] == "probes"


def verified_of(pid):
    """How many steps the kernel took to verify each program it holds."""
    return [int(line.split()[1])
            for info in pathlib.Path(f"/proc/{pid}/fdinfo").iterdir()
            for line in info.read_text(encoding="ascii").splitlines()
            if line.startswith("verified_insns:")]


def test_the_programs_are_far_from_what_kernels_refuse(start, attached):
    # A million steps; other kernels need more of them than this one.
    target = start("spin", 3)
    with attached(target.pid, "--heap") as process:
        steps = verified_of(process.pid)
    assert len(steps) > 5
    assert max(steps) < 200000


def test_it_ends_with_the_server(start, product, recording, tmp_path):
    target = start("spin", 3)
    process = subprocess.Popen(
        [product.tool, "attach", str(target.pid), "-o", str(recording.path)],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    assert "attached to process" in process.stderr.readline()
    os.kill(target.pid, signal.SIGKILL)
    assert process.wait(30) == 0
    process.communicate()


def test_resident_memory_is_charged_to_who_took_it(
        start, attached, recording):
    target = start("grow", 500)
    with attached(target.pid):
        before = target.status("VmRSS")
        assert target.tell() == "grown"
        grown = (target.status("VmRSS") - before) * 1024
    stacks = folded(recording, "rss")
    assert sum(stacks.values()) == pytest.approx(grown, rel=0.03)
    assert share(stacks, "grow;keep;take") == pytest.approx(0.75, abs=0.01)
    assert share(stacks, "grow;lend;take") == pytest.approx(0.25, abs=0.01)


def test_what_is_given_back_is_charged_to_nobody(start, attached, recording):
    target = start("grow", 200)
    with attached(target.pid):
        before = target.status("VmRSS")
        assert target.tell() == "grown"
        assert target.tell() == "shrunk"
        grown = (target.status("VmRSS") - before) * 1024
    stacks = folded(recording, "rss")
    assert sum(stacks.values()) == pytest.approx(grown, rel=0.03)
    assert share(stacks, "grow;keep;take") > 0.98


@pytest.mark.parametrize("what, said", [
    ("futex", "[waits: futex]"), ("socket", "[waits: socket]"),
    pytest.param("epoll", "[waits: epoll]", marks=pytest.mark.long),
    pytest.param("pipe", "[waits: file]", marks=pytest.mark.long),
    pytest.param("sleep", "[sleeps]", marks=pytest.mark.long)])
def test_a_wait_is_charged_to_its_stack_with_its_reason(
        start, attach, recording, what, said):
    target = start("wait", what)
    attach(target.pid, "--duration", 2, "--no-follow")
    stacks = folded(recording, "offcpu")
    assert share(stacks, "waits", "wait_for") > 0.9
    assert share(stacks, said) > 0.8
    ledger = recording.json()["ledger"]
    watched = ledger[-1]["t"] - ledger[0]["t"]
    assert sum(stacks.values()) / 1e9 == pytest.approx(watched, abs=1.2)


def test_wall_time_is_both_kinds_of_time(start, attach, recording):
    target = start("spin", 3)
    attach(target.pid, "--duration", 2)
    wall = sum(folded(recording, "wall").values())
    assert wall == (sum(folded(recording, "cpu").values()) +
                    sum(folded(recording, "offcpu").values()))
    assert wall / 1e9 == pytest.approx(2, abs=0.8)


@pytest.fixture
def cgroup():
    """A cgroup of our own; what is in it moves out again at the end."""
    bases = [pathlib.Path("/sys/fs/cgroup"),
             pathlib.Path("/sys/fs/cgroup/unified"),
             pathlib.Path("/sys/fs/cgroup/pids")]
    base = next((b for b in bases if (b / "cgroup.procs").exists()), None)
    if not base:
        pytest.skip("no cgroup is mounted at /sys/fs/cgroup")
    path = base / f"strandline-test-{os.getpid()}"
    try:
        path.mkdir()
    except OSError as why:
        pytest.skip(f"no cgroup can be made: {why}")
    yield path
    for folder, *_ in os.walk(path, topdown=False):
        members = pathlib.Path(folder, "cgroup.procs")
        for pid in members.read_text(encoding="ascii").split():
            with contextlib.suppress(OSError):
                (base / "cgroup.procs").write_text(pid, encoding="ascii")
        os.rmdir(folder)


def move(target, cgroup):
    """Put a process into a cgroup."""
    (cgroup / "cgroup.procs").write_text(str(target.pid), encoding="ascii")


def test_all_of_a_cgroup_is_seen_and_who_joins_it(
        product, start, recording, cgroup):
    first, second, foreign = (start("spin", depth) for depth in (3, 4, 5))
    move(first, cgroup)
    process = subprocess.Popen(
        [product.tool, "attach", "--cgroup", str(cgroup), "--duration", "4",
         "-o", str(recording.path)], stderr=subprocess.PIPE, text=True,
        stdout=subprocess.PIPE)
    assert "attached to the processes" in process.stderr.readline()
    move(second, cgroup)
    out, err = process.communicate(timeout=60)
    assert process.returncode == 0, out + err
    pids = {p["pid"] for p in recording.json()["processes"]}
    assert {first.pid, second.pid} <= pids
    assert foreign.pid not in pids
    stacks = folded(recording, "cpu")
    for depth in (3, 4):
        assert share(stacks, *["spin"] + ["dive"] * depth + ["work"]) > 0.1


def test_a_directory_that_is_no_cgroup_is_refused(product, tmp_path):
    text, status = refusal(product, "--cgroup", tmp_path)
    assert status == 1
    assert "is not a cgroup" in text


def child_of(pid):
    """Its only child."""
    path = pathlib.Path(f"/proc/{pid}/task/{pid}/children")
    return int(path.read_text(encoding="ascii"))


def test_a_container_s_process_has_its_names(
        product, start, attach, recording, tmp_path):
    # Another pid and mount namespace, in which the program has a path that
    # is nowhere out here.
    inner = tmp_path / "inner"
    inner.mkdir()
    probed = product.build / "tests/programs/probed/probed"
    setup = (f"mount -t tmpfs none {inner} && cp {probed} {inner}/server && "
             f"exec {inner}/server spin 3")
    target = start("-c", setup, program="sh", under=[
        "unshare", "--mount", "--pid", "--fork", "--kill-child"])
    pid = child_of(target.pid)
    assert not (inner / "server").exists()
    attach(pid, "--duration", 2)
    assert share(folded(recording, "cpu"), "main;spin;dive;dive;dive;work") > .9
    assert recording.json()["processes"][0]["pid"] == pid


def test_two_containers_are_two_processes(
        product, start, attach, recording, cgroup, eventually):
    # Each is process 1 where it lives, in a cgroup of its own below ours.
    pids = {}
    for mib in (2, 50):
        target = start("grow", mib, under=[
            "unshare", "--mount", "--pid", "--fork", "--kill-child"])
        pids[mib] = child_of(target.pid)
        below = cgroup / "containers" / str(mib)
        below.mkdir(parents=True)
        (below / "cgroup.procs").write_text(str(pids[mib]), encoding="ascii")
        target.tell()
    attach("--cgroup", cgroup, "--duration", 2)
    report = recording.json()
    assert {p["pid"] for p in report["processes"]} == set(pids.values())
    held = {mib: [r["rss"] for r in report["ledger"] if r["pid"] == pid]
            for mib, pid in pids.items()}
    assert min(held[50]) > 50 << 20 > 10 << 20 > max(held[2])


def test_two_containers_whose_processes_have_one_number(
        product, start, recording, cgroup, eventually):
    inner = ["unshare", "--mount", "--pid", "--fork", "--kill-child"]
    outer = [start("spin", depth, under=inner) for depth in (3, 4)]
    pids = [child_of(target.pid) for target in outer]
    for pid in pids:
        (cgroup / "cgroup.procs").write_text(str(pid), encoding="ascii")
    process = subprocess.Popen(
        [product.tool, "attach", "--cgroup", str(cgroup), "-o",
         str(recording.path)], stderr=subprocess.PIPE, text=True,
        stdout=subprocess.DEVNULL)
    assert any("attached to the processes" in line for line in process.stderr)
    for pid in pids:
        product("mark", pid, f"deploy {pid}")
    deep = ["spin;" + ";".join(["dive"] * depth) + ";work"
            for depth in (3, 4)]
    eventually(lambda: all(
        d in recording.text("-k", "cpu", "-f", "folded") for d in deep), 60)
    process.send_signal(signal.SIGINT)
    err = process.communicate(timeout=60)[1]
    assert process.returncode == 0, err
    report = recording.json()
    assert {p["pid"] for p in report["processes"]} == set(pids)
    assert [m["label"] for m in report["marks"]] == [
        f"deploy {pid}" for pid in pids]


def refusal(product, *words):
    """The sentence, and the status."""
    done = subprocess.run([product.tool, "attach", *map(str, words)],
                          capture_output=True, text=True, timeout=60)
    assert done.stdout == ""
    assert len(done.stderr.splitlines()) == 1
    return done.stderr, done.returncode


def test_a_process_that_does_not_exist_is_said_to(product, tmp_path,
                                                  monkeypatch):
    monkeypatch.chdir(tmp_path)
    process = subprocess.Popen(["true"])
    process.wait()
    text, status = refusal(product, process.pid)
    assert status == 1
    assert f"there is no process {process.pid}" in text
    assert not list(tmp_path.iterdir())


def test_a_zombie_is_refused(product, tmp_path, monkeypatch, eventually):
    monkeypatch.chdir(tmp_path)
    child = os.fork()
    if child == 0:
        os._exit(0)
    os.waitid(os.P_PID, child, os.WEXITED | os.WNOWAIT)
    text, status = refusal(product, child)
    os.waitpid(child, 0)
    assert status == 1
    assert "has ended already" in text


def test_a_thread_of_the_kernel_is_refused(product):
    text, status = refusal(product, 2)
    assert status == 1
    assert "kernel" in text


def test_a_word_that_is_no_number_is_a_usage_error(product):
    text, status = refusal(product, "server")
    assert status == 2
    assert "'server'" in text


def test_what_it_may_do_is_little(start, attached):
    target = start("spin", 3)
    with attached(target.pid) as process:
        with open(f"/proc/{process.pid}/status", encoding="ascii") as file:
            status = {key: value.strip() for key, _, value in
                      (line.partition(":") for line in file)}
    # CAP_BPF 39, CAP_PERFMON 38, CAP_SYS_PTRACE 19
    ours = 1 << 39 | 1 << 38 | 1 << 19
    assert int(status["CapPrm"], 16) & ~ours == 0
    assert int(status["CapEff"], 16) & ~ours == 0
    assert status["NoNewPrivs"] == "1"


def under(stacks, name):
    """The bytes below a frame."""
    return sum(weight for stack, weight in stacks.items() if name in stack)


def heap_margin(stated, rate):
    """Five standard errors of an estimate, of blocks of 1000 bytes."""
    return 5 * (stated / 1000 / (1 - math.exp(-1512 / rate))) ** 0.5 * 1000


@pytest.fixture
def watched(attached):
    """Attach with --heap to a program that hoards, and let it do so."""

    @contextlib.contextmanager
    def run(target, rate):
        with attached(target.pid, "--heap", "--rate", rate,
                      "--heap-budget", 1000) as process:
            assert "takes the server about" in process.said[0]
            yield process

    return run


def test_blocks_that_stay_are_charged_to_who_made_them(
        start, watched, recording):
    rate = 16384
    target = start("heap")
    with watched(target, rate):
        assert target.tell() == "done"
    live = folded(recording, "live")
    made = 4096 * 1000
    assert under(live, "hoard") == pytest.approx(made, abs=heap_margin(made, rate))
    assert under(live, "churn") == 0
    allocated = folded(recording, "alloc")
    churned = under(allocated, "churn")
    made = 4 * 4096 * 1300
    assert churned == pytest.approx(made, abs=heap_margin(made, rate))
    assert under(allocated, "inherit") == 0  # it was there before
    losses = recording.json()["losses"]
    assert all(losses[name] == 0 for name in losses
               if name.startswith("heap."))


def test_watching_the_heap_ends_where_it_costs_too_much(
        start, attached, recording, eventually):
    target = start("malloc")
    with attached(target.pid, "--heap") as process:
        said = process.stderr.readline()
        assert "switched off" in said and "of a CPU" in said
        ours = programs_of(process.pid)
        assert ours
    assert target.lives()
    report = recording.json()
    assert any("the heap was watched for" in t for t in report["problems"])
    assert report["verdict"]["class"] == "inconclusive"
    assert "switched itself off" in report["verdict"]["sentence"]
    assert sum(folded(recording, "alloc").values()) > 0
    eventually(lambda: not ours & programs())


def test_nothing_of_the_heap_stays_after_a_kill(
        product, start, recording, eventually):
    target = start("heap")
    process = subprocess.Popen(
        [product.tool, "attach", str(target.pid), "--heap", "-o",
         str(recording.path)], stderr=subprocess.PIPE, text=True)
    list(said_before_attached(process))
    ours = programs_of(process.pid)
    assert ours
    process.kill()
    process.communicate()
    eventually(lambda: not ours & programs())
    assert target.tell() == "done"


@pytest.mark.parametrize("library", [
    "libjemalloc.so.2",
    pytest.param("libtcmalloc.so.4", marks=pytest.mark.long),
    pytest.param("libmimalloc.so.2", marks=pytest.mark.long)])
def test_blocks_of_other_allocators_are_seen(
        start, watched, recording, library):
    path = f"/usr/lib/x86_64-linux-gnu/{library}"
    if not os.path.exists(path):
        pytest.skip(f"{path} is not installed")
    rate = 16384
    target = start("heap", under=["env", f"LD_PRELOAD={path}"])
    with watched(target, rate):
        assert target.tell() == "done"
    made = 4096 * 1000
    assert under(folded(recording, "live"), "hoard") == pytest.approx(
        made, abs=heap_margin(made, rate))
    made = 4 * 4096 * 1300
    assert under(folded(recording, "alloc"), "churn") == pytest.approx(
        made, abs=heap_margin(made, rate))


def test_a_command_is_probed_from_its_start(product, recording):
    probed = product.build / "tests/programs/probed/probed"
    done = subprocess.run(
        product.under(recording.path, "--probe", "cpu,offcpu", "--probe",
                      "faults", "--duration", "3") +
        [str(probed), "spin", "3"], capture_output=True, text=True,
        timeout=120)
    assert done.returncode == 128 + signal.SIGTERM, done.stderr
    assert share(folded(recording, "cpu"),
                 "main;spin;dive;dive;dive;work") > 0.5
    assert folded(recording, "wall")
    report = recording.json()
    assert len({p["pid"] for p in report["processes"]}) == 1
    assert report["losses"]["faults.ring_full"] == 0


def test_a_probe_that_there_is_not_is_a_usage_error(product):
    done = subprocess.run(product.under("x.strand", "--probe", "cpu,gpu") +
                          ["true"], capture_output=True, text=True,
                          timeout=60)
    assert done.returncode == 2
    assert "'gpu'" in done.stderr


BUSY = ROOT / "tests/programs/python_busy.py"


def frame_of(function, text):
    """A frame of the busy program that stands at the line of @text."""
    lines = BUSY.read_text(encoding="utf-8").splitlines()
    line = 1 + next(i for i, x in enumerate(lines) if text in x)
    return f"{function} ({BUSY.name}:{line})"


def interpreters():
    """Debian's and, for the long form, those of pyenv; and which thread."""
    yield "/usr/bin/python3", "thread"
    yield pytest.param("/usr/bin/python3", "main", marks=pytest.mark.long)
    versions = pathlib.Path.home() / ".pyenv/versions"
    for path in sorted(versions.glob("3.*/bin/python3")):
        if int(path.parts[-3].split(".")[1]) >= 9:
            yield pytest.param(str(path), "main", marks=pytest.mark.long,
                               id=path.parts[-3])


@pytest.mark.parametrize("python, where", list(interpreters()))
def test_python_frames_stand_where_the_evaluator_runs_them(
        start, attached, recording, eventually, python, where):
    target = start(BUSY, where, program=python)
    with attached(target.pid):
        before = target.cpu_seconds()
        eventually(lambda: target.cpu_seconds() > before + 1)
    # A file is told from the folder that the program was started in.
    stacks = {tuple(re.sub(rf"\(\S*/{BUSY.name}", f"({BUSY.name}", frame)
                    for frame in stack): weight
              for stack, weight in folded(recording, "cpu").items()}
    spin = frame_of("spin", "sum(square")
    work = frame_of("work", "        spin()")
    inside = {stack[[f.endswith(work) for f in stack].index(True):]: weight
              for stack, weight in stacks.items()
              if any(f.endswith(work) for f in stack)}
    spinning = {stack: weight for stack, weight in inside.items()
                if spin in stack}
    assert sum(spinning.values()) > 0.9 * sum(stacks.values())
    assert any(frame_of("square", "return number * number") in stack
               for stack in spinning)
    for stack in spinning:  # below the last one may be some that just began
        assert "_PyEval_EvalFrameDefault" not in stack[:stack.index(spin)]
    losses = recording.json()["losses"]
    assert losses["cpu.stack_broken"] == 0
