"""The worked examples in scripts/ci-examples, run as they stand.

A stand-in for the CI server reads the file, runs its commands in the shell
and with the variables that the real one would, and takes the place of what
needs the network: checkouts, packages, caches, uploads.  The server is rag_c,
clean and then with a leak, behind scripts with the names that the examples
use; only the port is another.
"""

import json
import os
import pathlib
import shutil
import subprocess
import xml.etree.ElementTree

import pytest
import yaml

import serve

ROOT = pathlib.Path(__file__).resolve().parents[2]
EXAMPLES = ROOT / "scripts/ci-examples"

# What would fetch or build; the product is there already.
STUBS = {
    "apt-get": "exit 0",
    "cmake": "exit 0",
    "git": "mkdir -p strandline/scripts\n"
           "printf '#!/bin/sh\\n' >strandline/scripts/setup.sh\n"
           "chmod +x strandline/scripts/setup.sh",
}


def script(path, text):
    path.write_text(f"#!/bin/sh\n{text}\n")
    path.chmod(0o755)


class Checkout:
    """A project with a server, as a CI server checks it out."""

    def __init__(self, product, folder):
        self.folder = folder
        self.port = serve.free_port()
        self.runs = 0
        script(folder / "server", f'exec {product.build}/tests/servers/rag_c '
                                  '--port "$PORT"')
        script(folder / "load", f'exec {product.load_tool} -c 4 -d 10 -r 150 '
                                '-m chat=3,search=1 "127.0.0.1:$PORT"')
        (folder / "Makefile").write_text("all:\n\t@test -x server\n")
        shutil.copy(EXAMPLES / "strandline.yml", folder)
        self.bin = folder.parent / "bin"
        self.bin.mkdir()
        for name, text in STUBS.items():
            script(self.bin / name, text)
        (self.bin / "strandline").symlink_to(product.tool)

    def environment(self, **more):
        """As CI has it, and not as this test was started with."""
        kept = {key: os.environ[key] for key in ("HOME", "LANG", "TMPDIR")
                if key in os.environ}
        return {**kept, "PATH": f"{self.bin}:/usr/sbin:/usr/bin:/sbin:/bin",
                "CI": "true", **more}

    def shell(self, text, env):
        """The status and the output of a script."""
        done = subprocess.run(
            ["bash", "--noprofile", "--norc", "-eo", "pipefail", "-c", text],
            cwd=self.folder, env=env, text=True, timeout=300,
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT)
        return done.returncode, done.stdout


class GitHub:
    """One run of the workflow's job on the main branch."""

    conditions = {None: lambda failed: not failed,
                  "always()": lambda failed: True,
                  "github.ref == 'refs/heads/main'":
                      lambda failed: not failed}

    def __init__(self, checkout, fault):
        workflow = yaml.safe_load(
            (EXAMPLES / "github-workflow.yml").read_text())
        (self.job,) = workflow["jobs"].values()
        assert self.job["defaults"]["run"]["shell"] == "bash"
        self.checkout = checkout
        self.summary = checkout.folder.parent / "summary.md"
        self.summary.write_text("")
        checkout.runs += 1
        variables = {k: str(v) for k, v in self.job["env"].items()}
        self.env = checkout.environment(**{
            **variables, "PORT": str(checkout.port), "RAG_FAULT": fault,
            "GITHUB_WORKSPACE": str(ROOT),  # where rag_c was compiled
            "GITHUB_RUN_ID": str(checkout.runs),
            "GITHUB_STEP_SUMMARY": str(self.summary)})
        self.failed, self.outputs, self.uploads = None, {}, {}
        for step in self.job["steps"]:
            if self.conditions[step.get("if")](self.failed):
                self.step(step)

    def step(self, step):
        """A step whose condition holds."""
        if "uses" in step:
            self.use(step["uses"].split("@")[0], step.get("with", {}))
            return
        status, output = self.checkout.shell(step["run"], self.env)
        self.outputs[step["name"]] = output
        if status and not self.failed:
            self.failed = (step["name"], status)

    def use(self, action, arguments):
        """An action that somebody else wrote."""
        if action == "actions/checkout":
            if arguments.get("path"):
                self.checkout.shell("git clone x", self.env)
        elif action in ("github/codeql-action/upload-sarif",
                        "actions/upload-artifact"):
            named = arguments.get("sarif_file") or arguments["path"]
            for path in named.split():
                assert (self.checkout.folder / path).exists(), path
                self.uploads[path] = self.checkout.folder / path
        else:  # what the cache would bring stays in its folder
            assert action in ("actions/cache/restore", "actions/cache/save")
            assert arguments["path"] == "runs"


