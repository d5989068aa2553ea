"""A fleet: throughput by the number of workers, dispatch, affinity; and a thousand workers in simulated time.

Workers are real: `limner worker`, each with a host process of its own, over a Ray of this measurement's. Their jobs
sleep, so that many of them fit on one machine.
"""

from __future__ import annotations

import itertools
import json
import os
import random
import socket
import statistics
import subprocess
import sys
import tempfile
import time
import warnings
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.request import Request, urlopen

from .fleet_simulation import simulate
from .processes import PATIENCE, Measured, server
from .report import Figure

PACK = Path(__file__).with_name("fleet_pack")
COUNTS = (1, 2, 4, 8)
SLEEP_MS, EACH = 1_000, 12
"""A job's sleep, and how many jobs each worker gets."""
MODELS, AFFINE_JOBS, AFFINE_WORKERS, USE_MS = 4, 200, 4, 100
SIMULATED = ((100, 100_000), (1_000, 1_000_000))


def figures() -> Iterator[Figure]:
    with tempfile.TemporaryDirectory(prefix="limner-bench-") as base:
        yield from measured(Path(base))
    few, many = (simulate(workers, jobs) for workers, jobs in SIMULATED)
    name = f"a decision, {many.workers:,} workers, {many.jobs:,} jobs"
    yield Figure(name, many.microseconds, "us", few.microseconds, f"{few.workers} workers", 1.5 * few.microseconds)
    yield Figure("loads a job, simulated", many.loads / many.jobs, "", few.loads / few.jobs, f"{few.workers} workers")
    yield Figure("time in which jobs run, simulated", many.utilisation * 100, "%", few.utilisation * 100, "few workers")


def measured(base: Path) -> Iterator[Figure]:
    (base / "custom_nodes").mkdir()
    (base / "custom_nodes" / "measuring").symlink_to(PACK)
    (base / "models" / "checkpoints").mkdir(parents=True)
    for number in range(MODELS):
        (base / "models" / "checkpoints" / f"model-{number}.safetensors").write_bytes(b"model")
    with ray() as address, site(base, address) as fleet:
        alone = 0.0
        for count in COUNTS:
            fleet.grow(count)
            rate = fleet.rate(EACH * count)
            if count == COUNTS[0]:
                alone = rate
                yield Figure(
                    "jobs of one second, 1 worker", rate, "/s", 1000 / SLEEP_MS, "no dispatch at all", 0.95, True
                )
                yield Figure("dispatch, from a run's begin to its first step's", fleet.dispatch(), "ms", bound=5.0)
                yield Figure("a worker's pause between two jobs", fleet.gap(), "ms")
            else:
                name, bound = f"jobs of one second, {count} workers", 0.95 * count * alone
                yield Figure(name, rate, "/s", count * alone, f"{count} times one worker", bound, True)
        fleet.shrink(AFFINE_WORKERS)
        loads = fleet.loads()
        yield Figure("loads of the most loaded of 4 models, 200 jobs", max(loads.values()), "", bound=2)


@contextmanager
def ray() -> Iterator[str]:
    """The address of a Ray that ends with the context."""
    os.environ["RAY_AUTH_MODE"] = "disabled"
    with tempfile.TemporaryDirectory(dir="/tmp", prefix="ray") as folder, warnings.catch_warnings():
        os.environ["RAY_TMPDIR"] = folder
        warnings.simplefilter("ignore")
        from ray.cluster_utils import Cluster

        arguments = {"num_cpus": 0, "include_dashboard": False, "gcs_server_port": free_port()}
        cluster = Cluster(initialize_head=True, head_node_args=arguments)
        try:
            yield str(cluster.address)
        finally:
            cluster.shutdown()


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as opened:
        return int(opened.getsockname()[1])


@contextmanager
def site(base: Path, address: str) -> Iterator[_Fleet]:
    command = ["serve", "--port", str(free_port()), "--base-directory", str(base), "--cpu", "--verbose", "WARNING"]
    command += ["--cluster", address, "--cluster-home", "never"]
    with server([sys.executable, "-m", "limner.cli", *command]) as ours:
        fleet = _Fleet(base, address, ours)
        try:
            yield fleet
        finally:
            fleet.shrink(0)


