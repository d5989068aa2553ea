"""What every history does."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest

from limner.database import Database
from limner.runs import Entry, History, MemoryHistory, Note, SqliteHistory


@pytest.fixture(params=["memory", "sqlite"])
async def history(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[History]:
    if request.param == "memory":
        yield MemoryHistory(5)
        return
    database = Database(tmp_path / "server.sqlite", "server")
    made = SqliteHistory(database, 5)
    yield made
    await made.close()
    database.close()


def entry(name: str) -> Entry:
    return Entry(
        id=name,
        number=3.0,
        prompt={"1": {"class_type": "A", "inputs": {"seed": 2**64 - 1, "link": ["2", 0]}}},
        targets=("1",),
        extra={"extra_pnginfo": {"workflow": {}}},
        client=None,
        status="done",
        outputs={"1": {"images": [{"filename": "a.png"}]}},
        shown_on={"1.1": "1"},
        notes=(Note("started", 1000), Note("cached", 1001, {"nodes": ["1"]})),
        started=1.5,
        finished=2.5,
    )


def ids(entries: object) -> list[str]:
    return [item.id for item in entries]  # type: ignore[attr-defined]


async def test_an_entry_comes_back_as_it_was(history: History) -> None:
    await history.record(entry("a"))
    assert history.get("a") == entry("a")
    assert history.get("b") is None


async def test_the_oldest_go_beyond_the_limit(history: History) -> None:
    for name in "abcdefg":
        await history.record(entry(name))
    assert ids(history.entries()) == ["c", "d", "e", "f", "g"]
    assert len(history) == 5


@pytest.mark.parametrize(
    ("limit", "offset", "expected"),
    [(None, None, "abcd"), (2, None, "cd"), (2, -1, "cd"), (2, 0, "ab"), (2, 3, "d"), (None, 2, "cd"), (9, 9, "")],
)
async def test_windows(history: History, limit: int | None, offset: int | None, expected: str) -> None:
    for name in "abcd":
        await history.record(entry(name))
    assert ids(history.entries(limit, offset)) == list(expected)


async def test_deleting_and_clearing(history: History) -> None:
    for name in "abc":
        await history.record(entry(name))
    assert await history.delete("b")
    assert not await history.delete("b")
    assert ids(history.entries()) == ["a", "c"]
    await history.clear()
    assert (len(history), list(history.entries())) == (0, [])


async def test_a_run_that_is_recorded_again_is_the_latest(history: History) -> None:
    for name in "aba":
        await history.record(entry(name))
    assert ids(history.entries()) == ["b", "a"]
    assert len(history) == 2


async def test_each_owner_sees_the_own_runs(history: History) -> None:
    for name, owner in (("a", "ann"), ("b", "bob"), ("c", "ann")):
        await history.record(replace(entry(name), owner=owner))
    assert ids(history.entries(owner="ann")) == ["a", "c"]
    assert ids(history.entries(1, owner="ann")) == ["c"]
    assert ids(history.entries(1, 0, owner="ann")) == ["a"]
    assert (history.count("ann"), history.count("bob"), history.count("carl"), history.count()) == (2, 1, 0, 3)
    assert history.get("a", "bob") is None and history.get("a", "ann") is not None
    assert not await history.delete("a", "bob")
    await history.clear("bob")
    assert ids(history.entries()) == ["a", "c"]


async def test_numbers_of_any_size_come_back(history: History) -> None:
    large = replace(entry("a"), prompt={"1": {"class_type": "A", "inputs": {"seed": 2**70, "text": "snow \u2603"}}})
    await history.record(large)
    assert history.get("a") == large
