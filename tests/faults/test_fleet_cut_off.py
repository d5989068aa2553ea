"""A worker on another machine, as far as the network sees it, whose cable is pulled."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

pytest.importorskip("ray")

from tests.support.fleet import Site, call, post, shaded, states, until, until_done, until_ready
from tests.support.live_server import LiveServer


@pytest.fixture
def site(tmp_path: Path, ray_address: str) -> Iterator[Site]:
    site = Site(tmp_path, ray_address)
    yield site
    site.close()


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
