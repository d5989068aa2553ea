"""What a small job costs over HTTP, beside an empty request to the same server."""

from __future__ import annotations

import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from typing import Any

from comfyui_api import ComfyUIAPI

from .processes import server
from .report import Figure

TURNS = 200


def figures() -> Iterator[Figure]:
    """Times of jobs of three nodes, each with another colour so that nothing is remembered."""
    with tempfile.TemporaryDirectory(prefix="limner-bench-") as base:
        command = [sys.executable, "-m", "limner.cli", "serve", "--port", "0", "--base-directory", base]
        with server(command) as ours:
            api = ComfyUIAPI(ours.url)
            api.execute_workflow(job(0))
            queued = times(lambda turn: api.execute_workflow(job(turn + 1)))
            asked = times(lambda turn: api.queue())
    for name, share in (("median", 50), ("99th percentile", 99)):
        yield Figure(
            f"job of three nodes, {name}", percentile(queued, share), "ms", percentile(asked, share), "GET /queue"
        )


def job(color: int) -> dict[str, Any]:
    return {
        "1": {"class_type": "EmptyImage", "inputs": {"width": 8, "height": 8, "batch_size": 1, "color": color}},
        "2": {"class_type": "ImageInvert", "inputs": {"image": ["1", 0]}},
        "3": {"class_type": "PreviewImage", "inputs": {"images": ["2", 0]}},
    }


def times(call: Callable[[int], object]) -> list[float]:
    """Milliseconds of each call."""
    found = []
    for turn in range(TURNS):
        started = time.perf_counter()
        call(turn)
        found.append((time.perf_counter() - started) * 1000)
    return found


def percentile(values: list[float], share: int) -> float:
    return statistics.quantiles(values, n=100)[share - 1]
