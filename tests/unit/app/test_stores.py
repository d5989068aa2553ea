"""What a server of a port keeps, and what it does with what it finds."""

from __future__ import annotations

from contextlib import AsyncExitStack
from pathlib import Path

import pytest

from limner.app.listening import CannotServe
from limner.app.stores import stores
from limner.queue import MemoryQueue, NewJob
from limner.runs import Entry
from limner.settings import resolve

FIXTURES = Path(__file__).parents[2] / "fixtures" / "databases"


async def test_each_port_has_its_own(tmp_path: Path) -> None:
    async with AsyncExitStack() as closing:
        for port in (1, 2):
            kept = await stores(resolve({"base_directory": str(tmp_path), "port": port}, {}), closing)
            await kept.queue.add(NewJob(str(port), {}, ()))
            await kept.history.record(Entry(f"run {port}", 0.0, {}, (), {}, None, "done"))
    async with AsyncExitStack() as closing:
        kept = await stores(resolve({"base_directory": str(tmp_path), "port": 2}, {}), closing)
        assert [job.id for job in kept.queue.waiting()] == ["2"]
        assert [entry.id for entry in kept.history.entries()] == ["run 2"]


async def test_a_port_taken_by_chance_keeps_nothing(tmp_path: Path) -> None:
    async with AsyncExitStack() as closing:
        kept = await stores(resolve({"base_directory": str(tmp_path), "port": 0}, {}), closing)
        assert type(kept.queue) is MemoryQueue
    assert not (tmp_path / "user").exists()


async def test_two_servers_of_a_port_do_not_share_a_queue(tmp_path: Path) -> None:
    settings = resolve({"base_directory": str(tmp_path), "port": 1}, {})
    async with AsyncExitStack() as closing:
        await stores(settings, closing)
        with pytest.raises(CannotServe, match="another server"):
            await stores(settings, closing)


async def test_the_queue_of_an_earlier_version_goes_on(tmp_path: Path) -> None:
    import sqlite3

    folder = tmp_path / "user" / "limner"
    folder.mkdir(parents=True)
    with sqlite3.connect(folder / "queue-1.sqlite") as file:
        file.executescript((FIXTURES / "server-2.sql").read_text("utf-8"))
    file.close()
    async with AsyncExitStack() as closing:
        kept = await stores(resolve({"base_directory": str(tmp_path), "port": 1}, {}), closing)
        assert {job.id for job in (*kept.queue.waiting(), *kept.queue.paused())} == {"plain", "lost", "front"}
    assert sorted(path.name for path in folder.glob("*.sqlite")) == ["server-1.sqlite"]


async def test_a_damaged_history_is_put_aside_and_the_queue_goes_on(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    settings = resolve({"base_directory": str(tmp_path), "port": 1}, {})
    async with AsyncExitStack() as closing:
        kept = await stores(settings, closing)
        await kept.queue.add(NewJob("waits", {}, ()))
        for number in range(100):
            await kept.history.record(Entry(f"run {number}", 0.0, {"1": "x" * 500}, (), {}, None, "done"))
    path = tmp_path / "user" / "limner" / "server-1.sqlite"
    data = bytearray(path.read_bytes())
    leaf = next(
        start for start in range(0, len(data), 4096) if data[start] == 13 and b"xxxx" in data[start : start + 4096]
    )
    data[leaf : leaf + 4096] = bytes(4096)
    path.write_bytes(data)
    async with AsyncExitStack() as closing:
        kept = await stores(settings, closing)
        assert [job.id for job in kept.queue.waiting()] == ["waits"]
        assert 80 < len(kept.history) < 100
    assert "was damaged, and is kept as" in caplog.text and "rows of runs could not be read" in caplog.text


async def test_a_queue_that_cannot_be_read_stops_the_start(tmp_path: Path) -> None:
    folder = tmp_path / "user" / "limner"
    folder.mkdir(parents=True)
    (folder / "server-1.sqlite").write_bytes(b"no database " * 1000)
    async with AsyncExitStack() as closing:
        with pytest.raises(CannotServe, match=r"server-1\.sqlite.*limner restore"):
            await stores(resolve({"base_directory": str(tmp_path), "port": 1}, {}), closing)
    assert (folder / "server-1.sqlite").read_bytes().startswith(b"no database")
