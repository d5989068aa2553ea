"""The cache that settings describe."""

from __future__ import annotations

from pathlib import Path

import pytest

from limner.app.caching import memory_cache
from limner.engine.values import Handle, Values
from limner.settings import resolve


@pytest.mark.parametrize(
    ("flags", "kept"),
    [
        ({}, "abc"),
        ({"cache_lru": 2}, "bc"),
        ({"cache_none": True}, ""),
        ({"cache_classic": True}, "c"),
        ({"cache_memory": "5KB"}, "c"),
        ({"cache_ram": "1000000"}, ""),
    ],
)
def test_what_is_kept_after_three_runs(flags: dict[str, object], kept: str, tmp_path: Path) -> None:
    cache = memory_cache(resolve(flags, {}, tmp_path))
    for name in "abc":
        cache.hold(name, [name])
        cache.put(name, Values((Handle(name, 0, "here", 3000),)))
        cache.let_go(name)
    assert "".join(name for name in "abc" if cache.get(name) is not None) == kept
