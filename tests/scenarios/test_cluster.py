"""Jobs on workers that have joined by `limner worker`: as a user has them, with real processes and a real Ray."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

ray_cluster = pytest.importorskip("ray.cluster_utils")

from tests.support.fleet import Site, call, post, shaded, states, until, until_done, until_ready  # noqa: E402


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory, ray_address: str) -> Iterator[Site]:
    site = Site(tmp_path_factory.mktemp("cluster"), ray_address)
    yield site
    site.close()


def outputs(base: Path) -> set[str]:
    return {path.name for path in (base / "output").glob("*.png")}


def test_workers_join_and_run_what_is_queued(site: Site) -> None:
    site.add("one", "two")
    with site.server() as server:
        for number in range(8):
            assert post(server.url, shaded(number, 200), f"job-{number}")
        until_ready(server, "one", "two")
        until_done(server.url)
        history = call(f"{server.url}/history")
        assert {entry["status"]["status_str"] for entry in history.values()} == {"success"}
        assert outputs(site.base) == {f"job-{number:04}_00001_.png" for number in range(8)}
        lines = (site.base / "witness.txt").read_text().split()
        assert len(set(lines[1::2])) == 2, "both workers had a part"
        assert set(site.witnessed().values()) == {1}
        assert site.workers["one"].end(signal.SIGTERM) == 0
        until(lambda: states(server)["one"] in ("gone", "draining"), "the worker's leave")
