"""Which result to give up first: the one that is cheapest to make again for each byte that it holds.

GreedyDual-Size (Cao and Irani, "Cost-Aware WWW Proxy Caching Algorithms", 1997): an entry's worth is `clock + cost /
size` at its last use, and the clock goes up to the worth of what is evicted, so that what is not used for long goes in
the end however dear it was. Among equals the least recently used goes first.
"""

from __future__ import annotations

from heapq import heapify, heappop, heappush
from itertools import count

LEAST_COST = 1e-4
"""Seconds that any step costs."""
SPARE = 64


class Worths:
    """A queue of entries by their worth.

    Uses are only noted until the least is asked for: the clock stands still meanwhile. So a use costs next to nothing
    as long as nothing is evicted, and O(log entries) else.
    """

    def __init__(self) -> None:
        self._clock = 0.0
        self._counter = count()
        self._uses: dict[str, tuple[float, int]] = {}
        """Seconds and bytes of what was used since the least was asked for."""
        self._heap: list[tuple[float, int, str]] = []
        self._current: dict[str, tuple[float, int]] = {}

    def use(self, name: str, seconds: float, size: int) -> None:
        """The entry is used now: it took so long to make, and holds so many bytes."""
        self._uses.pop(name, None)
        self._uses[name] = seconds, size

    def drop(self, name: str) -> None:
        """It is not for eviction any more."""
        self._uses.pop(name, None)
        self._current.pop(name, None)

    def _settle(self) -> None:
        for name, (seconds, size) in self._uses.items():
            stamp = self._clock + max(seconds, LEAST_COST) / max(size, 1), next(self._counter)
            self._current[name] = stamp
            heappush(self._heap, (*stamp, name))
        self._uses.clear()
        if len(self._heap) > 2 * len(self._current) + SPARE:
            self._heap = [(*stamp, name) for name, stamp in self._current.items()]
            heapify(self._heap)

    def least(self) -> str:
        """Take out the entry of the least worth. Raises IndexError when there is none."""
        if self._uses:
            self._settle()
        while True:
            worth, number, name = heappop(self._heap)
            if self._current.get(name) == (worth, number):
                del self._current[name]
                self._clock = worth
                return name
