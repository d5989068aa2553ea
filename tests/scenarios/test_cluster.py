"""Jobs on workers that have joined by `limner worker`: as a user has them, with real processes and a real Ray."""

from __future__ import annotations

import signal
import subprocess
import sys
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


def test_a_job_that_no_worker_can_run_says_why(site: Site, tmp_path: Path) -> None:
    site.close()
    site.add("bare", base=tmp_path)
    with site.server() as server:
        until_ready(server, "bare")
        assert post(server.url, shaded(100, 0), "refused")
        entry = until(lambda: call(f"{server.url}/history/refused").get("refused"), "the job's end")
        assert entry["status"]["status_str"] == "error"
        told = dict(entry["status"]["messages"])["execution_error"]["exception_message"]
        assert "bare: it has no node type FleetDraw, FleetShade" in told
        assert "limner worker" in told
        assert "cannot run" in (site.base / "server.log").read_text()


@pytest.mark.parametrize(
    ("arguments", "problem"),
    [
        (("worker", "--address", "127.0.0.1:1"), "nobody answers at 127.0.0.1:1"),
        (("worker", "--address", "nonsense"), "'nonsense' is no address"),
        (("worker", "--address", "ray://127.0.0.1:10001"), "is for servers"),
        (("serve", "--port", "0", "--cluster", "127.0.0.1:1"), "nobody answers at 127.0.0.1:1"),
        (("serve", "--port", "0", "--cluster", "ray://127.0.0.1:1"), "nobody answers at ray://127.0.0.1:1"),
    ],
)
def test_an_address_where_there_is_no_ray(tmp_path: Path, arguments: tuple[str, ...], problem: str) -> None:
    command = [sys.executable, "-m", "limner.cli", *arguments, "--base-directory", str(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 2
    assert problem in " ".join(done.stderr.split())
    assert "Traceback" not in done.stderr
