"""Workers killed, cut off, stopped and slowed, and the server killed, at random while hundreds of jobs run.

None is lost, none runs twice to its output, and what was finished is not done again where it survives.
"""

from __future__ import annotations

import os
import random
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
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
    states,
    until,
    until_done,
    until_ready,
)
from tests.support.live_server import LiveServer

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


# A machine of its own, as far as the network sees it

HERE, THERE = "10.213.7.1", "10.213.7.2"


def ip(*words: str) -> None:
    subprocess.run(["ip", *words], check=True, capture_output=True)


@contextmanager
def other_machine() -> Iterator[str]:
    """The name of a network namespace that reaches this machine by a cable, `limner-v0`."""
    name = f"limner-{os.getpid()}"
    if shutil.which("ip") is None or os.geteuid() != 0:
        pytest.skip("network namespaces need root and iproute2")
    try:
        ip("netns", "add", name)
    except subprocess.CalledProcessError as error:
        pytest.skip(f"network namespaces are not allowed here: {error.stderr.decode()}")
    try:
        ip("link", "add", "limner-v0", "type", "veth", "peer", "name", "limner-v1")
        ip("link", "set", "limner-v1", "netns", name)
        ip("addr", "add", f"{HERE}/24", "dev", "limner-v0")
        ip("link", "set", "limner-v0", "up")
        for words in (
            ("addr", "add", f"{THERE}/24", "dev", "limner-v1"),
            ("link", "set", "limner-v1", "up"),
            ("link", "set", "lo", "up"),
            ("route", "add", "default", "via", HERE),
        ):
            ip("netns", "exec", name, "ip", *words)
        yield name
    finally:
        subprocess.run(["ip", "link", "del", "limner-v0"], check=False, capture_output=True)
        subprocess.run(["ip", "netns", "del", name], check=False, capture_output=True)


def there(namespace: str) -> tuple[str, ...]:
    """What makes a command one of the other machine's: its network, and a folder of Ray's of its own."""
    own = 'mount -t tmpfs tmpfs "$RAY_TMPDIR" && exec "$@"'
    return "ip", "netns", "exec", namespace, "sh", "-c", own, "sh"


def test_a_worker_on_another_machine_is_cut_off(site: Site) -> None:
    with other_machine() as namespace, site.server() as server:
        site.add("near")
        until_ready(server, "near")
        site.add("far", prefix=there(namespace))
        until_ready(server, "far")
        for number in range(40):
            assert post(server.url, shaded(number, 300, size=512), f"job-{number:04}")
        until(lambda: running_at(server, "far"), "a job on the other machine")
        time.sleep(1)
        ip("link", "set", "limner-v0", "down")
        until(lambda: states(server)["far"] == "lost", "the loss of the worker", 40)
        until_done(server.url)
        history = call(f"{server.url}/history")
        assert {entry["status"]["status_str"] for entry in history.values()} == {"success"}
        assert len(list((site.base / "output").glob("*.png"))) == 40
        ip("link", "set", "limner-v0", "up")
        site.workers["far"].end(signal.SIGINT)


def running_at(server: LiveServer, name: str) -> bool:
    return any(worker["name"] == name and worker["jobs"] for worker in call(f"{server.url}/workers"))
