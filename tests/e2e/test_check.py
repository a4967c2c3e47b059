"""strandline check and diff on recordings of real servers.

What is asserted: the exit status of every outcome, one sentence for every
mistake, and that nothing is guessed where a recording does not bear it.
"""

import json
import os
import pathlib
import re
import shutil
import signal
import subprocess
import time
import xml.etree.ElementTree

import jsonschema
import pytest

import serve
import test_check_formats as formats


# SQLite's page cache, of a connection for each thread: in ten seconds on a busy
# machine it may not be seen to be full.
CACHES = "leak:libsqlite3.so"


def record(product, folder, name, fault="none", seconds=10, **kwargs):
    """A recording of rag_c under load; kwargs may change its options."""
    path = folder / f"{name}.strand"
    port = serve.free_port()
    env = {**os.environ, "RAG_FAULT": fault, **kwargs.get("env", {})}
    options = kwargs.get("options", ["--mode", "exact"])
    command = [product.tool, "run", "--quiet", "--interval", "100",
               "-o", str(path), *options,
               "--", *serve.rag_c(port, product.build)]
    with serve.running(command, port, env=env, stdout=subprocess.DEVNULL,
                       stderr=subprocess.DEVNULL):
        product.load(port, "-c", 4, "-d", seconds, "-r", 150, "-m",
                     "chat=3,search=1")
        time.sleep(5)  # at rest, for three readings at the least
    return path


@pytest.fixture(scope="module")
def recordings(product, tmp_path_factory):
    """A clean and a leaking run of one server, and of other programs."""
    folder = tmp_path_factory.mktemp("recordings")
    subprocess.run([*product.under(folder / "other.strand"), "sleep", "3"],
                   check=True)
    return {"clean": record(product, folder, "clean"),
            "leak": record(product, folder, "leak", "native_leak"),
            "other": folder / "other.strand"}


