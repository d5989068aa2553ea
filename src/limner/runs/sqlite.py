"""The runs that have ended, in the server's database: the same that holds the queue.

A run is remembered, and its job leaves the queue, in one transaction: whenever the process dies, a job is in one of
them, and never in both. An entry that cannot be written (the disk is full) is kept in memory and tried again; until it
is written, its job stays in the queue on the disk.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import sqlite3
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, replace

import msgspec

from limner.database import Database, DatabaseProblem

from .entry import Entry
from .history import LIMIT, window

log = logging.getLogger(__name__)

DAY = 86400.0
RETRY_SECONDS = 1.0
TRIMMED = 64
"""Runs that are forgotten for their age at a time."""


class SqliteHistory:
    """A durable `History`. Closing the database is its maker's business."""

    def __init__(self, database: Database, limit: int = LIMIT, days: int = 0) -> None:
        """At most `limit` runs or a hundredth more, and none that ended so many days ago; 0 is no limit."""
        self._database, self._limit, self._days = database, limit, days
        self._encoder = msgspec.json.Encoder(enc_hook=str)
        self._decoder = msgspec.json.Decoder(Entry)
        self._unwritten: dict[str, Entry] = {}
        self._retrying: asyncio.Task[None] | None = None
        self._recorded = 0

    async def record(self, entry: Entry) -> bool:
        self._unwritten.pop(entry.id, None)
        try:
            await self._database.write(self._writing(entry))
        except DatabaseProblem as error:
            log.warning("the end of run %s is in memory only for now: %s", entry.id, error)
            self._unwritten[entry.id] = entry
            if self._retrying is None:
                self._retrying = asyncio.create_task(self._retry(), name="write the history")
            return False
        return True

    def _writing(self, entry: Entry) -> Callable[[sqlite3.Connection], None]:
        content = self._encoded(entry)
        self._recorded += 1
        limit = 0 if self._recorded % max(1, self._limit // 100) else self._limit  # counting is not for each run
        oldest = time.time() - self._days * DAY if self._days else 0.0
        files = [(entry.id, *file) for file in _files(entry.outputs)]

        def write(file: sqlite3.Connection) -> None:
            file.execute("DELETE FROM runs WHERE id = ?", (entry.id,))
            row = (entry.id, entry.owner, entry.status, entry.finished, content)
            file.execute("INSERT INTO runs (id, owner, status, finished, entry) VALUES (?, ?, ?, ?, ?)", row)
            file.executemany(_INSERT_OUTPUT, files)
            _trim(file, limit, oldest)

        return write

    def _encoded(self, entry: Entry) -> bytes:
        try:
            return self._encoder.encode(entry)
        except (TypeError, ValueError, OverflowError):  # what msgspec's JSON has no form for, the library's has
            return json.dumps(asdict(entry), default=str).encode()

    async def _retry(self) -> None:
        while self._unwritten:
            await asyncio.sleep(RETRY_SECONDS)
            for entry in list(self._unwritten.values()):
                try:
                    await self._database.write(self._writing(entry))
                except DatabaseProblem:
                    break
                if self._unwritten.get(entry.id) is entry:
                    del self._unwritten[entry.id]
                log.info("the end of run %s is written", entry.id)
        self._retrying = None

    def get(self, run: str, owner: str | None = None) -> Entry | None:
        entry = self._unwritten.get(run)
        if entry is None:
            rows = self._database.rows("SELECT entry, owner FROM runs WHERE id = ?", (run,))
            entry = self._read(*rows[0]) if rows else None
        return entry if entry is not None and owner in (None, entry.owner) else None

    def entries(self, limit: int | None = None, offset: int | None = None, owner: str | None = None) -> Sequence[Entry]:
        unwritten = [entry for entry in self._unwritten.values() if owner in (None, entry.owner)]
        written = self._written(owner)
        first, end = window(written + len(unwritten), limit, offset)
        rows = self._database.rows(
            f"SELECT entry, owner FROM runs {_of(owner)} ORDER BY position LIMIT ? OFFSET ?",
            (*_named(owner), max(0, min(end, written) - first), first),
        )
        found = [entry for row in rows if (entry := self._read(*row)) is not None]
        return [*found, *unwritten[max(0, first - written) : max(0, end - written)]]

    def _read(self, content: bytes, owner: str) -> Entry | None:
        try:
            entry = self._decoder.decode(content)
        except msgspec.MsgspecError as error:
            log.warning("an entry of the history %s cannot be read: %s", self._database.path, error)
            return None
        return entry if entry.owner == owner else replace(entry, owner=owner)

    async def delete(self, run: str, owner: str | None = None) -> bool:
        if self.get(run, owner) is None:
            return False
        await self._database.write(_forgetting([run], [run] if run in self._unwritten else []))
        self._unwritten.pop(run, None)
        return True

    async def clear(self, owner: str | None = None) -> None:
        gone = [run for run, entry in self._unwritten.items() if owner in (None, entry.owner)]
        forget, named = _forgetting([], gone), _named(owner)

        def write(file: sqlite3.Connection) -> None:
            forget(file)
            file.execute(f"DELETE FROM runs {_of(owner)}", named)

        await self._database.write(write)
        for run in gone:
            self._unwritten.pop(run, None)

    def _written(self, owner: str | None) -> int:
        ((count,),) = self._database.rows(f"SELECT count(*) FROM runs {_of(owner)}", _named(owner))
        return int(count)

    def count(self, owner: str | None = None) -> int:
        return self._written(owner) + sum(owner in (None, entry.owner) for entry in self._unwritten.values())

    def __len__(self) -> int:
        return self.count()

    async def close(self) -> None:
        """Stop trying; what could not be written goes with the process, and its jobs run again."""
        if self._retrying is not None:
            self._retrying.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._retrying


_INSERT_OUTPUT = "INSERT INTO outputs (run, node, kind, folder, subfolder, filename) VALUES (?, ?, ?, ?, ?, ?)"


def _of(owner: str | None) -> str:
    return "" if owner is None else "WHERE owner = ?"


def _named(owner: str | None) -> tuple[str, ...]:
    return () if owner is None else (owner,)


def _files(outputs: Mapping[str, Mapping[str, object]]) -> Iterator[tuple[str, str, str, str, str]]:
    """The files among what nodes showed: node, kind, folder, subfolder, name."""
    for node, shown in outputs.items():
        for kind, items in shown.items():
            for item in items if isinstance(items, list | tuple) else ():
                if isinstance(item, Mapping) and isinstance(item.get("filename"), str):
                    folder, subfolder = str(item.get("type", "output")), str(item.get("subfolder", ""))
                    yield node, kind, folder, subfolder, item["filename"]


def _forgetting(runs: Sequence[str], jobs: Sequence[str]) -> Callable[[sqlite3.Connection], None]:
    """Forget these runs, and these jobs, which have ended without that being written."""

    def write(file: sqlite3.Connection) -> None:
        file.executemany("DELETE FROM runs WHERE id = ?", [(run,) for run in runs])
        file.executemany("DELETE FROM places WHERE id = ?", [(job,) for job in jobs])

    return write


def _trim(file: sqlite3.Connection, limit: int, oldest: float) -> None:
    """Forget what is beyond the limit, and some of what ended before `oldest`."""
    if limit:
        ((count,),) = file.execute("SELECT count(*) FROM runs").fetchall()
        if count > limit:
            first = "SELECT position FROM runs ORDER BY position LIMIT ?"
            file.execute(f"DELETE FROM runs WHERE position IN ({first})", (count - limit,))
    if oldest:
        first = "SELECT position FROM runs ORDER BY position LIMIT ?"
        file.execute(f"DELETE FROM runs WHERE position IN ({first}) AND finished < ?", (TRIMMED, oldest))
