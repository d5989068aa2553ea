"""Workers killed, cut off, stopped and slowed, and the server killed, at random while hundreds of jobs run.

None is lost, none runs twice to its output, and what was finished is not done again where it survives.
"""

from __future__ import annotations

import os
import random
import signal
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import psutil
import pytest

pytest.importorskip("ray")

from tests.conftest import free_port
from tests.support.fleet import (
    Site,
    call,
    post,
    shaded,
    until_done,
    until_ready,
)

JOBS = 500
WORKERS = ("w1", "w2", "w3")


@pytest.fixture
def site(tmp_path: Path, ray_address: str) -> Iterator[Site]:
    site = Site(tmp_path, ray_address)
    yield site
    site.close()


def test_500_jobs_survive_what_befalls_workers_and_server(site: Site) -> None:
    seed = random.randrange(2**32)
    print(f"seed {seed}")
    chance, port = random.Random(seed), free_port()
    site.add(*WORKERS)
    lives = ExitStack()
    with lives:
        server = lives.enter_context(site.server("--port", str(port)))
        for number in range(JOBS):
            assert post(server.url, shaded(number, 15), f"job-{number:04}")
        until_ready(server, *WORKERS)
        faults = [kill_agent, kill_host, freeze, slow, kill_agent, kill_host, freeze]
        chance.shuffle(faults)
        for number, fault in enumerate(faults):
            fault(site, chance.choice(WORKERS), chance)
            time.sleep(chance.uniform(0.5, 3.0))
            if number in (2, 5):
                os.kill(server.pid, signal.SIGKILL)
                lives.close()
                server = lives.enter_context(site.server("--port", str(port)))
        until_done(server.url, 400)
        history = call(f"{server.url}/history?max_items={2 * JOBS}")
        check(site, history)
    # At most what was under way, on three workers and in the server's tails, when one of them died.
    again = sum(count - 1 for count in site.witnessed().values())
    assert again <= (len(faults) + 2) * len(WORKERS) * 4, "finished steps were done again"


def check(site: Site, history: dict[str, object]) -> None:
    assert set(history) == {f"job-{number:04}" for number in range(JOBS)}, "a job is lost"
    ended = {name: entry["status"]["status_str"] for name, entry in history.items()}  # type: ignore[index]
    assert set(ended.values()) == {"success"}, {name: end for name, end in ended.items() if end != "success"}
    files = sorted(path.name for path in (site.base / "output").glob("*.png"))
    assert files == [f"job-{number:04}_00001_.png" for number in range(JOBS)], "a job ran twice to its output"


def kill_agent(site: Site, name: str, chance: random.Random) -> None:
    if site.workers[name].hosts():
        site.workers[name].agent().kill()


def kill_host(site: Site, name: str, chance: random.Random) -> None:
    for host in site.workers[name].hosts():
        host.kill()


def freeze(site: Site, name: str, chance: random.Random) -> None:
    """Nothing is heard of the worker for a while."""
    found = [*site.workers[name].hosts()]
    if found:
        agent = site.workers[name].agent()
        stopped = [agent, *found]
        for process in stopped:
            process.suspend()
        time.sleep(chance.choice((2.0, 13.0)))
        for process in stopped:
            try:
                process.resume()
            except psutil.NoSuchProcess:
                continue


def slow(site: Site, name: str, chance: random.Random) -> None:
    """Most of the time it stands still."""
    for _ in range(40):
        for host in site.workers[name].hosts():
            try:
                host.suspend()
                time.sleep(0.09)
                host.resume()
            except psutil.NoSuchProcess:
                continue
        time.sleep(0.01)


def test_the_fleet_rolls(site: Site) -> None:
    """Workers end by SIGTERM, one after the other, and others take their places, while jobs run."""
    site.add("old-1", "old-2")
    with site.server() as server:
        for number in range(60):
            assert post(server.url, shaded(number, 50), f"job-{number:04}")
        until_ready(server, "old-1", "old-2")
        for number in (1, 2):
            site.add(f"new-{number}")
            until_ready(server, f"new-{number}")
            assert site.workers[f"old-{number}"].end(signal.SIGTERM) == 0
        until_done(server.url)
        history = call(f"{server.url}/history")
        assert {entry["status"]["status_str"] for entry in history.values()} == {"success"}
        assert len(history) == 60
        assert set(site.witnessed().values()) == {1}, "no step was done twice"
