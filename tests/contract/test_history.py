"""What every history does."""

from __future__ import annotations

from pathlib import Path

import pytest

from limner.runs import Entry, History, MemoryHistory, Note, SqliteHistory


@pytest.fixture(params=["memory", "sqlite"])
def history(request: pytest.FixtureRequest, tmp_path: Path):  # type: ignore[no-untyped-def]
    made: History = MemoryHistory(5) if request.param == "memory" else SqliteHistory(tmp_path / "history.db", 5)
    yield made
    made.close()


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


def test_an_entry_comes_back_as_it_was(history: History) -> None:
    history.record(entry("a"))
    assert history.get("a") == entry("a")
    assert history.get("b") is None


def test_the_oldest_go_beyond_the_limit(history: History) -> None:
    for name in "abcdefg":
        history.record(entry(name))
    assert ids(history.entries()) == ["c", "d", "e", "f", "g"]
    assert len(history) == 5


@pytest.mark.parametrize(
    ("limit", "offset", "expected"),
    [(None, None, "abcd"), (2, None, "cd"), (2, -1, "cd"), (2, 0, "ab"), (2, 3, "d"), (None, 2, "cd"), (9, 9, "")],
)
def test_windows(history: History, limit: int | None, offset: int | None, expected: str) -> None:
    for name in "abcd":
        history.record(entry(name))
    assert ids(history.entries(limit, offset)) == list(expected)


def test_deleting_and_clearing(history: History) -> None:
    for name in "abc":
        history.record(entry(name))
    assert history.delete("b")
    assert not history.delete("b")
    assert ids(history.entries()) == ["a", "c"]
    history.clear()
    assert (len(history), list(history.entries())) == (0, [])


def test_a_run_that_is_recorded_again_is_the_latest(history: History) -> None:
    for name in "aba":
        history.record(entry(name))
    assert ids(history.entries()) == ["b", "a"]
    assert len(history) == 2


def test_a_file_keeps_its_entries(tmp_path: Path) -> None:
    first = SqliteHistory(tmp_path / "history.db")
    first.record(entry("a"))
    first.close()
    again = SqliteHistory(tmp_path / "history.db")
    assert again.get("a") == entry("a")
    assert len(again) == 1
    again.close()


def test_a_broken_file_is_put_aside(tmp_path: Path) -> None:
    path = tmp_path / "history.db"
    path.write_bytes(b"no database at all" * 100)
    history = SqliteHistory(path)
    history.record(entry("a"))
    assert history.get("a") == entry("a")
    assert (tmp_path / "history.db.broken").exists()
    history.close()


def test_an_entry_that_cannot_be_read_is_left_out(tmp_path: Path) -> None:
    history = SqliteHistory(tmp_path / "history.db")
    history.record(entry("a"))
    history.record(entry("b"))
    history._file.execute("UPDATE runs SET entry = '{' WHERE id = 'a'")
    assert history.get("a") is None
    assert ids(history.entries()) == ["b"]
    history.close()


def test_a_full_disk_loses_the_entry_and_nothing_else(tmp_path: Path) -> None:
    history = SqliteHistory(tmp_path / "history.db")
    history.record(entry("a"))
    history._file.execute("PRAGMA query_only = ON")
    history.record(entry("b"))
    assert ids(history.entries()) == ["a"]
    assert len(history) == 1
    history.close()
