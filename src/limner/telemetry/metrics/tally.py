"""Counting without locks: plain numbers that one thread changes, and copies that any thread may read.

`Bounded` keeps labels few: the first so many names are themselves, all later ones `other`.
"""

from __future__ import annotations

import math
from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass

OTHER = "other"


class Bounded:
    """Names that may be labels."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._known: set[str] = set()

    def __call__(self, name: str) -> str:
        """The name, or `other` for a new one where there are enough."""
        if name in self._known:
            return name
        if len(self._known) >= self._most:
            return OTHER
        self._known.add(name)
        return name


@dataclass(frozen=True, slots=True)
class Counts:
    """A distribution at one moment: how many values were at most each bound, and above the last, and their sum."""

    bounds: Sequence[float]
    counts: Sequence[int]
    sum: float

    def buckets(self) -> list[tuple[str, float]]:
        """Cumulated, as Prometheus has them: (upper bound, how many were at most that)."""
        found, total = [], 0
        for bound, count in zip((*self.bounds, math.inf), self.counts, strict=True):
            total += count
            found.append(("+Inf" if bound == math.inf else repr(float(bound)), float(total)))
        return found


class Distribution:
    """Values counted into buckets; `bounds` are their upper ends, ascending."""

    __slots__ = ("_bounds", "_counts", "_sum")

    def __init__(self, bounds: Sequence[float]) -> None:
        self._bounds = bounds
        self._counts = [0] * (len(bounds) + 1)
        self._sum = 0.0

    def add(self, value: float) -> None:
        self._counts[bisect_left(self._bounds, value)] += 1
        self._sum += value

    def copy(self) -> Counts:
        return Counts(self._bounds, tuple(self._counts), self._sum)
