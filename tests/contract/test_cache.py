"""What every cache does."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from limner.engine.ports import Cache
from limner.engine.values import DISK, Handle, Values
from limner.stores import DiskCache, MemoryCache, TieredCache
from limner.stores.journal import Journal


@pytest.fixture(params=["memory", "tiered"])
def cache(request: pytest.FixtureRequest, tmp_path: Path) -> Cache:
    memory = MemoryCache()
    return memory if request.param == "memory" else TieredCache(memory, DiskCache(tmp_path))


class Shelved:
    """A disk cache whose values a host writes as they are put."""

    def __init__(self, folder: Path) -> None:
        self.journal = Journal(folder / "jobs", folder / "shared", pause=0)
        self.cache = DiskCache(folder / "jobs", folder / "shared")
        self.journal.open("job")

    def put(self, name: str) -> None:
        self.journal.record("job", name, [[name]], values(name), bound=False)
        self.journal.flush()
        self.cache.put(name, values(name))
        self.cache.hold("look", [])
        self.cache.let_go("look")


@pytest.fixture
def shelved(tmp_path: Path) -> Iterator[Shelved]:
    shelved = Shelved(tmp_path)
    yield shelved
    shelved.journal.close()


def values(name: str, size: int = 1, place: str = "here") -> Values:
    return Values((Handle(name, 0, place, size),))


def test_what_was_put_is_there(cache: Cache) -> None:
    assert cache.get("a") is None
    assert list(cache.put("a", values("a"))) == []
    assert cache.get("a") == values("a")


def test_a_lost_place_takes_its_values_along(cache: Cache) -> None:
    cache.put("a", values("a"))
    cache.put("b", values("b", place="there"))
    cache.hold("run", ["b"])
    cache.forget("there")
    assert (cache.get("a"), cache.get("b")) == (values("a"), None)


def test_clearing_spares_what_is_held(cache: Cache) -> None:
    cache.hold("run", ["a", "c"])
    for name in "abc":
        cache.put(name, values(name))
    assert list(cache.clear()) == ["b"]
    assert cache.get("a") is not None
    cache.let_go("run")
    assert sorted(cache.clear()) == ["a", "c"]


def test_two_runs_may_hold_the_same(cache: Cache) -> None:
    cache.put("a", values("a"))
    cache.hold("one", ["a"])
    cache.hold("two", ["a"])
    cache.let_go("one")
    assert list(cache.clear()) == []
    cache.let_go("two")
    cache.let_go("two")
    assert list(cache.clear()) == ["a"]


def test_the_disk_outlives_hosts_and_has_its_own_place(shelved: Shelved) -> None:
    shelved.put("a")
    shelved.cache.forget("here")
    found = shelved.cache.get("a")
    assert found == replace(values("a"), handles=(Handle("a", 0, DISK, 1),))


def test_clearing_the_disk_spares_what_is_held(shelved: Shelved) -> None:
    for name in "ab":
        shelved.put(name)
    shelved.cache.hold("run", ["a"])
    assert list(shelved.cache.clear()) == []
    assert (shelved.cache.get("a") is None, shelved.cache.get("b") is None) == (False, True)
    shelved.cache.let_go("run")
    shelved.cache.clear()
    assert shelved.cache.get("a") is None


def test_memory_comes_first(shelved: Shelved) -> None:
    shelved.put("a")
    cache = TieredCache(MemoryCache(), shelved.cache)
    cache.put("a", values("a"))
    assert cache.get("a") == values("a")
    cache.forget("here")
    assert [handle.place for handle in (cache.get("a") or values("a")).handles] == [DISK]


def test_memory_does_not_remember_what_is_on_the_disk() -> None:
    memory = MemoryCache()
    cache = TieredCache(memory, MemoryCache())
    cache.put("b", Values((Handle("a", 0, DISK),)))
    assert memory.get("b") is None
