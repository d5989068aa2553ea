"""What a server tells those who watch it: metrics, the dashboard and alerts made of them, and its log."""

from __future__ import annotations

import contextlib
import gzip
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.request import urlopen
from uuid import UUID

import psutil
import pytest
import yaml
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from comfyui_api import ComfyUIAPI
from limner.telemetry.metrics import declared
from tests.scenarios.workflows import failing, inverted
from tests.support.live_server import LiveServer, live_server
from tests.support.promql import Samples, result_labels, samples, wrong

FIXTURES = Path(__file__).parents[1] / "fixtures" / "monitoring"
DEPLOY = Path(__file__).parents[2] / "deploy"
DASHBOARD = json.loads((DEPLOY / "grafana" / "dashboards" / "limner.json").read_text("utf-8"))
RULES = yaml.safe_load((DEPLOY / "prometheus" / "limner.rules.yml").read_text("utf-8"))
ALERTS = {rule["alert"]: rule for group in RULES["groups"] for rule in group["rules"]}
PANELS = {f"{panel['title']} {panel['id']}": panel for panel in DASHBOARD["panels"] if panel.get("targets")}


@dataclass(frozen=True)
class Watched:
    """A server that has run something, and what it told."""

    server: LiveServer
    metrics: str
    """The address of the metrics' own port."""
    runs: Mapping[str, str]
    """The ids of runs."""
    spans: Sequence[Any]
    """What a collector of traces got."""

    def text(self) -> str:
        return str(urlopen(self.metrics).read().decode())

    def log(self) -> list[dict[str, Any]]:
        lines = (self.server.base / "server.log").read_text("utf-8").splitlines()
        return [json.loads(line) for line in lines]


def telling(number: int) -> dict[str, Any]:
    return {"1": {"class_type": "Tell", "inputs": {"number": number}}}


@contextmanager
def collecting() -> Iterator[tuple[str, Sequence[Any]]]:
    """The address of a collector of traces, and the spans that it gets."""
    spans: list[Any] = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            if self.headers.get("Content-Encoding") == "gzip":
                body = gzip.decompress(body)
            for resource in ExportTraceServiceRequest.FromString(body).resource_spans:
                spans.extend(span for scope in resource.scope_spans for span in scope.spans)
            self.send_response(200)
            self.end_headers()

        def log_message(self, *args: object) -> None: ...

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}", spans
        server.shutdown()


@pytest.fixture(scope="module")
def watched(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Watched]:
    base = tmp_path_factory.mktemp("watched")
    shutil.copytree(FIXTURES / "custom_nodes", base / "custom_nodes")
    with pytest.MonkeyPatch.context() as patch:
        paths = [str(FIXTURES / "libraries"), *filter(None, [os.environ.get("PYTHONPATH")])]
        patch.setenv("PYTHONPATH", os.pathsep.join(paths))
        patch.setenv("OTEL_BSP_SCHEDULE_DELAY", "200")
        flags = ("--metrics-port", "0", "--log-format", "json")
        with collecting() as (endpoint, spans), live_server(base, *flags, "--otlp-endpoint", endpoint) as server:
            api = ComfyUIAPI(server.url)
            runs = {"told": api.execute_workflow(telling(1), timeout=90)["prompt_id"]}
            assert api.execute_workflow(inverted("a")).ok
            assert api.execute_workflow(inverted("b")).ok
            runs["failed"] = api.execute_workflow(failing())["prompt_id"]
            found = re.search(r"http://\S+/metrics", (base / "server.log").read_text("utf-8"))
            assert found is not None
            yield Watched(server, found.group(), runs, spans)


@pytest.fixture(scope="module")
def live(watched: Watched) -> Samples:
    return samples(watched.text())


def value(text: str, sample: str) -> float:
    found = re.search(rf"^{re.escape(sample)} (\S+)$", text, re.MULTILINE)
    assert found is not None, sample
    return float(found[1])


def test_every_declared_metric_is_told_with_its_labels(live: Samples) -> None:
    for family in declared():
        name = f"{family.name}_count" if family.kind == "histogram" else family.name
        assert all(set(labels) == set(family.labels) for labels in live[name]), family.name


