"""A server with workers, each in processes of its own, over a Ray of the test's."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from http.client import HTTPException
from pathlib import Path
from typing import Any
from urllib.error import HTTPError
from urllib.request import Request, urlopen

import psutil

from tests.support.live_server import LiveServer, live_server

PACK = Path(__file__).parents[1] / "fixtures" / "packs_fleet" / "fleet"
WAIT_SECONDS = 120.0


def until(true: Callable[[], object], what: str, seconds: float = WAIT_SECONDS) -> Any:
    """Wait for it; gives what it gave."""
    end = time.monotonic() + seconds
    while not (found := true()):
        assert time.monotonic() < end, f"waited {seconds:.0f} s for {what}"
        time.sleep(0.05)
    return found


def call(url: str, body: object = None, method: str | None = None) -> Any:
    data = None if body is None else json.dumps(body).encode()
    request = Request(url, data, {"Content-Type": "application/json"}, method=method)
    with urlopen(request, timeout=30) as answer:
        return json.loads(answer.read() or b"null")


class Worker:
    """`limner worker`, as a user starts it. `prefix` stands before the command."""

    def __init__(
        self, address: str, base: Path, name: str, *flags: str, prefix: Sequence[str] = (), **variables: str
    ) -> None:
        self.name, self.log = name, base / f"worker-{name}.log"
        command = [*prefix, sys.executable, "-m", "limner.cli", "worker", "--address", address, "--name", name, "--cpu"]
        kept = {key: value for key, value in os.environ.items() if not key.startswith("LIMNER_")}
        self._out = self.log.open("ab")
        self.process = subprocess.Popen(
            [*command, "--base-directory", str(base), *flags],
            stdout=self._out,
            stderr=subprocess.STDOUT,
            env={**kept, **variables},
        )

    def hosts(self) -> list[psutil.Process]:
        """The host processes of the worker, and the agent before them, by what they were started with."""
        found = []
        for process in psutil.process_iter():
            try:
                words = " ".join(process.cmdline())
            except psutil.Error:
                continue
            if "limner.app.host" in words and f"workers/{self.name}" in words:
                found.append(process)
        return found

    def agent(self) -> psutil.Process:
        parent = self.hosts()[0].parent()
        assert parent is not None
        return parent

    def end(self, sign: int = signal.SIGTERM, seconds: float = 30.0) -> int:
        if self.process.poll() is None:
            self.process.send_signal(sign)
        try:
            return self.process.wait(seconds)
        except subprocess.TimeoutExpired:
            self.process.kill()
            return self.process.wait()
        finally:
            self._out.close()


class Site:
    """A base directory with the pack, a Ray at `address`, and what runs there."""

    def __init__(self, base: Path, address: str) -> None:
        self.base, self.address = base, address
        (base / "custom_nodes").mkdir(parents=True, exist_ok=True)
        if not (base / "custom_nodes" / "fleet").exists():
            shutil.copytree(PACK, base / "custom_nodes" / "fleet")
        self.workers: dict[str, Worker] = {}

    @contextmanager
    def server(self, *flags: str) -> Iterator[LiveServer]:
        cluster = ("--cluster", self.address)
        home = () if "--cluster-home" in flags else ("--cluster-home", "never")
        with live_server(self.base, *cluster, *home, *flags) as server:
            yield server

    def add(self, *names: str, base: Path | None = None, prefix: Sequence[str] = (), **variables: str) -> None:
        for name in names:
            self.workers[name] = Worker(self.address, base or self.base, name, prefix=prefix, **variables)

    def close(self) -> None:
        for worker in self.workers.values():
            if worker.process.poll() is None:
                worker.process.send_signal(signal.SIGINT)
        for worker in self.workers.values():
            worker.end()
        self.workers.clear()

    def witnessed(self) -> Counter[str]:
        """How often each step ran."""
        path = self.base / "witness.txt"
        lines = path.read_text().splitlines() if path.exists() else []
        return Counter(line.split()[0] for line in lines)


def states(server: LiveServer) -> Mapping[str, str]:
    return {worker["name"]: worker["state"] for worker in call(f"{server.url}/workers")}


def until_ready(server: LiveServer, *names: str) -> None:
    until(lambda: all(states(server).get(name) == "ready" for name in names), f"workers {names}")


def shaded(number: int, ms: int, size: int = 8) -> dict[str, Any]:
    """Two steps and a picture, all of this number alone."""
    return {
        "draw": {"class_type": "FleetDraw", "inputs": {"number": number, "ms": ms, "size": size}},
        "shade": {"class_type": "FleetShade", "inputs": {"image": ["draw", 0], "number": number, "ms": ms}},
        "save": {
            "class_type": "SaveImage",
            "inputs": {"images": ["shade", 0], "filename_prefix": f"job-{number:04}"},
        },
    }


def post(url: str, prompt: Mapping[str, Any], name: str) -> bool:
    """Whether the job was acknowledged."""
    try:
        return bool(call(f"{url}/prompt", {"prompt": prompt, "prompt_id": name})["prompt_id"] == name)
    except HTTPError as error:
        raise AssertionError(error.read().decode()) from error
    except (OSError, HTTPException, ValueError):
        return False


def until_done(url: str, seconds: float = WAIT_SECONDS) -> None:
    def empty() -> bool:
        try:
            return not call(f"{url}/prompt")["exec_info"]["queue_remaining"]
        except (OSError, HTTPException, ValueError):
            return False

    until(empty, "the end of the queue", seconds)
