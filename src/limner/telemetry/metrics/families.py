"""Every metric, declared once: its name, kind, labels and help. The reference and the dashboards are checked with it.

Names are Prometheus': base units, `_total` for counters. Those that begin with `comfyui_` are the names that monitors
of ComfyUI use, in their units: percent and jobs. Labels are few: a node type, a host, a device; never users, runs or
files.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeAlias

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric

from .tally import Counts

Values: TypeAlias = "float | Mapping[str, float] | Iterable[tuple[Sequence[str], float]]"
"""One value, values by one label, or values by several."""


@dataclass(frozen=True, slots=True)
class Family:
    """A metric; `labels` name what its values are told apart by."""

    name: str
    kind: str
    help: str
    labels: tuple[str, ...] = ()

    def of(self, values: Values) -> Metric:
        """The gauge or counter with these values."""
        counter = self.kind == "counter"
        family: CounterMetricFamily | GaugeMetricFamily
        family = (CounterMetricFamily if counter else GaugeMetricFamily)(self.name, self.help, labels=self.labels)
        for labels, value in _listed(values):
            family.add_metric(labels, value)
        return family

    def spread(self, counts: Mapping[str, Counts]) -> Metric:
        """The histogram with these distributions: by its label, or under an empty name where it has none."""
        family = HistogramMetricFamily(self.name, self.help, labels=self.labels)
        for label, count in counts.items():
            family.add_metric([label] if self.labels else [], count.buckets(), count.sum)
        return family


def _listed(values: Values) -> Iterable[tuple[Sequence[str], float]]:
    if isinstance(values, int | float):
        return [((), float(values))]
    if isinstance(values, Mapping):
        return [((label,), value) for label, value in values.items()]
    return values


def _gauge(name: str, help: str, *labels: str) -> Family:
    return Family(name, "gauge", help, labels)


def _counter(name: str, help: str, *labels: str) -> Family:
    return Family(name, "counter", help, labels)


def _histogram(name: str, help: str, *labels: str) -> Family:
    return Family(name, "histogram", help, labels)


MEMORY_USAGE = _gauge("comfyui_memory_usage", "Memory of the machine that is in use, in percent.")
CPU_USAGE = _gauge("comfyui_cpu_usage", "Use of the machine's processor cores together, in percent.")
GPU_USAGE = _gauge("comfyui_gpu_usage", "Use of the first GPU in percent; 0 where none can be asked.")
QUEUE_SIZE = _gauge("comfyui_queue_size", "Jobs that wait or run.")
PROCESS_MEMORY = _gauge(
    "comfyui_process_memory_bytes", "Memory that a process of this server has (resident set).", "process"
)

BUILD = _gauge("limner_build_info", "1, with the version.", "version")
READY = _gauge("limner_ready", "Whether the server is ready for jobs (1), as /readyz tells.")
JOBS = _gauge("limner_queue_jobs", "Jobs of the queue by their state: waiting, running, paused.", "state")
WAIT = _histogram("limner_job_wait_seconds", "Time from a job's queueing to its first start.")
RUN = _histogram("limner_run_seconds", "Time of runs, by how they ended: done, failed, cancelled.", "status")
NODE = _histogram("limner_node_seconds", "Time that nodes ran, by node type.", "type")
HITS = _counter("limner_node_cache_hits_total", "Nodes whose result was there already, by node type.", "type")
FAILURES = _counter("limner_node_failures_total", "Nodes that failed, by node type.", "type")
PROGRESS = _counter(
    "limner_progress_steps_total", "Steps that nodes reported as done (a sampler's steps), by node type.", "type"
)
RATE = _gauge("limner_progress_steps_per_second", "Steps a second of the nodes that run now; 0 where none does.")
EVENTS = _counter("limner_events_total", "Events that were read from the bus.")
LAG = _histogram("limner_event_lag_seconds", "Time from an event to its reading, of the oldest of each batch.")
BACKLOG = _gauge("limner_event_backlog", "Events that the slowest reader of the bus has not taken yet.")

HOST_UP = _gauge("limner_host_up", "Whether a host has loaded its nodes (1).", "host")
HOST_RESTARTS = _counter("limner_host_restarts_total", "Hosts that died, to be started again.", "host")
MOVED_VALUES = _counter("limner_moved_values_total", "Values that were copied from one host to another.")
MOVED_BYTES = _counter("limner_moved_bytes_total", "Bytes of values that were copied from one host to another.")
CACHE_BYTES = _gauge("limner_cache_bytes", "Bytes of the results that are remembered in memory.")
CACHE_ENTRIES = _gauge("limner_cache_entries", "Results that are remembered in memory.")

PROCESS_CPU = _counter("limner_process_cpu_seconds_total", "Processor time of a process of this server.", "process")
DISK_FREE = _gauge("limner_disk_free_bytes", "Free space where a folder is: output, temp, user, models.", "folder")
DISK_TOTAL = _gauge("limner_disk_total_bytes", "Size of the disk that a folder is on.", "folder")
DEVICE_TOTAL = _gauge("limner_device_memory_total_bytes", "Memory of a device that models run on.", "device")
DEVICE_FREE = _gauge("limner_device_memory_free_bytes", "Memory that models may still take on a device.", "device")
GPU_MEMORY_USED = _gauge("limner_gpu_memory_used_bytes", "Memory of a GPU in use, by any program (NVML).", "gpu")
GPU_MEMORY_TOTAL = _gauge("limner_gpu_memory_total_bytes", "Memory of a GPU (NVML).", "gpu")
GPU_UTILISATION = _gauge("limner_gpu_utilization_ratio", "Use of a GPU, 0 to 1 (NVML).", "gpu")
GPU_TEMPERATURE = _gauge("limner_gpu_temperature_celsius", "Temperature of a GPU (NVML).", "gpu")
GPU_POWER = _gauge("limner_gpu_power_watts", "Power that a GPU draws (NVML).", "gpu")


def declared() -> Sequence[Family]:
    """All of them, in the order of their declaration."""
    return [value for value in globals().values() if isinstance(value, Family)]
