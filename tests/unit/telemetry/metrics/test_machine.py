"""The machine's part of the metrics."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections import namedtuple
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import psutil
import pytest

from limner.telemetry.metrics import Cores, machine


def test_processes_and_disks_that_are_there_are_told_of(tmp_path: Path) -> None:
    ended = subprocess.Popen([sys.executable, "-c", ""])
    ended.wait()
    processes = {"server": os.getpid(), "host": ended.pid}
    folders = {"output": tmp_path, "models": tmp_path / "none"}
    found = {
        (sample.name, *sample.labels.values()): sample.value
        for metric in machine.metrics(Cores(), processes, folders)
        for sample in metric.samples
    }
    assert 0 < found["comfyui_memory_usage",] <= 100 and 0 <= found["comfyui_cpu_usage",] <= 100
    assert found["comfyui_process_memory_bytes", "server"] > 2**20
    assert ("comfyui_process_memory_bytes", "host") not in found
    assert 0 < found["limner_disk_free_bytes", "output"] < found["limner_disk_total_bytes", "output"]
    assert ("limner_disk_free_bytes", "models") not in found


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Sets the time, and the seconds of the cores."""
    state = {"now": 0.0, "times": {"user": 0.0, "idle": 0.0, "iowait": 0.0, "guest": 0.0}}
    Times = namedtuple("Times", ["user", "idle", "iowait", "guest"])

    def set_to(now: float, **times: float) -> None:
        state["now"] = now
        state["times"].update(times)  # type: ignore[attr-defined]

    monkeypatch.setattr(time, "monotonic", lambda: state["now"])
    monkeypatch.setattr(psutil, "cpu_times", lambda: Times(**state["times"]))  # type: ignore[arg-type]
    return set_to


def test_the_use_is_told_in_whatever_thread_it_is_asked_and_a_guest_counts_once(clock: Callable[..., None]) -> None:
    cores = Cores()
    clock(10.0, user=3.0, idle=6.0, iowait=1.0, guest=2.0)
    with ThreadPoolExecutor() as threads:
        assert threads.submit(cores.percent).result() == 30.0


def test_two_who_look_at_the_same_time_see_the_same_use(clock: Callable[..., None]) -> None:
    cores = Cores()
    clock(10.0, user=3.0, idle=7.0)
    assert cores.percent() == 30.0
    clock(10.5, user=3.5, idle=7.0)
    assert cores.percent() == 30.0
    clock(12.0, user=5.0, idle=7.0)
    assert cores.percent() == 100.0
