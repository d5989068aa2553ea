"""The runs that have ended, oldest first, the oldest being dropped beyond a limit."""

from __future__ import annotations

import logging
import sqlite3
from collections import OrderedDict
from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

import msgspec

from .entry import Entry

log = logging.getLogger(__name__)

LIMIT = 10_000


class History(Protocol):
    """Remembers runs that have ended."""

    def record(self, entry: Entry) -> None:
        """Remember a run; an entry of the same id is replaced."""
        ...

    def get(self, run: str) -> Entry | None: ...

    def entries(self, limit: int | None = None, offset: int | None = None) -> Sequence[Entry]:
        """Oldest first. `limit` alone gives the latest ones; with `offset`, those from that position on."""
        ...

    def delete(self, run: str) -> bool:
        """Whether there was such a run."""
        ...

    def clear(self) -> None: ...

    def __len__(self) -> int: ...

    def close(self) -> None: ...


def _window(count: int, limit: int | None, offset: int | None) -> tuple[int, int]:
    """First and one past the last position of what is asked for."""
    latest = 0 if limit is None else max(0, count - limit)
    first = latest if offset is None or offset < 0 else min(offset, count)
    return first, count if limit is None else min(count, first + max(0, limit))


class MemoryHistory:
    """A history that goes with the process."""

    def __init__(self, limit: int = LIMIT) -> None:
        self._limit = limit
        self._entries: OrderedDict[str, Entry] = OrderedDict()

    def record(self, entry: Entry) -> None:
        self._entries.pop(entry.id, None)
        self._entries[entry.id] = entry
        while len(self._entries) > self._limit:
            self._entries.popitem(last=False)

    def get(self, run: str) -> Entry | None:
        return self._entries.get(run)

    def entries(self, limit: int | None = None, offset: int | None = None) -> Sequence[Entry]:
        first, end = _window(len(self._entries), limit, offset)
        return list(self._entries.values())[first:end]

    def delete(self, run: str) -> bool:
        return self._entries.pop(run, None) is not None

    def clear(self) -> None:
        self._entries.clear()

    def __len__(self) -> int:
        return len(self._entries)

    def close(self) -> None:
        """Nothing to close."""


class SqliteHistory:
    """A history in a file. What cannot be written is logged and lost; a run never fails by it.

    A file that cannot be read is put aside as `*.broken` and a new one begun.
    """

    def __init__(self, path: Path, limit: int = LIMIT) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self._limit = limit
        self._path = path
        try:
            self._file = _opened(path)
        except sqlite3.DatabaseError as error:
            aside = path.with_name(f"{path.name}.broken")
            log.warning("the history %s cannot be read (%s); it is put aside as %s", path, error, aside.name)
            path.replace(aside)
            self._file = _opened(path)
        self._encoder = msgspec.json.Encoder(enc_hook=str)
        self._decoder = msgspec.json.Decoder(Entry)
        self._count = int(self._file.execute("SELECT count(*) FROM runs").fetchone()[0])

    def record(self, entry: Entry) -> None:
        try:
            content = self._encoder.encode(entry)
            self._file.execute("BEGIN")
            replaced = self._file.execute("DELETE FROM runs WHERE id = ?", (entry.id,)).rowcount
            self._file.execute("INSERT INTO runs (id, entry) VALUES (?, ?)", (entry.id, content))
            self._count += 1 - replaced
            self._trim()
            self._file.execute("COMMIT")
        except (sqlite3.Error, TypeError, ValueError, OverflowError) as error:
            if self._file.in_transaction:
                self._file.execute("ROLLBACK")
            self._count = int(self._file.execute("SELECT count(*) FROM runs").fetchone()[0])
            log.warning("run %s is not in the history %s: %s", entry.id, self._path, error)

    def _trim(self) -> None:
        if self._count > self._limit:
            oldest = "DELETE FROM runs WHERE position IN (SELECT position FROM runs ORDER BY position LIMIT ?)"
            self._count -= self._file.execute(oldest, (self._count - self._limit,)).rowcount

    def get(self, run: str) -> Entry | None:
        row = self._file.execute("SELECT entry FROM runs WHERE id = ?", (run,)).fetchone()
        return None if row is None else self._read(row[0])

    def entries(self, limit: int | None = None, offset: int | None = None) -> Sequence[Entry]:
        first, end = _window(self._count, limit, offset)
        rows = self._file.execute("SELECT entry FROM runs ORDER BY position LIMIT ? OFFSET ?", (end - first, first))
        return [entry for row in rows if (entry := self._read(row[0])) is not None]

    def _read(self, content: bytes) -> Entry | None:
        try:
            return self._decoder.decode(content)
        except msgspec.MsgspecError as error:
            log.warning("an entry of the history %s cannot be read: %s", self._path, error)
            return None

    def delete(self, run: str) -> bool:
        gone = self._file.execute("DELETE FROM runs WHERE id = ?", (run,)).rowcount
        self._count -= gone
        return bool(gone)

    def clear(self) -> None:
        self._file.execute("DELETE FROM runs")
        self._count = 0

    def __len__(self) -> int:
        return self._count

    def close(self) -> None:
        self._file.close()


def _opened(path: Path) -> sqlite3.Connection:
    file = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
    try:
        file.execute("PRAGMA journal_mode = WAL")
        file.execute("PRAGMA synchronous = NORMAL")
        columns = "position INTEGER PRIMARY KEY, id TEXT NOT NULL UNIQUE, entry BLOB NOT NULL"
        file.execute(f"CREATE TABLE IF NOT EXISTS runs ({columns})")
    except sqlite3.Error:
        file.close()
        raise
    return file
