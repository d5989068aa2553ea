"""The machine and the server's processes: processor, memory, disks. Read when somebody asks, in any thread."""

from __future__ import annotations

import shutil
import threading
import time
from collections.abc import Iterable, Mapping
from pathlib import Path

import psutil
from prometheus_client.core import Metric

from . import families as f

LEAST_INTERVAL = 1.0
"""Seconds that the use of the processor is measured over, at least."""


class Cores:
    """The use of all cores since the last look, in percent; the same for those who look at almost the same time.

    psutil's own percent is one of each thread that asks, and whoever scrapes is answered in any thread.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._percent = 0.0
        self._looked = time.monotonic()
        self._busy, self._total = _times()

    def percent(self) -> float:
        with self._lock:
            now = time.monotonic()
            if now - self._looked >= LEAST_INTERVAL:
                busy, total = _times()
                if total > self._total:
                    self._percent = min(100.0, max(0.0, 100 * (busy - self._busy) / (total - self._total)))
                self._looked, self._busy, self._total = now, busy, total
            return self._percent


def _times() -> tuple[float, float]:
    """Seconds that the cores were busy, and all of their seconds."""
    times = psutil.cpu_times()
    known = times._asdict()
    total = sum(known.values()) - known.get("guest", 0.0) - known.get("guest_nice", 0.0)  # these are in user and nice
    return total - known["idle"] - known.get("iowait", 0.0), total


def metrics(cores: Cores, processes: Mapping[str, int], folders: Mapping[str, Path]) -> Iterable[Metric]:
    """`processes` are the ids of the server's processes by name, `folders` those whose disks are told of, by name."""
    yield f.CPU_USAGE.of(cores.percent())
    yield f.MEMORY_USAGE.of(psutil.virtual_memory().percent)
    memory: dict[str, float] = {}
    seconds: dict[str, float] = {}
    for name, pid in processes.items():
        try:
            process = psutil.Process(pid)
            with process.oneshot():
                times = process.cpu_times()
                memory[name], seconds[name] = float(process.memory_info().rss), times.user + times.system
        except psutil.Error:  # it has just ended
            continue
    yield f.PROCESS_MEMORY.of(memory)
    yield f.PROCESS_CPU.of(seconds)
    free: dict[str, float] = {}
    total: dict[str, float] = {}
    for name, folder in folders.items():
        try:
            usage = shutil.disk_usage(folder)
        except OSError:
            continue
        free[name], total[name] = float(usage.free), float(usage.total)
    yield f.DISK_FREE.of(free)
    yield f.DISK_TOTAL.of(total)
