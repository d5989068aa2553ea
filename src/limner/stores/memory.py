"""Remembers results in memory's bounds.

Bounds, each of which may be absent: bytes (the sizes that handles tell, and what an entry costs by itself), entries,
and memory that the machine must have left (`headroom`). Over the bound of entries the least recently used goes first;
over one of bytes, what is cheapest to make again for each byte (see `worth`). With `latest_only`, what a run did not
use goes at its end.

What a run holds is never evicted, so a bound may be passed while runs last. Entries may share values (the result of an
expansion is that of a step inside): a fingerprint is evicted, and named for release, when no entry refers to its values
any more. What a run held and nobody remembers at its end (a step that is not to be kept, or that expanded in a run
which failed) is named then, as its host may hold something for it.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Collection, Iterator, Sequence

from limner.engine.values import Fingerprint, Handle, Values

from .worth import Worths

LARGE = 2**20
"""Bytes of a result from which on the memory that is left is looked at before the run's end."""


class MemoryCache:
    """`engine.ports.Cache` over dictionaries; every call is O(what it names)."""

    def __init__(
        self,
        budget: int | None = None,
        entries: int | None = None,
        *,
        overhead: int = 0,
        latest_only: bool = False,
        headroom: int = 0,
        available: Callable[[], int] | None = None,
    ) -> None:
        """`budget` in bytes, `entries` in results, `overhead` in bytes an entry.

        `headroom` is in bytes that the machine shall have left, as `available` tells.
        """
        self._budget = budget
        self._limit = entries
        self._overhead = overhead
        self._latest_only = latest_only
        self._headroom = headroom
        self._available = available
        self._worths = Worths()
        self._entries: OrderedDict[Fingerprint, Values] = OrderedDict()
        """What no run holds, least recently used first."""
        self._kept: dict[Fingerprint, Values] = {}
        """What runs hold."""
        self._holds: dict[str, dict[Fingerprint, None]] = {}
        self._holders: dict[Fingerprint, int] = {}
        self._references: dict[Fingerprint, int] = {}
        self._sizes: dict[Fingerprint, int] = {}
        self.bytes = 0
        """The size of all values that entries refer to."""

    def __len__(self) -> int:
        return len(self._entries) + len(self._kept)

    def get(self, fingerprint: Fingerprint) -> Values | None:
        found = self._kept.get(fingerprint)
        if found is None:
            found = self._entries.get(fingerprint)
            if found is not None:
                self._entries.move_to_end(fingerprint)
                self._worths.use(fingerprint, found.seconds, self._sizes[fingerprint])
        return found

    def put(self, fingerprint: Fingerprint, values: Values) -> Sequence[Fingerprint]:
        """Remember; returns the fingerprints whose values nothing refers to any more."""
        dropped = self._remove(fingerprint) if fingerprint in self._kept or fingerprint in self._entries else []
        for name in _named(fingerprint, values):
            self._references[name] = self._references.get(name, 0) + 1
        size = self._overhead
        for handle in values.handles:
            if handle.fingerprint == fingerprint:
                size += handle.size
        self.bytes += size - self._sizes.get(fingerprint, 0)
        self._sizes[fingerprint] = size
        if fingerprint in self._holders:
            self._kept[fingerprint] = values
        else:
            self._offer(fingerprint, values)
        freed = [name for name in dropped if name not in self._references]
        if self._over() or (self._headroom and size >= LARGE):
            freed.extend(self._shrink())
        return freed

    def hold(self, run: str, fingerprints: Sequence[Fingerprint]) -> None:
        mine = self._holds.setdefault(run, {})
        for fingerprint in fingerprints:
            if fingerprint in mine:
                continue
            mine[fingerprint] = None
            self._holders[fingerprint] = self._holders.get(fingerprint, 0) + 1
            if fingerprint in self._entries:
                self._kept[fingerprint] = self._entries.pop(fingerprint)
                self._worths.drop(fingerprint)

    def let_go(self, run: str) -> Sequence[Fingerprint]:
        used = self._holds.pop(run, {})
        dropped = self.clear() if self._latest_only and used else []
        for fingerprint in used:
            self._holders[fingerprint] -= 1
            if not self._holders[fingerprint]:
                del self._holders[fingerprint]
                if fingerprint in self._kept:
                    self._offer(fingerprint, self._kept.pop(fingerprint))
                elif fingerprint not in self._references:
                    dropped.append(fingerprint)
        return [*dropped, *self._shrink()]

    def _offer(self, fingerprint: Fingerprint, values: Values) -> None:
        """Let it be evicted when its turn comes."""
        self._entries[fingerprint] = values
        self._worths.use(fingerprint, values.seconds, self._sizes[fingerprint])

    def forget(self, place: str) -> None:
        for entries in (self._entries, self._kept):
            gone = [name for name, values in entries.items() if any(part.place == place for part in _leaves(values))]
            for fingerprint in gone:
                self._remove(fingerprint)

    def clear(self) -> list[Fingerprint]:
        dropped: list[Fingerprint] = []
        while self._entries:
            dropped.extend(self._remove(next(iter(self._entries))))
        return dropped

    def _shrink(self) -> list[Fingerprint]:
        """Evict what is over the bounds and not held."""
        dropped: list[Fingerprint] = []
        while self._entries and self._limit is not None and len(self) > self._limit:
            dropped.extend(self._remove(next(iter(self._entries))))
        if not self._entries or not (self._headroom or self._budget is not None):
            return dropped
        most = self.bytes if self._budget is None else self._budget
        if self._headroom and self._available is not None:
            most = min(most, self.bytes - (self._headroom - self._available()))
        while self._entries and self.bytes > most:
            dropped.extend(self._remove(self._worths.least()))
        return dropped

    def _over(self) -> bool:
        over_bytes = self._budget is not None and self.bytes > self._budget
        return over_bytes or (self._limit is not None and len(self) > self._limit)

    def _remove(self, fingerprint: Fingerprint) -> list[Fingerprint]:
        """Drop an entry; returns the fingerprints whose values nothing refers to any more."""
        values = self._entries.pop(fingerprint, None) or self._kept.pop(fingerprint)
        self._worths.drop(fingerprint)
        dropped = []
        for name in _named(fingerprint, values):
            self._references[name] -= 1
            if not self._references[name]:
                del self._references[name]
                self.bytes -= self._sizes.pop(name, 0)
                dropped.append(name)
        return dropped


def _leaves(values: Values) -> Iterator[Handle]:
    for handle in values.handles:
        if handle.parts:
            yield from handle.parts
        else:
            yield handle


def _named(fingerprint: Fingerprint, values: Values) -> Collection[Fingerprint]:
    """The steps whose values an entry refers to; always its own, so that it is released even without outputs."""
    for handle in values.handles:
        if handle.parts or handle.fingerprint != fingerprint:
            return {fingerprint, *(leaf.fingerprint for leaf in _leaves(values))}
    return (fingerprint,)
