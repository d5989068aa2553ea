"""A database that is full, read-only, locked or damaged: what the server says, and that nothing is lost."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, closing
from pathlib import Path
from typing import Any

import pytest

import limner.database.files
import limner.runs.sqlite
from limner.database import Database
from limner.queue import SqliteQueue
from limner.runs import SqliteHistory
from tests.support.in_process import Serving, chain, serving

PATIENCE = 20.0
Trouble = Callable[[Database], Any]


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limner.database.files, "BUSY_SECONDS", 0.1)
    monkeypatch.setattr(limner.runs.sqlite, "RETRY_SECONDS", 0.02)


@asynccontextmanager
async def durable(base: Path) -> AsyncIterator[tuple[Serving, Database]]:
    database = Database(base / "server.sqlite", "server")
    try:
        async with serving(base, database=database) as served:
            yield served, database
    finally:
        database.close()


def pragma(text: str) -> Trouble:
    return lambda database: database._writer._file.execute(f"PRAGMA {text}")


def locked(database: Database) -> sqlite3.Connection:
    other = sqlite3.connect(database.path, isolation_level=None)
    other.execute("BEGIN EXCLUSIVE")
    return other


def unlocked(database: Database, other: sqlite3.Connection) -> None:
    other.close()


TROUBLES: dict[str, tuple[Trouble, Callable[[Database, Any], Any], int, str]] = {
    "full": (pragma("max_page_count = 1"), lambda d, _: pragma("max_page_count = 1000000")(d), 507, "disk_full"),
    "read-only": (pragma("query_only = ON"), lambda d, _: pragma("query_only = OFF")(d), 507, "disk_read_only"),
    "locked": (locked, unlocked, 503, "database_locked"),
}


def large(value: int) -> dict[str, Any]:
    """A prompt that takes pages of its own."""
    return chain(value=value, kind="Number") | {
        "7": {"class_type": "Number", "inputs": {"value": 1, "x": "y" * 20_000}}
    }


async def running(served: Serving) -> None:
    async with asyncio.timeout(PATIENCE):
        while not served.services.queue.running():
            await asyncio.sleep(0.005)


@pytest.mark.parametrize("name", list(TROUBLES))
async def test_what_cannot_be_written_is_refused_and_the_rest_goes_on(name: str, tmp_path: Path) -> None:
    begin, end, status, code = TROUBLES[name]
    async with durable(tmp_path) as (served, database):
        long = await served.queue(chain("Wait"))
        waiting = await served.queue(chain(value=1))
        await running(served)
        held = begin(database)
        for path, body in (
            ("/prompt", {"prompt": large(2)}),
            *((("/queue/clear", {}), (f"/jobs/{waiting}/pause", {}), ("/queue/pause", {})) if name != "full" else ()),
        ):
            answer = await served.client.post(path, json=body)
            told = (await answer.json())["error"]
            assert (answer.status, told["type"]) == (status, code), path
            assert told["remedy"] and "Traceback" not in str(told)
            assert ("Retry-After" in answer.headers) is (status == 503)
        assert (await served.client.get("/queue")).status == 200
        assert (await served.client.get("/healthz")).status == 200
        await served.services.consumer.interrupt(long)
        await served.ended(long)
        await served.ended(waiting)
        listed = await (await served.client.get("/history")).json()
        assert list(listed) == [long, waiting], "how they ended is told, though it may not be written yet"
        end(database, held)
        later = await served.run(large(3))
        async with asyncio.timeout(PATIENCE):
            while database.rows("SELECT count(*) FROM runs") != [(3,)]:
                await asyncio.sleep(0.01)
    again = Database(tmp_path / "server.sqlite", "server")
    assert SqliteQueue(again).waiting() == ()
    assert {entry.id for entry in SqliteHistory(again).entries()} == {long, waiting, later}
    again.close()


async def test_a_job_whose_end_could_not_be_written_runs_again_after_a_crash(tmp_path: Path) -> None:
    async with durable(tmp_path) as (served, database):
        long = await served.queue(chain("Wait"))
        await running(served)
        pragma("query_only = ON")(database)
        await served.services.consumer.interrupt(long)
        await served.ended(long)
        copy = tmp_path / "crash.sqlite"
        with closing(sqlite3.connect(database.path)) as file, closing(sqlite3.connect(copy)) as target:
            file.backup(target)  # what a process that dies now leaves
        pragma("query_only = OFF")(database)
    again = Database(copy, "server")
    assert [job.id for job in SqliteQueue(again).waiting()] == [long]
    again.close()


async def test_damage_is_told_and_what_is_whole_goes_on(tmp_path: Path) -> None:
    async with durable(tmp_path) as (served, _):
        for value in range(30):
            await served.run(chain(value=value))
        await served.services.queue.hold()
        waiting = await served.queue(chain(value=50))
    path = tmp_path / "server.sqlite"
    damage(path, runs_pages(path))
    async with durable(tmp_path) as (served, _):
        answer = await served.client.get("/history")
        told = (await answer.json())["error"]
        assert (answer.status, told["type"]) == (503, "database_damaged") and "limner restore" in told["remedy"]
        queue = await (await served.client.get("/queue")).json()
        assert [job[1] for job in queue["queue_pending"]] == [waiting]
        assert (await served.client.get("/healthz")).status == 200


def runs_pages(path: Path) -> list[int]:
    """The pages that hold entries, found by what stands in them; without those of other tables."""
    data = path.read_bytes()
    pages = [data[start : start + 4096] for start in range(0, len(data), 4096)]
    return [number for number, page in enumerate(pages, 1) if page[0] == 13 and page.count(b'"shown_on"') > 1]


def damage(path: Path, pages: list[int]) -> None:
    data = bytearray(path.read_bytes())
    assert pages
    for page in pages:
        data[(page - 1) * 4096 : page * 4096] = b"\xaa" * 4096
    path.write_bytes(data)
