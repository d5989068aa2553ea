"""What a host writes down, and what another one finds."""

from __future__ import annotations

import errno
import logging
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from limner.engine.values import DISK, Handle, Values
from limner.stores import DiskCache
from limner.stores.journal import Journal
from limner.stores.packfile import SUFFIX
from limner.stores.shelf import Shelf


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "jobs"


@pytest.fixture
def journal(folder: Path) -> Iterator[Journal]:
    journal = Journal(folder, pause=0)
    yield journal
    journal.close()


def step(name: str, seconds: float = 1.0, size: int = 10) -> Values:
    return Values((Handle(name, 0, "host#1", size),), {"text": [name]}, seconds)


def note(journal: Journal, name: str, items: Sequence[object], key: str = "job") -> None:
    journal.open(key)
    journal.record(key, name, [items], step(name), bound=True)
    journal.flush()


def packs(folder: Path) -> list[Path]:
    return sorted(folder.rglob(f"*{SUFFIX}"))


def test_another_attempt_finds_what_was_written(journal: Journal, folder: Path) -> None:
    note(journal, "a", [1, "two"])
    later = Journal(folder)
    assert later.find("a") is None
    later.open("job")
    assert later.find("a") == [[1, "two"]]
    later.close()


def test_the_engine_knows_it_as_it_was(journal: Journal, folder: Path) -> None:
    note(journal, "a", [1])
    cache = DiskCache(folder)
    assert cache.get("a") is None
    cache.hold("job", ["a"])
    assert cache.get("a") == Values((Handle("a", 0, DISK, 10),), {"text": ["a"]}, 1.0)
    cache.let_go("job")
    assert cache.get("a") is None


def test_what_was_written_meanwhile_is_found_when_a_host_is_gone(journal: Journal, folder: Path) -> None:
    cache = DiskCache(folder)
    cache.hold("job", ["a"])
    note(journal, "a", [1])
    cache.forget("host#1")
    assert cache.get("a") is not None


def test_the_end_of_a_job_takes_all_along_but_for_one_that_goes_on(journal: Journal, folder: Path) -> None:
    note(journal, "a", [1])
    journal.close_job("job", keep=True)
    journal.flush()
    assert packs(folder)
    journal.close_job("job")
    journal.flush()
    assert not (folder / "job").exists()


def test_a_job_that_ends_at_once_writes_nothing(folder: Path) -> None:
    journal = Journal(folder, pause=0.2)
    journal.open("job")
    journal.record("job", "a", [[1]], step("a"), bound=True)
    journal.close_job("job")
    journal.flush()
    assert not folder.exists()
    journal.close()


def test_live_objects_are_passed_over(journal: Journal, folder: Path) -> None:
    note(journal, "a", [object()])
    assert packs(folder) == []


@pytest.mark.parametrize("damage", ["flip", "cut", "empty", "index", "other"])
def test_damaged_packs_are_dropped_with_a_warning(
    journal: Journal, folder: Path, damage: str, caplog: pytest.LogCaptureFixture
) -> None:
    note(journal, "a", ["value" * 100])
    (path,) = packs(folder)
    data = bytearray(path.read_bytes())
    if damage == "flip":
        data[-1] ^= 1
    elif damage == "index":
        data[40] ^= 1
    path.write_bytes({"cut": data[:-7], "empty": b"", "other": b"x" * 500}.get(damage, data))
    later = Journal(folder)
    later.open("job")
    with caplog.at_level(logging.WARNING):
        assert later.find("a") is None
    assert "will be made again" in caplog.text
    assert not path.exists()
    later.close()


def test_a_pack_that_vanishes_is_not_there(journal: Journal, folder: Path) -> None:
    note(journal, "a", [1])
    shelf = Shelf(folder / "job")
    shelf.refresh()
    packs(folder)[0].unlink()
    assert shelf.read("a") is None
    assert shelf.find("a") is None


def test_a_full_disk_is_told_once(
    journal: Journal, folder: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*arguments: object) -> int:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("limner.stores.shelf.write_pack", full)
    with caplog.at_level(logging.WARNING):
        for name in "abc":
            note(journal, name, [name])
    assert caplog.text.count("memory only") == 1
    assert packs(folder) == []


def test_a_decision_is_made_once_in_a_job(journal: Journal, folder: Path) -> None:
    assert journal.once("job", "name", lambda: {"counter": 5}) == ({"counter": 5}, False)
    assert journal.once("job", "name", lambda: {"counter": 6}) == ({"counter": 5}, True)
    assert Journal(folder).once("job", "name", lambda: 7) == ({"counter": 5}, True)
    assert journal.once("other", "name", lambda: 8) == (8, False)


def test_a_tape_goes_on(journal: Journal, folder: Path) -> None:
    tape = journal.tape("job", "x")
    assert list(tape.recorded()) == []
    tape.add([1, 2])
    tape.add("three")
    tape.close()
    tape = journal.tape("job", "x")
    assert list(tape.recorded()) == [[1, 2], "three"]
    tape.add(4)
    tape.finish()
    tape.close()
    assert list(journal.tape("job", "x").recorded()) == [[1, 2], "three"]


@pytest.mark.parametrize("cut", [1, 30])
def test_the_end_of_a_tape_that_was_cut_off_is_passed_over(journal: Journal, folder: Path, cut: int) -> None:
    tape = journal.tape("job", "x")
    for number in range(3):
        tape.add([number] * 10)
    tape.close()
    journal.flush()
    (path,) = (folder / "job").iterdir()
    path.write_bytes(path.read_bytes()[:-cut])
    tape = journal.tape("job", "x")
    assert list(tape.recorded()) == [[0] * 10, [1] * 10]
    tape.add("next")
    tape.close()
    assert list(journal.tape("job", "x").recorded())[2:] == ["next"]


def test_shared_results_have_a_budget(tmp_path: Path) -> None:
    shared = tmp_path / "shared"
    journal = Journal(tmp_path / "jobs", shared, pause=0)
    cache = DiskCache(tmp_path / "jobs", shared, budget=3000)
    journal.open("job")
    for name, seconds in (("dear", 9.0), ("held", 0.1), ("cheap", 0.2)):
        journal.record("job", name, [["x" * 1200]], step(name, seconds, 1200), bound=False)
        journal.flush()
    cache.hold("other", ["held"])
    assert all(cache.get(name) for name in ("dear", "held", "cheap"))
    cache.hold("third", [])
    cache.let_go("third")
    assert [name for name in ("dear", "held", "cheap") if cache.get(name)] == ["dear", "held"]
    assert cache.bytes <= 3000
    journal.close()


def test_what_is_bound_to_a_job_is_not_shared(tmp_path: Path) -> None:
    journal = Journal(tmp_path / "jobs", tmp_path / "shared", pause=0)
    journal.open("one")
    journal.record("one", "free", [[1]], step("free"), bound=False)
    journal.record("one", "bound", [[2]], step("bound"), bound=True)
    journal.flush()
    journal.close_job("one")
    journal.flush()
    cache = DiskCache(tmp_path / "jobs", tmp_path / "shared")
    cache.hold("two", ["free", "bound"])
    assert (cache.get("free") is None, cache.get("bound") is None) == (False, True)
    journal.close()