@pytest.fixture
def checkout(product, tmp_path):
    (tmp_path / "project").mkdir()
    return Checkout(product, tmp_path / "project")


def test_the_workflow_passes_a_clean_server_and_stops_a_leak(checkout):
    clean = GitHub(checkout, "none")
    assert not clean.failed, clean.outputs
    assert "::notice title=strandline%3A PASS::" in clean.outputs["Check"]
    assert "Strandline: PASS" in clean.summary.read_text()
    assert (checkout.folder / "runs/1.strand").is_dir()

    shutil.rmtree(checkout.folder / "new.strand")
    leak = GitHub(checkout, "native_leak")
    assert leak.failed == ("Check", 10), leak.outputs
    told = leak.outputs["Check"]
    assert ("::error file=tests/servers/rag_c/faults.c,line=" in told), told
    assert "parse_prompt" in told
    assert "baseline   runs/1.strand" in told
    assert "leak or growth" in leak.summary.read_text()
    results = json.loads(leak.uploads["strandline.sarif"].read_text())
    assert results["runs"][0]["results"][0]["ruleId"] == "leak"
    assert not (checkout.folder / "runs/2.strand").exists()


def gitlab(checkout, fault):
    """One run of the pipeline's job on the default branch."""
    job = yaml.safe_load((EXAMPLES / "gitlab-ci.yml").read_text())["memory"]
    checkout.runs += 1
    env = checkout.environment(**{
        **job["variables"], "PORT": str(checkout.port), "RAG_FAULT": fault,
        "CI_PROJECT_DIR": str(checkout.folder),
        "CI_PIPELINE_ID": str(checkout.runs),
        "CI_COMMIT_BRANCH": "main", "CI_DEFAULT_BRANCH": "main"})
    shutil.rmtree(checkout.folder / "strandline", ignore_errors=True)
    status, output = checkout.shell(
        "\n".join(job["before_script"] + job["script"]), env)
    for path in [*job["artifacts"]["paths"],
                 job["artifacts"]["reports"]["junit"]]:
        assert (checkout.folder / path).exists(), (path, output)
    return status, output


def test_the_pipeline_passes_a_clean_server_and_stops_a_leak(checkout):
    status, output = gitlab(checkout, "none")
    assert status == 0, output
    assert (checkout.folder / "runs/1.strand").is_dir()

    shutil.rmtree(checkout.folder / "new.strand")
    status, output = gitlab(checkout, "native_leak")
    assert status == 10, output
    suites = xml.etree.ElementTree.parse(checkout.folder / "strandline.xml")
    failed = [case.get("name") for case in suites.iter("testcase")
              if case.find("failure") is not None]
    assert "verdict" in failed
    assert any("parse_prompt" in name for name in failed)
    assert "parse\\_prompt" in (checkout.folder / "strandline.md").read_text()
    assert not (checkout.folder / "runs/2.strand").exists()


def test_the_baseline_keeps_the_last_ten_runs(checkout):
    """The line that prunes, alone: it is the same in both examples."""
    line = "ls -dt runs/*.strand | tail -n +11 | xargs -r rm -r"
    for example in ("github-workflow.yml", "gitlab-ci.yml"):
        assert line in (EXAMPLES / example).read_text()
    for n in range(13):
        run = checkout.folder / f"runs/{n}.strand"
        run.mkdir(parents=True)
        os.utime(run, (1000 + n, 1000 + n))
    status, _ = checkout.shell(line, checkout.environment())
    assert status == 0
    assert sorted(int(p.stem) for p in (checkout.folder / "runs").iterdir()
                  ) == list(range(3, 13))
