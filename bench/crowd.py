"""A thousand WebSocket clients, of which a hundred never read, while two thousand jobs of three nodes run.

How late the frames of runs come, whether every client hears everything that it is to hear, and what the server keeps in
memory for it.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from .engine import PACK, free_port
from .processes import PATIENCE, Measured, server
from .report import Figure

READERS, SILENT, JOBS = 900, 100, 2_000


def figures() -> Iterator[Figure]:
    """One client alone first, as the baseline; the clients are in a process of their own."""
    with tempfile.TemporaryDirectory(prefix="limner-bench-") as base:
        (Path(base) / "custom_nodes").mkdir()
        (Path(base) / "custom_nodes" / "measuring").symlink_to(PACK)
        command = ["serve", "--port", str(free_port()), "--base-directory", base, "--cpu"]
        with server([sys.executable, "-m", "limner.cli", *command]) as ours:
            until_ready(ours)
            alone, before = clients(ours.url, 1, 0, 100), ours.resident
            told = clients(ours.url, READERS, SILENT, JOBS)
            peak = ours.peak
    yield Figure("frame to a reading client, 99th percentile", told["p99"], "ms", alone["p99"], "one client", bound=50)
    yield Figure("the same, median", told["median"], "ms", alone["median"], "one client")
    yield Figure("jobs not heard of in full", told["missed"], "", alone["missed"], "one client", bound=0)
    yield Figure("clients that do not know the queue's end", told["stale"], "", alone["stale"], "one client", bound=0)
    yield Figure("memory of the server process at most", peak, "MB", before, "one client", bound=300)
    yield Figure("jobs a second, queueing included", JOBS / told["seconds"], "")


def clients(url: str, readers: int, silent: int, jobs: int) -> dict[str, float]:
    command = [sys.executable, "-m", "bench.crowd_client", url, str(readers), str(silent), str(jobs)]
    output = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    result: dict[str, float] = json.loads(output)
    return result


def until_ready(ours: Measured) -> None:
    """Until the nodes are loaded."""
    end = time.monotonic() + PATIENCE
    while time.monotonic() < end:
        try:
            ours.ask("/readyz")
            return
        except OSError:
            time.sleep(0.05)
    raise RuntimeError("the host did not become ready")
