"""The runs that have ended, oldest first, the oldest being dropped beyond a limit."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence
from typing import Protocol

from .entry import Entry

LIMIT = 10_000


class History(Protocol):
    """Remembers runs that have ended.

    Where an `owner` is named, only runs of that one are looked at; None is for all. What is not there for an owner
    cannot be told from what is not there at all. A durable history raises `limner.database.DatabaseProblem` where it
    cannot be read, or cannot be changed at somebody's wish.
    """

    async def record(self, entry: Entry) -> bool:
        """Remember a run; an entry of the same id is replaced. Whether it is where this history keeps its entries.

        Never raises for a disk that refuses: the entry is in memory then, and written as soon as that is possible.
        """
        ...

    def get(self, run: str, owner: str | None = None) -> Entry | None: ...

    def entries(self, limit: int | None = None, offset: int | None = None, owner: str | None = None) -> Sequence[Entry]:
        """Oldest first. `limit` alone gives the latest ones; with `offset`, those from that position on."""
        ...

    async def delete(self, run: str, owner: str | None = None) -> bool:
        """Whether there was such a run."""
        ...

    async def clear(self, owner: str | None = None) -> None: ...

    def count(self, owner: str | None = None) -> int: ...

    def __len__(self) -> int: ...

    async def close(self) -> None: ...


def window(count: int, limit: int | None, offset: int | None) -> tuple[int, int]:
    """First and one past the last position of what is asked for."""
    latest = 0 if limit is None else max(0, count - limit)
    first = latest if offset is None or offset < 0 else min(offset, count)
    return first, count if limit is None else min(count, first + max(0, limit))


class MemoryHistory:
    """A history that goes with the process."""

    def __init__(self, limit: int = LIMIT) -> None:
        self._limit = limit
        self._entries: OrderedDict[str, Entry] = OrderedDict()

    async def record(self, entry: Entry) -> bool:
        self._entries.pop(entry.id, None)
        self._entries[entry.id] = entry
        while len(self._entries) > self._limit:
            self._entries.popitem(last=False)
        return True

    def get(self, run: str, owner: str | None = None) -> Entry | None:
        entry = self._entries.get(run)
        return entry if entry is not None and owner in (None, entry.owner) else None

    def entries(self, limit: int | None = None, offset: int | None = None, owner: str | None = None) -> Sequence[Entry]:
        found = [entry for entry in self._entries.values() if owner in (None, entry.owner)]
        first, end = window(len(found), limit, offset)
        return found[first:end]

    async def delete(self, run: str, owner: str | None = None) -> bool:
        return self.get(run, owner) is not None and self._entries.pop(run, None) is not None

    async def clear(self, owner: str | None = None) -> None:
        for entry in self.entries(owner=owner):
            del self._entries[entry.id]

    def count(self, owner: str | None = None) -> int:
        return sum(owner in (None, entry.owner) for entry in self._entries.values())

    def __len__(self) -> int:
        return len(self._entries)

    async def close(self) -> None:
        """Nothing to close."""