def test_the_runs_that_were_are_in_the_numbers(watched: Watched) -> None:
    text = watched.text()
    assert value(text, 'limner_run_seconds_count{status="done"}') == 3
    assert value(text, 'limner_run_seconds_count{status="failed"}') == 1
    assert value(text, "limner_job_wait_seconds_count") == 4
    assert value(text, 'limner_node_seconds_count{type="ImageInvert"}') == 1
    assert value(text, 'limner_node_cache_hits_total{type="ImageInvert"}') >= 1
    assert value(text, 'limner_node_failures_total{type="SaveImage"}') == 1
    assert value(text, 'limner_progress_steps_total{type="Tell"}') == 4
    assert value(text, "comfyui_queue_size") == 0 and value(text, "limner_ready") == 1
    assert value(text, "comfyui_gpu_usage") == 75 and value(text, 'limner_gpu_memory_used_bytes{gpu="0"}') == 2**30
    assert value(text, 'comfyui_process_memory_bytes{process="host"}') > 2**26
    assert value(text, "limner_events_total") > 10


def test_the_server_s_own_port_tells_the_same(watched: Watched) -> None:
    with urlopen(f"{watched.server.url}/metrics") as answer:
        assert answer.headers["Content-Type"].startswith("text/plain")
        assert samples(answer.read().decode()).keys() == samples(watched.text()).keys()


@pytest.mark.parametrize("panel", PANELS)
def test_each_query_of_the_dashboard_finds_what_it_asks_for(panel: str, live: Samples) -> None:
    for target in PANELS[panel]["targets"]:
        assert wrong(target["expr"], live) == []
        shown = set(re.findall(r"{{\s*(\w+)\s*}}", target.get("legendFormat") or ""))
        assert shown <= result_labels(target["expr"], live), target["expr"]


def test_the_dashboard_s_variables_are_labels_of_a_metric_that_is_there(live: Samples) -> None:
    queries = [one["query"]["query"] for one in DASHBOARD["templating"]["list"] if one["type"] == "query"]
    asked = [re.fullmatch(r"label_values\((\w+), (job|instance)\)", query) for query in queries]
    assert len(asked) == 2 and all(found is not None and found[1] in live for found in asked)


def test_panels_have_ids_and_places_of_their_own() -> None:
    assert len({panel["id"] for panel in DASHBOARD["panels"]}) == len(DASHBOARD["panels"])
    taken: set[tuple[int, int]] = set()
    for panel in DASHBOARD["panels"]:
        place = panel["gridPos"]
        cells = {(place["x"] + x, place["y"] + y) for x in range(place["w"]) for y in range(place["h"])}
        assert not cells & taken and all(x < 24 for x, _ in cells), panel["title"]
        taken |= cells


@pytest.mark.parametrize("alert", ALERTS)
def test_each_alert_finds_what_it_asks_for_and_says_what_to_do(alert: str, live: Samples) -> None:
    rule = ALERTS[alert]
    assert wrong(rule["expr"], live) == []
    assert rule["labels"]["severity"] in ("warning", "critical")
    for text in (rule["annotations"]["summary"], rule["annotations"]["description"]):
        assert set(re.findall(r"\$labels\.(\w+)", text)) <= result_labels(rule["expr"], live)


def test_a_query_that_asks_for_what_is_not_there_is_found_out(live: Samples) -> None:
    assert wrong("sum(limner_no_such_thing)", live) == ["no metric limner_no_such_thing"]
    assert wrong('limner_queue_jobs{state="lost"}', live) == ['nothing is limner_queue_jobs{state="lost"}']
    assert "no label user" in wrong("sum by (user) (limner_queue_jobs)", live)
    assert wrong('limner_queue_jobs{user="ann"}', live)[0] == "limner_queue_jobs has no label user"
    assert result_labels("sum by (state) (rate(limner_queue_jobs[5m]))", live) == {"state"}


def test_prometheus_is_told_of_the_rules_and_the_port() -> None:
    config = yaml.safe_load((DEPLOY / "prometheus" / "prometheus.yml").read_text("utf-8"))
    assert all((DEPLOY / "prometheus" / name).is_file() for name in config["rule_files"])
    (scraped,) = config["scrape_configs"]
    assert scraped["job_name"] == "limner" and scraped["static_configs"][0]["targets"] == ["127.0.0.1:8000"]


