"""How often someone may ask: a bucket for each, that holds a minute's worth and fills again at an even pace."""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Callable

MOST_KEYS = 10_000


class Rate:
    """At most `limit` in `seconds`, counted by key. 0 is no limit."""

    def __init__(self, limit: int, seconds: float = 60.0, clock: Callable[[], float] = time.monotonic) -> None:
        self._limit, self._seconds, self._clock = limit, seconds, clock
        self._buckets: OrderedDict[str, tuple[float, float]] = OrderedDict()

    def wait(self, key: str, take: int = 1) -> float:
        """Take so many; 0.0, or with nothing taken the seconds until there are enough. `take=0` only looks."""
        if not self._limit:
            return 0.0
        now, pace = self._clock(), self._limit / self._seconds
        left, then = self._buckets.get(key, (float(self._limit), now))
        left = min(float(self._limit), left + (now - then) * pace)
        needed = max(1, take)
        if left < needed:
            return (needed - left) / pace
        if take:
            self._buckets[key] = (left - take, now)
            self._buckets.move_to_end(key)
            while len(self._buckets) > MOST_KEYS:
                self._buckets.popitem(last=False)
        return 0.0
