"""Jobs in a SQLite file: nothing that was accepted is lost with the process.

Each change is written before it is made in memory; reading never touches the file. The file is in WAL mode: a write
survives the death of the process at once, and the loss of power too where `power_safe` is set, at the price of waiting
for the disk (a millisecond or more for each job). One process owns the file; it is written in the calling thread, as a
write takes some ten microseconds. Opening it puts every job that was running back in its place.
"""

from __future__ import annotations

import json
import logging
import sqlite3
from collections.abc import Sequence
from importlib.resources import files
from pathlib import Path

import msgspec

from .job import Job
from .memory import MemoryQueue

log = logging.getLogger(__name__)


class QueueUnavailable(OSError):
    """The queue's file cannot be written, so the job was not accepted."""


class SqliteQueue(MemoryQueue):
    """A durable `JobQueue`."""

    def __init__(self, path: Path, *, power_safe: bool = False) -> None:
        """Open or make the file at `path`. Raises `QueueUnavailable` when that is not possible."""
        super().__init__()
        self._path = path
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            self._file = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
            self._prepare(power_safe)
            self._restore()
        except (sqlite3.Error, OSError) as error:
            raise QueueUnavailable(f"The queue {path} cannot be opened: {error}") from error

    def _prepare(self, power_safe: bool) -> None:
        self._file.execute("PRAGMA journal_mode = WAL")
        self._file.execute(f"PRAGMA synchronous = {'FULL' if power_safe else 'NORMAL'}")
        version = self._file.execute("PRAGMA user_version").fetchone()[0]
        migrations = sorted(files(__package__).joinpath("sql").iterdir(), key=lambda item: item.name)
        for number, migration in enumerate(migrations, start=1):
            if number > version:
                self._file.executescript(
                    f"BEGIN;\n{migration.read_text('utf-8')}\nPRAGMA user_version = {number};\nCOMMIT;"
                )

    def _restore(self) -> None:
        self._next = self._file.execute("SELECT next FROM counter").fetchone()[0]
        columns = "id, number, added, attempts, client, work, priority, paused"
        rows = self._file.execute(f"SELECT {columns} FROM jobs ORDER BY arrival")
        for name, number, added, attempts, client, work, priority, paused in rows.fetchall():
            content = json.loads(work)
            self._order.push(
                Job(
                    id=name,
                    number=number,
                    prompt=content["prompt"],
                    targets=tuple(content["targets"]),
                    extra=content["extra"],
                    client=client,
                    added=added,
                    attempts=attempts,
                    priority=priority,
                )
            )
            if paused:
                self._order.pause(name)

    async def close(self) -> None:
        await super().close()
        self._file.close()

    async def _write_added(self, job: Job) -> None:
        row = (job.id, job.number, job.added, job.attempts, job.client, _encode(job), job.priority)
        try:
            self._file.execute("BEGIN")
            self._file.execute(
                "INSERT INTO jobs (id, number, added, attempts, client, work, priority) VALUES (?, ?, ?, ?, ?, ?, ?)",
                row,
            )
            self._file.execute("UPDATE counter SET next = ?", (self._next,))
            self._file.execute("COMMIT")
        except sqlite3.Error as error:
            self._undo()
            raise QueueUnavailable(f"The job was not accepted, as {self._path} cannot be written: {error}") from error

    async def _write_taken(self, job: Job) -> None:
        self._try("UPDATE jobs SET attempts = ? WHERE id = ?", [(job.attempts, job.id)])

    async def _write_paused(self, job: str, paused: bool) -> None:
        self._try("UPDATE jobs SET paused = ? WHERE id = ?", [(paused, job)])

    async def _write_removed(self, jobs: Sequence[str]) -> None:
        self._try("DELETE FROM jobs WHERE id = ?", [(job,) for job in jobs])

    def _try(self, statement: str, rows: Sequence[tuple[object, ...]]) -> None:
        """Write what must not stop the queue: at worst a job is run again after a restart."""
        if not rows:
            return
        try:
            self._file.execute("BEGIN")
            self._file.executemany(statement, rows)
            self._file.execute("COMMIT")
        except sqlite3.Error as error:
            self._undo()
            log.warning("the queue %s cannot be written: %s", self._path, error)

    def _undo(self) -> None:
        if self._file.in_transaction:
            self._file.execute("ROLLBACK")


def _encode(job: Job) -> str:
    work = {"prompt": job.prompt, "targets": job.targets, "extra": job.extra}
    try:
        return msgspec.json.encode(work).decode()
    except (TypeError, OverflowError, ValueError):
        return json.dumps(work, default=dict)
