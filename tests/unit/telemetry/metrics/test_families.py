"""The declared metrics: names that clients of ComfyUI use, and those of Prometheus' own rules."""

from __future__ import annotations

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import Metric
from prometheus_client.parser import text_string_to_metric_families
from prometheus_client.registry import Collector

from limner.telemetry.metrics import declared
from limner.telemetry.metrics import families as f
from limner.telemetry.metrics.tally import Distribution


class Holding(Collector):
    def __init__(self, *metrics: Metric) -> None:
        self._metrics = metrics

    def collect(self) -> tuple[Metric, ...]:
        return self._metrics


def parsed(*metrics: Metric) -> dict[str, Metric]:
    registry = CollectorRegistry()
    registry.register(Holding(*metrics))
    return {found.name: found for found in text_string_to_metric_families(generate_latest(registry).decode())}


def test_the_names_that_monitors_of_comfyui_read_are_there() -> None:
    gauges = {family.name for family in declared() if family.kind == "gauge"}
    assert gauges >= {"comfyui_memory_usage", "comfyui_cpu_usage", "comfyui_gpu_usage", "comfyui_queue_size"}


def test_names_are_unique_and_those_of_counters_end_in_total() -> None:
    names = [family.name for family in declared()]
    assert len(set(names)) == len(names) > 30
    for family in declared():
        assert family.name.endswith("_total") == (family.kind == "counter"), family.name
        assert family.help.endswith("."), family.name


def test_no_label_names_users_runs_or_files() -> None:
    labels = {label for family in declared() for label in family.labels}
    assert labels <= {"process", "version", "state", "status", "type", "host", "folder", "device", "gpu"}


def test_values_come_out_as_prometheus_reads_them() -> None:
    times = Distribution((1.0,))
    times.add(0.5)
    found = parsed(
        f.QUEUE_SIZE.of(3),
        f.HITS.of({'a "quoted"\nname': 2.0}),
        f.LAG.spread({"": times.copy()}),
        f.NODE.spread({"KSampler": times.copy()}),
    )
    assert found["comfyui_queue_size"].samples[0].value == 3
    (hit,) = found["limner_node_cache_hits"].samples
    assert (hit.name, hit.labels, hit.value) == ("limner_node_cache_hits_total", {"type": 'a "quoted"\nname'}, 2.0)
    assert {sample.name for sample in found["limner_event_lag_seconds"].samples} == {
        "limner_event_lag_seconds_bucket",
        "limner_event_lag_seconds_count",
        "limner_event_lag_seconds_sum",
    }
    assert {sample.labels["type"] for sample in found["limner_node_seconds"].samples} == {"KSampler"}