@pytest.fixture(autouse=True)
def in_own_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name in ("GITHUB_STEP_SUMMARY", "GITHUB_WORKSPACE",
                 "CI_PROJECT_DIR"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def run(product):
    def run_(*words):
        done = subprocess.run([product.tool, *map(str, words)],
                              capture_output=True, text=True, timeout=300)
        # What it says to those who wait for seconds, on a busy machine.
        done.stderr = re.sub(r"^strandline: reading .* so far\n", "",
                             done.stderr, flags=re.M)
        return done
    return run_


@pytest.fixture
def check(run):
    return lambda *words: run("check", *words)


def refused(answer, status, sentence):
    assert answer.returncode == status, answer.stdout
    assert answer.stdout == ""
    assert answer.stderr == f"strandline: {sentence}\n"


# -- the verdict -----------------------------------------------------------

def test_a_clean_server_passes(check, recordings):
    answer = check(recordings["clean"])
    assert answer.returncode == 0, answer.stdout
    assert answer.stdout.startswith("verdict    clean: ")
    assert answer.stdout.endswith("check      PASS (status 0)\n")
    assert answer.stderr == ""


def test_a_leak_is_10_and_its_function_is_named(check, recordings):
    answer = check(recordings["leak"])
    assert answer.returncode == 10
    assert "parse_prompt" in answer.stdout
    assert "faults.c:" in answer.stdout
    assert "by serve_chat" in answer.stdout
    assert "FAIL: leak or growth (status 10)" in answer.stdout


def test_quiet_prints_nothing(check, recordings):
    answer = check(recordings["leak"], "--quiet")
    assert (answer.returncode, answer.stdout) == (10, "")


def test_a_suppressed_leak_passes_and_is_said(check, recordings, tmp_path):
    (tmp_path / "lsan.supp").write_text(
        f"# known\nleak:^parse_prompt$\n{CACHES}\n")
    answer = check(recordings["leak"], "--suppressions", "lsan.supp")
    assert answer.returncode == 0, answer.stdout
    assert re.search(r"suppressed \d finding", answer.stdout)


# -- strandline.yml --------------------------------------------------------

def config(text):
    with open("strandline.yml", "w") as file:
        file.write(text)


def test_the_config_of_this_folder_is_used_and_said(check, recordings):
    config("memory:\n  rss_max: 1 MiB\n")
    answer = check(recordings["clean"])
    assert answer.returncode == 11
    assert answer.stderr == ("strandline: budgets of strandline.yml in this "
                             "folder are used\n")
    assert "memory.rss_max: peak RSS is " in answer.stdout
    assert "0 kept, 1 exceeded, 0 not measured" in answer.stdout


def test_budgets_that_hold_pass(check, recordings):
    config("memory:\n"
           "  rss_max: 1 GiB\n"
           "  retained_after_idle_max: 1 GiB\n"
           "  endpoints:\n"
           "    - {route: POST /api/v1/chat, alloc_max: 100 MiB}\n"
           "latency:\n"
           "  endpoints:\n"
           "    - {route: '*', p50_max: 60s, error_rate_max: 0 %}\n"
           "threads: {max: 1000}\n"
           "fds: {max: 1000}\n")
    answer = check(recordings["clean"], "--json", "all.json")
    assert answer.returncode == 0, answer.stdout
    with open("all.json") as file:
        budgets = json.load(file)["budgets"]
    measured = {b["budget"] for b in budgets if b["state"] == "pass"}
    # What stays at rest needs a reading before the first request, which a
    # fast start may not leave time for.
    assert {"memory.rss_max",
            "memory.alloc_max", "latency.p50_max", "latency.error_rate_max",
            "threads.max", "fds.max"} <= measured


def test_retained_bytes_of_an_endpoint_are_held_to_their_budget(
        check, recordings):
    config("memory:\n  endpoints:\n"
           "    - {route: POST /api/v1/chat, retained_max: 512 B}\n"
           "leaks: {fail: []}\n")
    answer = check(recordings["leak"])
    assert answer.returncode == 11, answer.stdout
    assert check(recordings["clean"]).returncode == 0


def test_what_was_not_measured_is_said_and_fails_where_asked(
        check, recordings):
    text = ("latency:\n  endpoints:\n"
            "    - {route: GET /nothing, p99_max: 1s}\n")
    config(text)
    answer = check(recordings["clean"])
    assert answer.returncode == 0
    assert "no request to GET /nothing was seen" in " ".join(
        answer.stdout.split())
    config(text + "missing: fail\n")
    assert check(recordings["clean"]).returncode == 13


def test_suppression_files_lie_beside_the_config(check, recordings,
                                                 tmp_path):
    (tmp_path / "ci").mkdir()
    (tmp_path / "ci/mem.yml").write_text(
        "leaks: {suppression_files: [a.supp]}\n")
    (tmp_path / "ci/a.supp").write_text(f"leak:parse_prompt\n{CACHES}\n")
    assert check(recordings["leak"], "-c", "ci/mem.yml").returncode == 0


def test_the_budgets_of_the_readme_are_understood(check, recordings):
    readme = pathlib.Path(__file__).resolve().parents[2] / "README.md"
    block, = re.findall(r"```\n(memory:\n.*?)```", readme.read_text(), re.S)
    config(block.replace("[lsan.supp]", "[]"))
    answer = check(recordings["clean"], "--json", "c.json")
    assert answer.returncode in (0, 11), answer.stderr
    with open("c.json") as file:
        assert len(json.load(file)["budgets"]) > 8


@pytest.mark.parametrize("text, sentence", [
    ("memory:\n  rss: 1\n",
     "strandline.yml:2:3: unknown key 'rss' (did you mean 'rss_max'?)"),
    ("memory:\n  rss_max: 2 potatoes\n", None),
    ("memory:\n\trss_max: 1\n",
     "strandline.yml:2:1: found character that cannot start any token"),
    ("leaks: {suppression_files: [gone.supp]}\n", None),
])
def test_a_mistake_in_the_config_is_one_sentence(check, recordings, text,
                                                 sentence):
    config(text)
    answer = check(recordings["clean"], "-q")
    assert answer.returncode == (1 if "gone" in text else 2)
    assert answer.stderr.count("\n") == 1
    if sentence:
        refused(answer, 2, sentence)
    elif "potatoes" in text:
        assert answer.stderr.startswith(
            "strandline: strandline.yml:2:12: '2 potatoes' ")
    else:
        assert "gone.supp" in answer.stderr


# -- a recording that bears little -----------------------------------------

def test_three_seconds_are_inconclusive_and_say_what_is_missing(
        check, recordings):
    answer = check(recordings["other"])
    assert answer.returncode == 13, answer.stdout
    assert "more seconds" in " ".join(answer.stdout.split())
    assert "INCONCLUSIVE (status 13)" in answer.stdout
    config("inconclusive: ignore\n")
    assert check(recordings["other"], "-q").returncode == 0


def test_without_requests_rates_are_by_the_second_and_budgets_unknown(
        check, recordings):
    config("memory: {growth_per_request_max: 1 B}\n"
           "inconclusive: ignore\n")
    answer = check(recordings["other"])
    text = " ".join(answer.stdout.split())
    assert answer.returncode == 0
    assert "No requests were seen, so rates are by the second." in text
    assert "is not known: no requests were seen" in text


def test_a_recording_torn_in_the_middle_is_judged_as_far_as_it_goes(
        check, recordings, tmp_path):
    torn = tmp_path / "torn.strand"
    shutil.copytree(recordings["leak"], torn)
    (largest,) = sorted((p for p in torn.glob("*.slabs")
                         if p.stem != "host"),
                        key=lambda p: p.stat().st_size)[-1:]
    with open(largest, "r+b") as file:
        file.truncate(largest.stat().st_size // 2)
    answer = check(torn)
    assert answer.returncode in (0, 10, 13)
    assert answer.stderr == ""


def test_a_server_that_was_killed_is_said(check, product, tmp_path):
    with subprocess.Popen(
            [*product.under(tmp_path / "k.strand"), "sh", "-c",
             "echo $$; exec sleep 60"], text=True,
            stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as process:
        server = int(process.stdout.readline())
        time.sleep(1)
        os.kill(server, signal.SIGKILL)
    answer = check(tmp_path / "k.strand")
    assert answer.returncode == 13
    assert "The recording was cut short" in answer.stdout


@pytest.mark.parametrize("name", ["nothing.strand", "."])
def test_what_is_no_recording_is_status_1(check, name):
    answer = check(name)
    assert answer.returncode == 1
    assert answer.stdout == ""
    assert answer.stderr.count("\n") == 1


# -- the baseline ----------------------------------------------------------

def test_worse_than_the_baseline_is_12(check, recordings):
    config("leaks: {fail: []}\n")
    answer = check(recordings["leak"], "--baseline", recordings["clean"])
    assert answer.returncode == 12, answer.stdout
    assert "bytes retained per request of POST /api/v1/chat" in " ".join(
        answer.stdout.split())


def test_no_worse_than_itself(check, recordings):
    answer = check(recordings["clean"], "--baseline", recordings["clean"],
                   "--tolerance", "0")
    assert answer.returncode == 0, answer.stdout


def test_a_folder_of_runs_is_a_baseline(check, recordings, tmp_path):
    runs = tmp_path / "runs"
    for n in range(3):
        shutil.copytree(recordings["clean"], runs / f"{n}.strand")
    shutil.copytree(recordings["other"], runs / "other.strand")
    answer = check(recordings["clean"], "--baseline", "runs")
    assert answer.returncode == 0
    assert "and 2 more runs" in answer.stdout
    assert "left out of the baseline: runs/other.strand is a recording of " \
        "'sleep', not of 'rag_c'" in answer.stderr


def test_a_baseline_of_another_program_is_refused(check, recordings):
    refused(check(recordings["clean"], "-q", "--baseline",
                  recordings["other"]), 2,
            f"{recordings['other']} is a recording of 'sleep' and "
            f"{recordings['clean']} one of 'rag_c'; only runs of one program "
            "can be compared")


def test_a_baseline_that_has_no_runs_is_refused(check, recordings, tmp_path):
    (tmp_path / "runs").mkdir()
    refused(check(recordings["clean"], "-q", "--baseline", "runs"), 2,
            "runs is no recording, and there is none in it")
    shutil.copytree(recordings["other"], tmp_path / "runs/other.strand")
    answer = check(recordings["clean"], "-q", "--baseline", "runs")
    assert answer.returncode == 2
    assert answer.stderr.endswith(
        "strandline: runs has no recording of 'rag_c' to compare with\n")


def test_a_tolerance_that_is_none_is_refused(check, recordings):
    refused(check(recordings["clean"], "--tolerance", "much"), 2,
            "--tolerance: 'much' is no share; write it as 20%")


# -- what it writes --------------------------------------------------------

def test_every_file_is_written_and_tells_the_same(check, recordings):
    config("memory: {rss_max: 1 MiB}\n"
           "latency: {endpoints: [{route: '*', p99_max: 1s}]}\n")
    answer = check(recordings["leak"], "-q", "--junit", "j.xml", "--sarif",
                   "s.sarif", "--markdown", "m.md", "--json", "c.json",
                   "--baseline", recordings["clean"])
    assert answer.returncode == 10
    suites = xml.etree.ElementTree.parse("j.xml").getroot()
    assert int(suites.get("failures")) >= 1
    with open("s.sarif") as file:
        sarif = json.load(file)
    run = sarif["runs"][0]
    assert run["invocations"][0]["exitCode"] == 10
    with open("c.json") as file:
        told = json.load(file)
    assert told["status"] == 10
    formats.validator("check-schema.json").validate(told)
    jsonschema.Draft202012Validator(formats.SARIF).validate(sarif)
    formats.test_junit_keeps_to_the_format("j.xml")
    assert told["findings"][0]["fingerprint"] == \
        run["results"][0]["partialFingerprints"]["strandlineStack/v1"]
    assert "parse\\_prompt" in open("m.md").read()


def test_fingerprints_of_two_runs_are_the_same(check, product, recordings,
                                               tmp_path):
    record(product, tmp_path, "again", "native_leak", seconds=6)
    prints = []
    for path in (recordings["leak"], tmp_path / "again.strand"):
        check(path, "-q", "--json", "c.json")
        with open("c.json") as file:
            prints.append({f["fingerprint"] for f in
                           json.load(file)["findings"]
                           if f["where"]["function"] == "parse_prompt"})
    assert prints[0] and prints[0] == prints[1]


def test_github_gets_annotations_and_a_summary(check, recordings, tmp_path,
                                               monkeypatch):
    summary = tmp_path / "summary.md"
    summary.write_text("of another step\n")
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", str(summary))
    answer = check(recordings["leak"], "-q", "--github")
    lines = answer.stdout.splitlines()
    assert lines[0].startswith("::error title=strandline%3A FAIL")
    assert all(line.startswith("::") for line in lines)
    text = summary.read_text()
    assert text.startswith("of another step\n### ")
    assert "leak or growth" in text


def test_a_file_that_cannot_be_written_is_status_1(check, recordings):
    answer = check(recordings["clean"], "-q", "--junit", "no/such/j.xml")
    assert answer.returncode == 1
    assert "no/such/j.xml" in answer.stderr


# -- diff ------------------------------------------------------------------

def test_a_diff_finds_the_site_that_grew(run, recordings):
    answer = run("diff", recordings["clean"], recordings["leak"], "-f",
                 "json")
    assert answer.returncode == 0, answer.stderr
    told = json.loads(answer.stdout)
    formats.validator("diff-schema.json").validate(told)
    sites = told["sites"]
    assert sites[0]["function"] == "parse_prompt"
    assert sites[0]["state"] == "worse"
    assert sites[0]["base"]["value"] == 0


def test_a_diff_with_itself_changes_nothing(run, recordings):
    answer = run("diff", recordings["clean"], recordings["clean"])
    assert answer.returncode == 0
    assert "worse" not in answer.stdout
    assert "better" not in answer.stdout
    assert "No allocation site changed for sure." in answer.stdout


def test_a_diff_of_two_programs_is_refused(run, recordings):
    answer = run("diff", recordings["clean"], recordings["other"])
    assert answer.returncode == 2
    assert "only runs of one program can be compared" in answer.stderr


def test_a_diff_needs_two(run, recordings):
    refused(run("diff", recordings["clean"]), 2,
            "expected two recordings, or folders of them: "
            "strandline diff BASE NEW [-f FORMAT] [-o FILE]")
