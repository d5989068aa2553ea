"""The screen of `limner top`."""

from __future__ import annotations

import io
from typing import Any

from rich.console import Console

from limner.cli.top.reading import Reading, parsed
from limner.cli.top.screen import screen

METRICS = """\
limner_build_info{version="1.2"} 1
process_start_time_seconds 1000
comfyui_cpu_usage 12
comfyui_memory_usage 95
limner_gpu_utilization_ratio{gpu="0"} 0.75
limner_gpu_memory_used_bytes{gpu="0"} 1073741824
limner_gpu_memory_total_bytes{gpu="0"} 8589934592
limner_gpu_temperature_celsius{gpu="0"} 61
limner_disk_free_bytes{folder="output"} 107374182400
limner_disk_total_bytes{folder="output"} 214748364800
limner_queue_jobs{state="running"} 1
limner_queue_jobs{state="waiting"} 20
limner_queue_jobs{state="paused"} 0
limner_run_seconds_count{status="done"} 4
limner_run_seconds_count{status="failed"} 1
limner_progress_steps_per_second 3.25
limner_job_wait_seconds_count 5
limner_job_wait_seconds_sum 10
limner_host_up{host="shared"} 1
limner_host_up{host="own"} 0
limner_host_restarts_total{host="shared"} 2
comfyui_process_memory_bytes{process="server"} 107374182
comfyui_process_memory_bytes{process="host"} 2147483648
limner_process_cpu_seconds_total{process="server"} 10
limner_process_cpu_seconds_total{process="host"} 50
limner_node_seconds_count{type="KSampler"} 4
limner_node_seconds_sum{type="KSampler"} 20
limner_node_seconds_count{type="VAEDecode"} 4
limner_node_seconds_sum{type="VAEDecode"} 0.5
limner_node_cache_hits_total{type="VAEDecode"} 7
limner_node_failures_total{type="SaveImage"} 1
"""
JOB = {"id": "a-job", "state": "running", "create_time": 1_090_000, "execution_start_time": 1_095_000}


def reading(text: str = METRICS, taken: float = 1100.0, **more: Any) -> Reading:
    return Reading(more.get("status", "ready"), more.get("problems", ()), more.get("jobs", (JOB,)), taken, parsed(text))


def shown(now: Reading, before: Reading | None = None, lost: str = "") -> dict[str, str]:
    """Its lines by their first word."""
    stream = io.StringIO()
    Console(file=stream, width=120).print(screen("http://server", now, before, lost))
    lines = [" ".join(line.split()) for line in stream.getvalue().splitlines() if line.strip()]
    return {line.split()[0]: line for line in lines}


def test_everything_is_on_the_first_screen() -> None:
    lines = shown(reading())
    assert lines["Limner"] == "Limner 1.2 http://server ready up 1 min 40 s"
    assert lines["memory"].endswith("95 %") and lines["processor"].endswith("12 %")
    assert lines["Jobs"] == "Jobs 1 running, 20 waiting, 0 paused; 4 done, 1 failed; 3.2 steps/s"
    assert lines["a-job"] == "a-job running 5 s" and lines["and"] == "and 12 more wait"
    assert lines["waited"] == "waited 2.0 s in the mean since the start"
    assert lines["server"] == "server 0.10 GB 10 %" and lines["KSampler"] == "KSampler 4 20.0 s 5.0 s 0 0"
    assert lines["VAEDecode"] == "VAEDecode 4 500 ms 125 ms 7 0"
    assert lines["SaveImage"].endswith("1") and lines["disk"].endswith("50 % 100.0 GB free")


def test_cards_and_hosts_have_a_line_each() -> None:
    stream = io.StringIO()
    Console(file=stream, width=120).print(screen("http://server", reading()))
    text = "\n".join(" ".join(line.split()) for line in stream.getvalue().splitlines())
    assert "75 % 61 °C" in text and "12 % 1.0 of 8.0 GB" in text
    assert "host up 2.00 GB 50 % 2" in text and "host own down" in text


def test_the_second_screen_tells_what_happened_since_the_first() -> None:
    before = reading(taken=1100.0)
    text = METRICS.replace('count{type="KSampler"} 4', 'count{type="KSampler"} 6').replace(
        'sum{type="KSampler"} 20', 'sum{type="KSampler"} 21'
    )
    text = text.replace('cpu_seconds_total{process="server"} 10', 'cpu_seconds_total{process="server"} 11')
    lines = shown(reading(text, taken=1102.0), before)
    assert lines["KSampler"] == "KSampler 2 1.0 s 500 ms 0 0" and "VAEDecode" not in lines
    assert lines["node"].startswith("node type of late") and lines["server"].endswith("50 %")


def test_where_nothing_ran_the_table_is_of_all_that_did() -> None:
    lines = shown(reading(taken=1102.0), reading(taken=1100.0))
    assert lines["node"].startswith("node type since the start") and "KSampler" in lines


def test_a_server_that_was_started_anew_has_no_negative_numbers() -> None:
    fresh = METRICS.replace('sum{type="KSampler"} 20', 'sum{type="KSampler"} 2').replace(
        'count{type="KSampler"} 4', 'count{type="KSampler"} 1'
    )
    assert shown(reading(fresh, taken=1102.0), reading())["KSampler"] == "KSampler 1 2.0 s 2.0 s 0 0"


def test_what_is_wrong_is_said() -> None:
    problems = ("The disk of the output folder is full",)
    stream = io.StringIO()
    now = reading(status="failing", problems=problems)
    Console(file=stream, width=160).print(screen("http://server", now, None, "no server answers"))
    assert "failing" in stream.getvalue() and problems[0] in stream.getvalue()
    assert "no server answers; this is how it was at " in stream.getvalue()


def test_a_server_that_has_done_nothing_has_no_table_of_nodes() -> None:
    lines = shown(reading('limner_build_info{version="1.2"} 1\nlimner_host_up{host="shared"} 0\n', jobs=()))
    assert "node" not in lines and lines["host"].startswith("host down")
