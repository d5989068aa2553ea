"""Results in a store, seen by two machines."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from limner.engine.values import DISK, Handle, Values
from limner.stores import stored
from limner.stores.disk import DiskCache
from limner.stores.journal import Journal
from limner.stores.stored import StoredShelf


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stored, "LOOK", 0.02)


def step(name: str, content: bytes) -> tuple[Values, str, list[bytes | memoryview]]:
    return Values((Handle(name, 0, "host", len(content), 1),), None, 2.0), name, [content]


def until(true: Callable[[], object]) -> None:
    for _ in range(500):
        if true():
            return
        threading.Event().wait(0.02)
    pytest.fail("it never came to be")


def shelves(tmp_path: Path) -> tuple[StoredShelf, StoredShelf]:
    address = f"file://{tmp_path / 'store'}"
    return StoredShelf(tmp_path / "one", address), StoredShelf(tmp_path / "two", address)


def knows(shelf: StoredShelf, name: str) -> bool:
    shelf.refresh()
    return shelf.find(name) is not None


def test_what_one_machine_wrote_the_other_reads(tmp_path: Path) -> None:
    one, two = shelves(tmp_path)
    one.write([step("a", b"first"), step("b", b"second")])
    until(lambda: knows(two, "b"))
    assert list((tmp_path / "two").rglob("*.pack")) == [], "only its index was read"
    found = two.find("a")
    assert found is not None and found.values.handles[0].place == DISK
    assert two.read("a") == b"first"
    assert two.read("b") == b"second"
    (path,) = (tmp_path / "two").rglob("*.pack")
    two.refresh()
    assert two.packs[path].size == path.stat().st_size


def test_another_process_of_the_machine_has_fetched_it(tmp_path: Path) -> None:
    one, two = shelves(tmp_path)
    beside = StoredShelf(tmp_path / "two", f"file://{tmp_path / 'store'}")
    one.write([step("a", b"first")])
    until(lambda: knows(two, "a") and knows(beside, "a"))
    assert beside.size == stored.UNFETCHED
    assert two.read("a") == b"first"
    beside.refresh(again=True)
    assert beside.size > stored.UNFETCHED
    assert beside.read("a") == b"first"


def test_what_is_in_the_store_stays_known_when_all_is_looked_at_again(tmp_path: Path) -> None:
    one, two = shelves(tmp_path)
    one.write([step("a", b"first")])
    until(lambda: knows(two, "a"))
    two.refresh(again=True)
    assert two.read("a") == b"first"


def test_a_pack_that_is_gone_from_the_store_is_nothing(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    one, two = shelves(tmp_path)
    one.write([step("a", b"first")])
    until(lambda: knows(two, "a"))
    for path in (tmp_path / "store").rglob("*.pack"):
        path.unlink()
    with caplog.at_level(logging.WARNING):
        assert two.read("a") is None
    assert "results are not shared" in caplog.text


def test_a_damaged_pack_is_nothing(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    one, two = shelves(tmp_path)
    one.write([step("a", b"first")])
    one.flush()
    (path,) = (tmp_path / "store").rglob("*.pack")
    path.write_bytes(path.read_bytes()[:-2])
    third = StoredShelf(tmp_path / "three", f"file://{tmp_path / 'store'}")
    until(lambda: "cannot be used" in caplog.text or "cut off" in caplog.text)
    assert not knows(third, "a")
    del two


def test_a_store_that_is_none_costs_nothing_else(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    shelf = StoredShelf(tmp_path / "one", "nonsense://somewhere")
    shelf.write([step("a", b"first")])
    shelf.flush()
    assert shelf.read("a") == b"first"
    assert caplog.text.count("results are not shared") == 1


def test_a_host_writes_and_another_machines_server_knows(tmp_path: Path) -> None:
    address = f"file://{tmp_path / 'store'}"
    journal = Journal(tmp_path / "jobs-1", StoredShelf(tmp_path / "one", address), pause=0.0)
    journal.open("job")
    journal.record("job", "f" * 32, [[1, "text"]], Values((Handle("f" * 32, 0, "h", 9, 2),), None, 1.0), bound=False)
    server = DiskCache(tmp_path / "jobs-2", StoredShelf(tmp_path / "two", address), 10**6)

    def known() -> object:
        server.hold("other", ["f" * 32])
        return server.get("f" * 32)

    until(known)
    reader = Journal(tmp_path / "jobs-2", StoredShelf(tmp_path / "two", address), pause=0.0)
    reader.open("other")
    until(lambda: reader.find("f" * 32) == [[1, "text"]])
