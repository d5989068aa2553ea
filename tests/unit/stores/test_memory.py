"""The memory cache's budgets."""

from __future__ import annotations

from limner.engine.values import Handle, Values
from limner.stores import MemoryCache


def values(name: str, size: int = 10, *others: str) -> Values:
    return Values((Handle(name, 0, "here", size), *(Handle(other, 0, "here", 10) for other in others)))


def test_the_least_recently_used_goes_first() -> None:
    cache = MemoryCache(budget=30)
    for name in "abc":
        assert cache.put(name, values(name)) == []
    cache.get("a")
    assert cache.put("d", values("d")) == ["b"]
    assert cache.bytes == 30


def test_entries_may_be_limited_instead() -> None:
    cache = MemoryCache(entries=2)
    cache.put("a", values("a"))
    cache.put("b", values("b"))
    assert cache.put("c", values("c")) == ["a"]
    assert len(cache) == 2


def test_what_a_run_held_and_nobody_remembers_is_named() -> None:
    cache = MemoryCache()
    cache.hold("one", ["a", "b", "inner"])
    cache.hold("two", ["b"])
    cache.put("a", values("inner"))
    assert cache.let_go("one") == [], "a is remembered, b is held, and a refers to inner"
    assert cache.let_go("two") == ["b"]


def test_what_is_held_stays_and_goes_when_it_is_let_go() -> None:
    cache = MemoryCache(budget=15)
    cache.hold("run", ["a", "b", "c"])
    for name in "abc":
        assert cache.put(name, values(name)) == []
    assert cache.bytes == 30
    assert cache.let_go("run") == ["a", "b"]
    assert cache.get("c") is not None


def test_no_budget_keeps_nothing_beyond_the_run() -> None:
    cache = MemoryCache(budget=0, entries=0)
    cache.hold("run", ["a"])
    cache.put("a", values("a"))
    assert cache.get("a") is not None
    assert cache.let_go("run") == ["a"]


def test_a_value_that_another_entry_shares_is_not_released() -> None:
    cache = MemoryCache(entries=2)
    cache.put("inner", values("inner"))
    cache.put("outer", Values((Handle("inner", 0, "here", 10),)))
    assert cache.put("x", values("x")) == [], "the inner entry goes, but the outer one refers to its value"
    assert cache.get("inner") is None
    assert set(cache.put("y", values("y"))) == {"inner", "outer"}
    assert cache.bytes == 20


def test_putting_again_replaces() -> None:
    cache = MemoryCache(budget=100)
    cache.put("a", values("a", 10))
    assert cache.put("a", values("a", 50)) == []
    assert cache.bytes == 50


def test_parts_count_as_references() -> None:
    cache = MemoryCache(entries=1)
    cache.hold("run", ["p", "whole"])
    cache.put("p", values("p"))
    cache.put("whole", Values((Handle("whole", 0, "here", parts=(Handle("p", 0, "here", 10),)),)))
    assert cache.let_go("run") == []
    assert sorted(cache.clear()) == ["p", "whole"]


def test_what_is_cheapest_to_make_again_for_its_bytes_goes_first() -> None:
    cache = MemoryCache(budget=30)
    cache.put("dear", Values((Handle("dear", 0, "here", 10),), seconds=60.0))
    cache.put("cheap", Values((Handle("cheap", 0, "here", 10),), seconds=0.1))
    cache.put("small", Values((Handle("small", 0, "here", 1),), seconds=0.1))
    assert cache.put("new", Values((Handle("new", 0, "here", 10),), seconds=5.0)) == ["cheap"]


def test_what_was_dear_goes_in_the_end_if_nothing_uses_it() -> None:
    cache = MemoryCache(budget=20)
    cache.put("dear", Values((Handle("dear", 0, "here", 10),), seconds=3.0))
    gone = [name for n in range(20) for name in cache.put(f"{n}", Values((Handle(f"{n}", 0, "here", 10),), seconds=1))]
    assert "dear" in gone


def test_the_latest_run_alone_may_be_remembered() -> None:
    cache = MemoryCache(latest_only=True)
    for run, names in (("1", "ab"), ("2", "bc")):
        cache.hold(run, list(names))
        for name in names:
            cache.put(name, values(name))
        gone = cache.let_go(run)
    assert gone == ["a"]
    assert cache.get("b") is not None


def test_memory_is_left_to_the_machine() -> None:
    left = [100]
    cache = MemoryCache(headroom=50, available=lambda: left[0])
    cache.hold("run", "abcd")
    for name in "abcd":
        cache.put(name, values(name))
    left[0] = 35
    assert cache.let_go("run") == ["a", "b"], "15 bytes are missing, and each holds 10"


def test_entries_count_for_what_they_cost_themselves() -> None:
    cache = MemoryCache(budget=100, overhead=40)
    cache.put("a", values("a"))
    cache.put("b", values("b"))
    assert cache.bytes == 100
    assert cache.put("c", values("c")) == ["a"]
