"""Nodes that raise, hang, kill their host, fork, print without end, expand without end.

Each is queued between two jobs that are in order: it fails by name, and they do not notice.
"""

from __future__ import annotations

import json
import shutil
import threading
import time
import urllib.request
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.support.live_server import LiveServer, live_server

PACKS = Path(__file__).resolve().parents[1] / "fixtures" / "packs"


@dataclass(frozen=True)
class Case:
    """What the error says, and the words of its remedy."""

    says: tuple[str, ...]
    kind: str = ""


CASES = {
    "FaultyRaises": Case(("cannot take 5",), "ValueError"),
    "FaultyTooFew": Case(("returned 0 values", "1 outputs")),
    "FaultyNoTuple": Case(("returned a str",)),
    "FaultyNoList": Case(("which is a list output",)),
    "FaultyForks": Case(("host", "SIGKILL"), "HostLost"),
    "FaultyExits": Case(("host", "status 7"), "HostLost"),
    "FaultyQuits": Case(("enough",), "SystemExit"),
    "FaultyLeaks": Case(("memory",), "MemoryError"),
    "FaultyIsKilled": Case(("SIGKILL", "memory may have been full"), "HostLost"),
    "FaultyCrashes": Case(("SIGSEGV",), "HostLost"),
    "FaultyNeverEnds": Case(("never ends",), "EndlessExpansion"),
    "FaultyCircles": Case(("cycle",), "DependencyCycle"),
    "FaultyLinksToNothing": Case(("no such node", "does not exist"), "BrokenLink"),
    "FaultyUsesUnknown": Case(("NoSuchNode",), "UnknownNodeType"),
}


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveServer]:
    base = tmp_path_factory.mktemp("base")
    shutil.copytree(PACKS / "faulty", base / "custom_nodes" / "faulty")
    with live_server(base) as running:
        yield running


def job(kind: str, n: int = 5) -> dict[str, Any]:
    return {
        "bad": {"class_type": kind, "inputs": {"n": n}},
        "show": {"class_type": "FaultyShow", "inputs": {"n": ["bad", 0]}},
    }


def queue(url: str, prompt: dict[str, Any]) -> str:
    run = str(uuid.uuid4())
    ask(url, "/prompt", {"prompt": prompt, "prompt_id": run})
    return run


def ask(url: str, path: str, body: dict[str, Any] | None = None) -> Any:
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(url + path, data, {"Content-Type": "application/json"})
    with urllib.request.urlopen(request, timeout=60) as answer:
        return json.loads(answer.read() or b"null")


def entry(url: str, run: str, seconds: float = 120) -> dict[str, Any]:
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        found = ask(url, f"/history/{run}")
        if run in found:
            return dict(found[run])
        time.sleep(0.02)
    raise AssertionError(f"run {run} did not end")


def error(found: dict[str, Any]) -> dict[str, Any]:
    return next(data for kind, data in found["status"]["messages"] if kind == "execution_error")


@pytest.mark.parametrize("kind", CASES)
def test_the_job_fails_by_name_and_the_others_go_on(server: LiveServer, kind: str) -> None:
    case, url = CASES[kind], server.url
    number = len(kind) * 1000
    runs = [queue(url, each) for each in (job("FaultyPasses", number), job(kind), job("FaultyPasses", number + 1))]
    before, bad, after = (entry(url, run) for run in runs)
    told = error(bad)
    assert told["node_id"] == "bad"
    assert told["node_type"] in (kind, "FaultyPasses", "NoSuchNode")
    for word in case.says:
        assert word in told["exception_message"], told["exception_message"]
    assert case.kind in told["exception_type"]
    assert before["outputs"] == {"show": {"value": [number]}}
    assert after["outputs"] == {"show": {"value": [number + 1]}}


@pytest.mark.parametrize("kind", ["FaultyHangs", "FaultySpins"])
def test_a_node_that_hangs_can_be_interrupted(server: LiveServer, kind: str) -> None:
    url = server.url
    bad, after = queue(url, job(kind)), queue(url, job("FaultyPasses", 77))
    threading.Timer(0.5, lambda: ask(url, "/interrupt", {})).start()
    kinds = [message for message, _ in entry(url, bad)["status"]["messages"]]
    assert kinds[-1] == "execution_interrupted"
    assert entry(url, after)["outputs"] == {"show": {"value": [77]}}


def test_a_node_that_prints_megabytes_is_no_trouble(server: LiveServer) -> None:
    url = server.url
    run = queue(url, job("FaultyPrints", 3))
    slowest = 0.0
    while run not in ask(url, f"/history/{run}"):
        began = time.monotonic()
        ask(url, "/queue")
        slowest = max(slowest, time.monotonic() - began)
    assert entry(url, run)["outputs"] == {"show": {"value": [3]}}
    assert slowest < 30, "the server answers meanwhile"
    log = (server.base / "server.log").read_text()
    assert len(log) < 5_000_000
    assert "lines left out" in log


def test_a_node_that_forks_runs_once(server: LiveServer) -> None:
    url = server.url
    assert entry(url, queue(url, job("FaultyForksAndReturns", 8)))["outputs"] == {"show": {"value": [8]}}
    assert entry(url, queue(url, job("FaultyPasses", 9)))["outputs"] == {"show": {"value": [9]}}
