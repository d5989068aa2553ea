"""Fair shares: whose job comes next.

Each owner has had so many seconds of the fleet. Of equal priority, the one comes first who has had the least; who is
new, or comes back, begins with the least that any of those has who wait now: nobody saves up, and nobody pays for long.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from heapq import heappop, heappush

from limner.queue.job import Place


class Shares:
    """What owners have had of the fleet."""

    def __init__(self) -> None:
        self._used: dict[str, float] = {}

    def took(self, owner: str, seconds: float) -> None:
        """A job of the owner's has run for so long."""
        self._used[owner] = self._used.get(owner, min(self._used.values(), default=0.0)) + seconds

    def fair(self, heads: Mapping[str, Iterator[Place]], seconds: float) -> Iterator[Place]:
        """The jobs of each owner in one fair order: higher priorities first, then who has had the least.

        Each is counted as if it took so many `seconds`.
        """
        self._welcome(heads)
        heap: list[tuple[int, float, tuple[int, float, int, str], str, Place]] = []

        def push(owner: str, used: float) -> None:
            place = next(heads[owner], None)
            if place is not None:
                heappush(heap, (-place.priority, used, place.rank, owner, place))

        for owner in heads:
            push(owner, self._used[owner])
        while heap:
            _, used, _, owner, place = heappop(heap)
            yield place
            push(owner, used + seconds)

    def _welcome(self, heads: Mapping[str, Iterator[Place]]) -> None:
        """Only those are told apart who wait: the others begin anew when they come back."""
        known = {owner: used for owner, used in self._used.items() if owner in heads}
        least = min(known.values(), default=0.0)
        self._used = {owner: known.get(owner, least) for owner in heads}
