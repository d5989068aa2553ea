"""A damaged database gives back what is whole, or is left as it is."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from limner.database import Database, DatabaseDamaged, damaged, moved, salvage
from limner.queue import NewJob, SqliteQueue
from limner.runs import Entry, SqliteHistory

PAGE = 4096
WHOLE = ("places", "works", "counter")


@pytest.fixture
async def path(tmp_path: Path) -> Path:
    """A database with forty jobs and four hundred runs, closed."""
    database = Database(tmp_path / "server.sqlite", "server")
    queue, history = SqliteQueue(database), SqliteHistory(database)
    for number in range(40):
        await queue.add(NewJob(f"job {number}", {"1": {"text": "work " * 100}}, ("1",)))
    for number in range(400):
        shown = {"9": {"images": [{"filename": f"{number}.png"}]}}
        await history.record(Entry(f"run {number}", 1.0, {"1": {"text": "entry " * 50}}, (), {}, None, "done", shown))
    database.close()
    return tmp_path / "server.sqlite"


def pages(path: Path, mark: bytes) -> list[int]:
    """The leaves of a table, by what stands in their rows."""
    data = path.read_bytes()
    found = [start for start in range(0, len(data), PAGE) if data[start] == 13 and mark in data[start : start + PAGE]]
    assert len(found) > 3
    return found


def spoil(path: Path, starts: list[int]) -> None:
    data = bytearray(path.read_bytes())
    for start in starts:
        data[start : start + PAGE] = b"\xaa" * PAGE
    path.write_bytes(data)


def read(path: Path, statement: str) -> list[tuple[object, ...]]:
    with closing(sqlite3.connect(path)) as file:
        return file.execute(statement).fetchall()


def test_a_whole_database_is_not_damaged(path: Path, tmp_path: Path) -> None:
    assert not damaged(path)
    assert not damaged(tmp_path / "nothing.sqlite")


def test_damaged_entries_are_left_out_and_everything_else_is_kept(path: Path) -> None:
    leaves = pages(path, b"entry entry")
    spoil(path, [leaves[len(leaves) // 2]])
    assert damaged(path)
    done = salvage(path, "server", WHOLE)
    assert done.lost == ("runs",) and done.aside.name.startswith("server.damaged-") and done.aside.exists()
    assert not damaged(path) and damaged(done.aside)
    found = {str(row[0]) for row in read(path, "SELECT id FROM runs")}
    assert 300 < len(found) < 400 and {"run 0", "run 399"} <= found, "read from both ends"
    assert read(path, "SELECT count(*) FROM places JOIN works USING (arrival)") == [(40,)]
    assert read(path, "SELECT count(*) FROM outputs") == [(len(found),)], "outputs of lost runs go with them"
    assert read(path, "SELECT name FROM sqlite_master WHERE type = 'trigger'") == [("run_leaves_the_queue",)]
    database = Database(path, "server")
    assert [job.id for job in SqliteQueue(database).waiting()] == [f"job {number}" for number in range(40)]
    database.close()


@pytest.mark.parametrize("mark", [b"work work"])
def test_without_the_whole_queue_nothing_is_done(path: Path, mark: bytes) -> None:
    spoil(path, pages(path, mark)[1:2])
    before = path.read_bytes()
    with pytest.raises(DatabaseDamaged, match=r"damaged where it holds places.*limner restore"):
        salvage(path, "server", WHOLE)
    assert path.read_bytes() == before and sorted(path.parent.glob("*.sqlite")) == [path]


@pytest.mark.parametrize("content", [b"no database " * 1000, b"SQLite format 3\0" + b"\xaa" * 8000])
def test_what_is_no_database_any_more_is_left_alone(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "server.sqlite"
    path.write_bytes(content)
    assert damaged(path)
    with pytest.raises(DatabaseDamaged, match="limner restore"):
        salvage(path, "server", WHOLE)
    assert path.read_bytes() == content and sorted(tmp_path.glob("*.sqlite")) == [path]


def test_a_damaged_index_costs_nothing(path: Path) -> None:
    root = read(path, "SELECT rootpage FROM sqlite_master WHERE name = 'runs_of_owner'")[0][0]
    spoil(path, [(int(str(root)) - 1) * PAGE])
    assert damaged(path)
    assert salvage(path, "server", WHOLE).lost == ()
    assert read(path, "SELECT count(*) FROM runs") == [(400,)]


def test_a_salvage_that_was_killed_is_finished(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    spoil(path, pages(path, b"entry entry")[1:2])
    calls: list[Path] = []

    def dies(old: Path, new: Path) -> None:
        if calls:
            raise KeyboardInterrupt
        calls.append(new)
        moved(old, new)

    monkeypatch.setattr("limner.database.mending.moved", dies)
    with pytest.raises(KeyboardInterrupt):
        salvage(path, "server", WHOLE)
    monkeypatch.undo()
    assert not path.exists()
    assert not damaged(path)
    assert read(path, "SELECT count(*) FROM places") == [(40,)]
