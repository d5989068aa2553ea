"""Whether the server is ready: its queue and its disks are looked at, not too often."""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import pytest

from limner.app import readiness
from limner.app.readiness import LEAST_FREE, Readiness
from limner.database import DatabaseProblem
from limner.queue import MemoryQueue


class Queue(MemoryQueue):
    """A queue whose disk may refuse."""

    def __init__(self) -> None:
        super().__init__()
        self.probes = 0
        self.refuses: Exception | None = None
        self.hangs = False

    async def probe(self) -> None:
        self.probes += 1
        if self.hangs:
            await asyncio.sleep(60)
        if self.refuses is not None:
            raise self.refuses


@pytest.fixture
def queue(monkeypatch: pytest.MonkeyPatch) -> Iterator[Queue]:
    monkeypatch.setattr(readiness, "GOOD_FOR", 0.0)
    yield Queue()


async def test_nothing_speaks_against_a_queue_and_disks_that_are_well(queue: Queue, tmp_path: Path) -> None:
    ready = Readiness(queue, {"output": tmp_path})
    assert await ready() == [] == ready.latest


async def test_a_queue_that_cannot_be_written_is_said_without_its_path(queue: Queue, tmp_path: Path) -> None:
    ready = Readiness(queue, {})
    queue.refuses = DatabaseProblem(f"{tmp_path}/queue.sqlite cannot be written", "make room")
    (said,) = await ready()
    assert "queue" in said and str(tmp_path) not in said
    queue.refuses = None
    assert await ready() == []


async def test_a_full_disk_and_one_that_is_gone_are_named_by_their_folder(
    queue: Queue, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = shutil.disk_usage

    def usage(path: Path) -> object:
        return SimpleNamespace(free=LEAST_FREE - 1) if path == tmp_path else real(path)

    monkeypatch.setattr(shutil, "disk_usage", usage)
    full, gone = await Readiness(queue, {"output": tmp_path, "temp": tmp_path / "none"})()
    assert "output" in full and "full" in full and "63 MB" in full
    assert "temp" in gone and str(tmp_path) not in full + gone


async def test_a_disk_that_hangs_is_waited_for_a_while(queue: Queue, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(readiness, "PATIENCE", 0.01)
    queue.hangs = True
    (said,) = await Readiness(queue, {})()
    assert "did not answer" in said


async def test_a_thousand_who_ask_at_once_are_one_look(queue: Queue, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(readiness, "GOOD_FOR", 60.0)
    ready = Readiness(queue, {})
    await asyncio.gather(*(ready() for _ in range(1000)))
    await ready()
    assert queue.probes == 1
