"""A real Prometheus: it scrapes `strandline serve`, evaluates our alerts, which
fire on a planted leak, and answers every query of the Grafana dashboard.

Debian's package prometheus; where it is missing, so are these tests.  The
server here is rag_c with a leak of 1,024 bytes for each chat.
"""

import contextlib
import json
import os
import pathlib
import re
import shutil
import signal
import subprocess
import time
import urllib.parse
import urllib.request

import pytest
import yaml

import serve
from test_serve import serving

ROOT = pathlib.Path(__file__).resolve().parents[2]
RULES = ROOT / "reports/prometheus"
DASHBOARD = json.loads((ROOT / "reports/grafana/strandline.json").read_text())
PANELS = [p for p in DASHBOARD["panels"] if p["type"] != "row"]

pytestmark = pytest.mark.skipif(
    not (shutil.which("prometheus") and shutil.which("promtool")),
    reason="no prometheus here (prometheus)")


def promtool(*words):
    """What promtool has to say, when it is content."""
    done = subprocess.run(["promtool", *map(str, words)], cwd=RULES,
                          capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_promtool_takes_the_alerts():
    assert "rules found" in promtool("check", "rules", "alerts.yml")


def test_alerts_fire_when_they_should_and_not_else():
    assert "SUCCESS" in promtool("test", "rules", "alerts-test.yml")


class Prometheus:
    """One that runs, with an empty store."""

    def __init__(self, port):
        self.port = port

    def get(self, path, **parameters):
        """What its API answers."""
        url = (f"http://127.0.0.1:{self.port}/api/v1/{path}?"
               + urllib.parse.urlencode(parameters))
        with urllib.request.urlopen(url, timeout=120) as answer:
            found = json.load(answer)
        assert found["status"] == "success", found
        return found["data"]

    def query(self, expression):
        """The series of an instant query."""
        return self.get("query", query=expression)["result"]


def impatient(rules):
    """The same alerts, which need not last before they fire."""
    for group in rules["groups"]:
        group["interval"] = "1s"
        for rule in group["rules"]:
            rule.pop("for", None)
    return rules


@contextlib.contextmanager
def prometheus(folder, target):
    """A Prometheus that asks 127.0.0.1:@target each second."""
    (folder / "rules.yml").write_text(yaml.dump(
        impatient(yaml.safe_load((RULES / "alerts.yml").read_text()))))
    (folder / "prometheus.yml").write_text(yaml.dump({
        "global": {"scrape_interval": "1s", "evaluation_interval": "1s"},
        "rule_files": ["rules.yml"],
        "scrape_configs": [{
            "job_name": "strandline",
            "static_configs": [{"targets": [f"127.0.0.1:{target}"]}]}]}))
    port = serve.free_port()
    with serve.running(
            ["prometheus", f"--config.file={folder}/prometheus.yml",
             f"--storage.tsdb.path={folder}/data", "--log.level=warn",
             f"--web.listen-address=127.0.0.1:{port}"], port,
            ready=lambda at: serve.answers(at, "/-/ready")):
        yield Prometheus(port)


@pytest.fixture(scope="module")
def watched(product, tmp_path_factory):
    """A Prometheus that watches a server which leaks, under load."""
    folder = tmp_path_factory.mktemp("prometheus")
    recording, port = folder / "leak.strand", serve.free_port()
    command = [*product.under(recording, "--mode", "exact", "--interval",
                              "200"), *serve.rag_c(port, product.build)]
    with contextlib.ExitStack() as stack:
        stack.enter_context(serve.running(
            command, port, env={**os.environ, "RAG_FAULT": "native_leak"}))
        load = subprocess.Popen(
            [product.load_tool, "-c", "4", "-d", "900", "-r", "150", "-m",
             "chat=3,search=1", f"127.0.0.1:{port}"],
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        stack.callback(load.wait)
        stack.callback(load.send_signal, signal.SIGKILL)
        served = stack.enter_context(
            serving(product, recording, "--refresh", "500ms"))
        yield stack.enter_context(prometheus(folder, served.port))


def test_a_planted_leak_sets_off_the_alert(watched, eventually):
    def fired():
        return [a for a in watched.get("alerts")["alerts"]
                if a["labels"]["alertname"] == "ServerLeaksMemory"
                and a["state"] == "firing"]

    alert = eventually(fired)[0]
    assert alert["labels"]["severity"] == "critical"
    found = watched.query("strandline_finding_bytes_per_request")
    leak = next(f for f in found if f["metric"]["class"] == "leak")
    assert leak["metric"]["function"] == "parse_prompt"
    assert 900 < float(leak["value"][1]) < 1150


def test_nothing_is_wrong_with_what_is_scraped(watched, eventually):
    def scraped():
        target = watched.get("targets")["activeTargets"][0]
        return (target["health"], target["lastError"]) == ("up", "")

    def quiet():
        return not loud & {a["labels"]["alertname"]
                           for a in watched.get("alerts")["alerts"]}

    eventually(scraped)
    for group in watched.get("rules")["groups"]:
        for rule in group["rules"]:
            assert rule.get("lastError", "") == "", rule
    loud = {"StrandlineIsGone", "StrandlineReadsNothing", "RequestsFail"}
    eventually(quiet)  # a scrape of a second may be late for once


def test_quantiles_are_those_of_the_load(watched, eventually):
    route = 'http_route="/api/v1/chat"'
    name = "http_server_request_duration_seconds"
    queries = [
        f"histogram_quantile(0.95, sum by (le) ({name}_bucket{{{route}}}))",
        f'strandline_http_request_duration_seconds{{{route},'
        f'quantile="0.95"}}']
    eventually(lambda: all(map(watched.query, queries)))
    now = time.time()  # both of one scrape
    low, high = sorted(float(watched.get("query", query=query, time=now)
                             ["result"][0]["value"][1]) for query in queries)
    assert high <= 2.6 * low  # no two bounds are 2.5 times apart or farther


def filled(expression):
    """A dashboard's query as Grafana sends it."""
    expression = expression.replace("$__rate_interval", "10s")
    return re.sub(r"\$(job|instance)\b", ".*", expression)


@pytest.mark.parametrize("panel", PANELS, ids=lambda p: p["title"])
def test_every_panel_of_the_dashboard_has_data(watched, eventually, panel):
    for target in panel["targets"]:
        expression = filled(target["expr"])
        assert "$" not in expression
        eventually(lambda: watched.query(expression))


def test_the_dashboard_has_what_a_team_keeps():
    text = " ".join(p["title"].lower() for p in PANELS)
    for what in ("latency by endpoint", "throughput", "error rate", "rss by",
                 "threads", "file descriptors", "first byte", "gaps",
                 "holds most", "verdict", "that it takes"):
        assert what in text, what
    ids = [p["id"] for p in DASHBOARD["panels"]]
    assert len(ids) == len(set(ids)) and DASHBOARD["schemaVersion"] >= 30
    assert DASHBOARD["__inputs"][0]["pluginId"] == "prometheus"
    for panel in PANELS:
        place = panel["gridPos"]
        assert 0 <= place["x"] and place["x"] + place["w"] <= 24
