"""Jobs that were queued together: one for each combination of values.

A batch is written down before its jobs are queued and is `ready` when all of them are. One that its server died over
was promised to nobody: its jobs are taken out when the server starts again.
"""

from __future__ import annotations

import itertools
import math
import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import msgspec

from limner.database import Database


@dataclass(frozen=True, slots=True)
class Batch:
    """`title` is what the user calls it; `workflow` and `version` name a kept workflow, if it runs one."""

    id: str
    owner: str
    created: float
    """Seconds since 1970."""
    title: str = ""
    workflow: str = ""
    version: int = 0


@dataclass(frozen=True, slots=True)
class BatchJob:
    """A job in its place, from 0; `given` are the values that set it apart, `state` how it ended, if it has."""

    place: int
    job: str
    given: Mapping[str, Any]
    state: str = ""


@dataclass(frozen=True, slots=True)
class _Content:
    title: str = ""
    workflow: str = ""
    version: int = 0


def count(grid: Mapping[str, Sequence[Any]], rows: Sequence[Mapping[str, Any]]) -> int:
    """How many combinations there are."""
    return math.prod(map(len, grid.values())) * (len(rows) or 1) if grid or rows else 0


def combinations(grid: Mapping[str, Sequence[Any]], rows: Sequence[Mapping[str, Any]]) -> Iterator[dict[str, Any]]:
    """Each row with each combination of the grid's values; the grid's last name changes fastest."""
    for row in rows or ({},):
        for values in itertools.product(*grid.values()):
            yield {**row, **dict(zip(grid, values, strict=True))}


class BatchStore:
    """In the library's database."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def begin(self, batch: Batch, jobs: Sequence[BatchJob]) -> None:
        """Write down what is about to be queued. Raises DatabaseProblem."""
        content = msgspec.json.encode(_Content(batch.title, batch.workflow, batch.version))
        rows = [(batch.id, job.place, job.job, msgspec.json.encode(job.given), "") for job in jobs]

        def write(file: sqlite3.Connection) -> None:
            row = (batch.id, batch.owner, batch.created, False, content)
            file.execute("INSERT INTO batches (id, owner, created, ready, content) VALUES (?, ?, ?, ?, ?)", row)
            file.executemany("INSERT INTO batch_jobs (batch, place, job, given, state) VALUES (?, ?, ?, ?, ?)", rows)

        await self._database.write(write, safe=True)

    async def ready(self, batch: str) -> None:
        """All of its jobs are in the queue. Raises DatabaseProblem."""
        statement = "UPDATE batches SET ready = 1 WHERE id = ?"
        await self._database.write(lambda file: file.execute(statement, (batch,)).rowcount, safe=True)

    def unfinished(self) -> Sequence[tuple[str, Sequence[str]]]:
        """The batches that never came to be ready, each with its jobs. Raises DatabaseProblem."""
        found = [row[0] for row in self._database.rows("SELECT id FROM batches WHERE NOT ready")]
        return [(batch, [job.job for job in self.jobs(batch)]) for batch in found]

    def get(self, batch: str, owner: str | None) -> Batch | None:
        """A batch of this user, of anyone for None. Raises DatabaseProblem."""
        rows = self._database.rows(
            "SELECT id, owner, created, content FROM batches WHERE id = ? AND ready AND coalesce(?, owner) = owner",
            (batch, owner),
        )
        return _batch(rows[0]) if rows else None

    def page(self, owner: str | None, limit: int, offset: int) -> tuple[int, Sequence[Batch]]:
        """How many there are of this user, of everyone for None, and some, the latest first. Raises DatabaseProblem."""
        which = "FROM batches WHERE ready AND coalesce(?, owner) = owner"
        total = self._database.rows(f"SELECT count(*) {which}", (owner,))[0][0]
        rows = self._database.rows(
            f"SELECT id, owner, created, content {which} ORDER BY created DESC, id LIMIT ? OFFSET ?",
            (owner, limit, offset),
        )
        return int(total), [_batch(row) for row in rows]

    def jobs(self, batch: str, limit: int = -1, offset: int = 0) -> Sequence[BatchJob]:
        """Its jobs in their order. Raises DatabaseProblem."""
        rows = self._database.rows(
            "SELECT place, job, given, state FROM batch_jobs WHERE batch = ? ORDER BY place LIMIT ? OFFSET ?",
            (batch, limit, offset),
        )
        return [BatchJob(place, job, msgspec.json.decode(given), state) for place, job, given, state in rows]

    def remember(self, batch: str, ended: Mapping[int, str]) -> None:
        """Note how jobs have ended, by their places; what is noted stays."""
        rows = [(state, batch, place) for place, state in ended.items()]
        statement = "UPDATE batch_jobs SET state = ? WHERE batch = ? AND place = ? AND state = ''"
        self._database.write_soon(lambda file: file.executemany(statement, rows))

    async def delete(self, batch: str) -> None:
        """Forget a batch; its jobs are not touched. Raises DatabaseProblem."""
        await self._database.write(
            lambda file: file.execute("DELETE FROM batches WHERE id = ?", (batch,)).rowcount, safe=True
        )


def _batch(row: tuple[Any, ...]) -> Batch:
    said = msgspec.json.decode(row[3], type=_Content)
    return Batch(row[0], row[1], row[2], said.title, said.workflow, said.version)