class _Fleet:
    def __init__(self, base: Path, address: str, ours: Measured) -> None:
        self._base, self._address, self._ours = base, address, ours
        self._workers: list[subprocess.Popen[bytes]] = []
        self._number = 0

    def grow(self, count: int) -> None:
        """To so many workers."""
        while len(self._workers) < count:
            name = f"worker-{len(self._workers)}"
            command = [sys.executable, "-m", "limner.cli", "worker", "--address", self._address, "--name", name]
            quiet = subprocess.DEVNULL
            self._workers.append(
                subprocess.Popen([*command, "--base-directory", str(self._base), "--cpu"], stdout=quiet, stderr=quiet)
            )
        self._until_ready(count)
        self.rate(4 * count, ms=20)  # the first step of a host takes longer

    def shrink(self, count: int) -> None:
        while len(self._workers) > count:
            worker = self._workers.pop()
            worker.terminate()
            worker.wait(60)
        self._until_ready(count)

    def _until_ready(self, count: int) -> None:
        end = time.monotonic() + PATIENCE
        while sum(worker["state"] == "ready" for worker in self._ask("/workers")) != count:
            if time.monotonic() > end:
                raise TimeoutError(f"there are not {count} workers")
            time.sleep(0.1)

    def rate(self, jobs: int, ms: int = SLEEP_MS) -> float:
        """Jobs a second, by the clock of those that slept: from the first one's start to the last one's end."""
        self._forget()
        self._hold()
        for _ in range(jobs):
            self._number += 1
            sleep = {"class_type": "FleetSleep", "inputs": {"number": self._number, "ms": ms}}
            self._post({"1": sleep, "2": {"class_type": "PreviewAny", "inputs": {"source": ["1", 0]}}})
        self._let_go()
        slept = [(float(words[2]), float(words[3])) for words in self._lines("sleep")]
        return len(slept) / (max(end for _, end in slept) - min(begin for begin, _ in slept))

    def gap(self) -> float:
        """Milliseconds from the end of a job to the begin of the next one at the same worker, in the median."""
        by_worker: defaultdict[str, list[tuple[float, float]]] = defaultdict(list)
        for words in self._lines("sleep"):
            by_worker[words[5]].append((float(words[2]), float(words[3])))
        gaps = [
            after[0] - before[1]
            for slept in map(sorted, by_worker.values())
            for before, after in itertools.pairwise(slept)
        ]
        return statistics.median(gaps) * 1e3

    def dispatch(self) -> float:
        """Milliseconds from a run's begin at the server to that of its first step at the worker, in the median."""
        begun = {int(words[1]): float(words[4]) * 1e3 for words in self._lines("sleep")}
        found = []
        for entry in self._ask(f"/history?max_items={len(begun)}").values():
            number = entry["prompt"][2]["1"]["inputs"]["number"]
            told = dict(entry["status"]["messages"])
            if number in begun:
                found.append(begun[number] - told["execution_start"]["timestamp"])
        return float(statistics.median(found))

    def loads(self) -> Counter[str]:
        """How often each model was loaded, in jobs that ask for them at random."""
        self._forget()
        chance = random.Random(1)
        self._hold()
        for number in range(AFFINE_JOBS):
            model = f"model-{chance.randrange(MODELS)}.safetensors"
            use = {"model": ["1", 0], "number": number, "ms": USE_MS}
            self._post(
                {
                    "1": {"class_type": "FleetLoad", "inputs": {"name": model}},
                    "2": {"class_type": "FleetUse", "inputs": use},
                    "3": {"class_type": "PreviewAny", "inputs": {"source": ["2", 0]}},
                }
            )
        self._let_go()
        return Counter(words[1] for words in self._lines("load"))

    def _hold(self) -> None:
        self._ask("/queue/pause", {})

    def _let_go(self) -> None:
        """Let the jobs run, and wait for their end."""
        self._ask("/queue/resume", {})
        while self._ask("/prompt")["exec_info"]["queue_remaining"]:
            time.sleep(0.25)

    def _post(self, prompt: Mapping[str, Any]) -> None:
        self._ask("/prompt", {"prompt": prompt})

    def _ask(self, path: str, body: object = None) -> Any:
        data = None if body is None else json.dumps(body).encode()
        request = Request(self._ours.url + path, data, {"Content-Type": "application/json"})
        with urlopen(request, timeout=PATIENCE) as answer:
            return json.loads(answer.read() or b"null")

    def _forget(self) -> None:
        (self._base / "times.txt").unlink(missing_ok=True)

    def _lines(self, kind: str) -> list[list[str]]:
        lines = (self._base / "times.txt").read_text().splitlines()
        return [words for words in map(str.split, lines) if words[0] == kind]
