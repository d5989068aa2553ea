"""The history on the disk: what it keeps, what it does when it cannot, and the queue that it shares a database with."""

from __future__ import annotations

import asyncio
import sqlite3
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

import limner.runs.sqlite
from limner.database import Database
from limner.queue import NewJob, SqliteQueue
from limner.runs import Entry, SqliteHistory, adopt_history

Open = Callable[[], Database]


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Open]:
    opened: list[Database] = []

    def again() -> Database:
        while opened:
            opened.pop().close()
        opened.append(Database(tmp_path / "server.sqlite", "server"))
        return opened[0]

    yield again
    while opened:
        opened.pop().close()


def entry(name: str, **values: object) -> Entry:
    shown = {"9": {"images": [{"filename": f"{name}.png", "subfolder": "s", "type": "output"}], "text": ["x"]}}
    made = Entry(name, 1.0, {"1": {}}, ("1",), {}, None, "done", outputs=shown, finished=time.time())
    return replace(made, **values)  # type: ignore[arg-type]


def ids(history: SqliteHistory) -> list[str]:
    return [found.id for found in history.entries()]


def refuse(database: Database, refused: bool) -> None:
    """Let the disk refuse what is written, or take it again."""
    database._writer._file.execute(f"PRAGMA query_only = {'ON' if refused else 'OFF'}")


async def test_entries_and_their_files_are_kept(database: Open) -> None:
    await SqliteHistory(database()).record(entry("a", owner="ann"))
    again = database()
    history = SqliteHistory(again)
    assert history.get("a", "ann") is not None
    assert again.rows("SELECT run, node, kind, folder, subfolder, filename FROM outputs") == [
        ("a", "9", "images", "output", "s", "a.png")
    ]
    await history.delete("a")
    assert again.rows("SELECT * FROM outputs") == []


async def test_what_has_ended_leaves_the_queue_in_the_same_moment(database: Open) -> None:
    opened = database()
    queue, history = SqliteQueue(opened), SqliteHistory(opened)
    for name in "ab":
        await queue.add(NewJob(name, {}, ()))
    await queue.take()
    assert await history.record(entry("a"))
    assert [job.id for job in SqliteQueue(database()).waiting()] == ["b"], "though the queue was never told"


async def test_an_end_that_cannot_be_written_is_known_and_written_later(
    database: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(limner.runs.sqlite, "RETRY_SECONDS", 0.01)
    opened = database()
    queue, history = SqliteQueue(opened), SqliteHistory(opened)
    await history.record(entry("a"))
    await queue.add(NewJob("b", {}, ()))
    await queue.take()
    refuse(opened, True)
    assert not await history.record(entry("b"))
    assert (ids(history), len(history)) == (["a", "b"], 2)
    assert history.get("b") is not None and history.get("b", "ann") is None
    assert [found.id for found in history.entries(1)] == ["b"]
    assert [found.id for found in history.entries(1, 0)] == ["a"]
    refuse(opened, False)
    async with asyncio.timeout(5):
        while opened.rows("SELECT id FROM runs") != [("a",), ("b",)]:
            await asyncio.sleep(0.01)
    assert opened.rows("SELECT id FROM places") == []
    assert (ids(history), len(history)) == (["a", "b"], 2)
    await history.close()


async def test_what_is_forgotten_before_it_is_written_does_not_come_back(
    database: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(limner.runs.sqlite, "RETRY_SECONDS", 0.05)
    opened = database()
    queue, history = SqliteQueue(opened), SqliteHistory(opened)
    for name in "ab":
        await queue.add(NewJob(name, {}, ()))
        await queue.take()
    refuse(opened, True)
    for name in "ab":
        assert not await history.record(entry(name))
    refuse(opened, False)
    assert await history.delete("a")
    await history.clear()
    await asyncio.sleep(0.15)
    assert (ids(history), opened.rows("SELECT id FROM places")) == ([], [])
    await history.close()


async def test_an_entry_that_cannot_be_read_is_left_out(database: Open) -> None:
    opened = database()
    history = SqliteHistory(opened)
    for name in "ab":
        await history.record(entry(name))
    await opened.write(lambda file: file.execute("UPDATE runs SET entry = '{' WHERE id = 'a'"))
    assert history.get("a") is None
    assert ids(history) == ["b"]


async def test_old_runs_go(database: Open) -> None:
    history = SqliteHistory(database(), limit=0, days=2)
    now = time.time()
    for name, days in (("a", 3.0), ("b", 2.5), ("c", 1.0), ("d", 0.0)):
        await history.record(entry(name, finished=now - days * 86400))
    assert ids(history) == ["c", "d"]


async def test_the_history_of_an_earlier_version_is_taken_over(tmp_path: Path, database: Open) -> None:
    earlier = tmp_path / "history-1.sqlite"
    with sqlite3.connect(earlier) as file:
        file.execute("CREATE TABLE runs (position INTEGER PRIMARY KEY, id TEXT NOT NULL UNIQUE, entry BLOB NOT NULL)")
        for name in ("a", "b"):
            content = f"""{{"id": "{name}", "number": 1.0, "prompt": {{}}, "targets": ["1"], "client": null,
                "extra": {{"limner_owner": "ann"}}, "status": "done", "finished": 5.0}}"""
            file.execute("INSERT INTO runs (id, entry) VALUES (?, ?)", (name, content.encode()))
        file.execute("INSERT INTO runs (id, entry) VALUES ('broken', x'7b')")
    file.close()
    opened = database()
    await SqliteQueue(opened).add(NewJob("b", {}, ()))
    adopt_history(opened._writer._file, earlier)
    history = SqliteHistory(opened)
    found = history.get("a", "ann")
    assert found is not None and (found.owner, found.finished, ids(history)) == ("ann", 5.0, ["a", "b"])
    assert opened.rows("SELECT id FROM places") == [], "what had ended is not run again"
    assert not earlier.exists() and (tmp_path / "history-1.sqlite.imported").exists()
    adopt_history(opened._writer._file, earlier)