def test_each_line_of_the_log_is_json_and_one_id_goes_through_server_and_host(watched: Watched) -> None:
    run = watched.runs["told"]
    lines = {line["event"]: line for line in watched.log() if line.get("run") == run}
    assert lines["printed 1"]["logger"] == "limner.host" and lines["printed 1"]["level"] == "info"
    assert "from a thread" in lines and "from a program" in lines
    logged = lines["logged 1"]
    assert (logged["logger"], logged["level"], logged["left"]) == ("teller", "warning", 3)
    (ended,) = [line for event, line in lines.items() if event.startswith(f"run {run} done")]
    assert ended["status"] == "done" and ended["logger"] == "limner.runs"


def test_a_failure_is_logged_with_run_node_and_traceback(watched: Watched) -> None:
    (line,) = [line for line in watched.log() if line["level"] == "error" and line.get("run") == watched.runs["failed"]]
    assert (line["node"], line["node_type"]) == ("3", "SaveImage") and "Traceback" not in line["event"]
    assert "File " in line["exception"]


def test_a_job_is_a_trace_with_a_span_for_each_node_that_ran(watched: Watched) -> None:
    trace = UUID(watched.runs["told"]).bytes
    end = time.monotonic() + 30
    while not (jobs := [span for span in watched.spans if span.name == "job" and span.trace_id == trace]):
        assert time.monotonic() < end
        time.sleep(0.1)
    (job,) = jobs
    inner = {span.name: span for span in watched.spans if span.trace_id == trace and span.name != "job"}
    assert set(inner) == {"queue", "Tell"} and all(span.parent_span_id == job.span_id for span in inner.values())
    assert job.start_time_unix_nano <= inner["Tell"].start_time_unix_nano
    assert inner["Tell"].end_time_unix_nano <= job.end_time_unix_nano


def test_a_host_that_dies_is_counted(watched: Watched) -> None:
    (host,) = psutil.Process(watched.server.pid).children()
    host.kill()
    assert ComfyUIAPI(watched.server.url).execute_workflow(inverted("c", 0x123456), timeout=90).ok
    end = time.monotonic() + 30
    while value(watched.text(), 'limner_host_restarts_total{host="shared"}') != 1:
        assert time.monotonic() < end
        time.sleep(0.1)
    assert value(watched.text(), 'limner_host_up{host="shared"}') == 1


def test_top_shows_what_runs_and_ran(watched: Watched) -> None:
    command = [sys.executable, "-m", "limner.cli", "top", watched.server.url]
    ended = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert ended.returncode == 0, ended.stderr
    lines = {line.split()[0]: line for line in ended.stdout.splitlines() if line.strip()}
    assert watched.server.url in lines["Limner"] and " ready " in lines["Limner"]
    assert "running" in lines["Jobs"] and "1 failed" in lines["Jobs"]
    assert lines["SaveImage"].split()[-1] == "1" and "Tell" in lines and "GPU" in lines


@pytest.mark.skipif(sys.platform == "win32", reason="there are no pseudo-terminals")
def test_top_in_a_terminal_goes_on_until_it_is_interrupted(watched: Watched) -> None:
    import pty

    terminal, inside = pty.openpty()
    command = [sys.executable, "-m", "limner.cli", "top", watched.server.url, "--interval", "0.2"]
    environment = {**os.environ, "TERM": "xterm"}
    process = subprocess.Popen(command, stdin=inside, stdout=inside, stderr=inside, env=environment)
    os.close(inside)
    seen = b""
    try:
        while seen.count(b"processor") < 6:  # twice a screen, so several screens
            seen += os.read(terminal, 65536)
        process.send_signal(signal.SIGINT)
        with contextlib.suppress(OSError):  # the terminal is gone with its program
            while more := os.read(terminal, 65536):
                seen += more
        assert process.wait(timeout=30) == 0 and b"Traceback" not in seen
    finally:
        process.kill()
        process.wait()
        os.close(terminal)
