"""The machine's part of the metrics."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

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


def test_two_who_look_at_the_same_time_see_the_same_use() -> None:
    cores = Cores()
    assert cores.percent() == cores.percent()
