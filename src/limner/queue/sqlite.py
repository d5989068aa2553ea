"""Jobs in a SQLite database: nothing that was accepted is lost with the process, or with the power.

Where the jobs stand is in memory, what they are to do on the disk: a long queue takes little memory, and is there at
once when the server starts. A job that ran when the server died waits again in its place, and is said to be `lost`.
"""

from __future__ import annotations

import json
import logging
import sqlite3
from collections.abc import Sequence

import msgspec

from limner.database import Database

from .job import Job, Place, State
from .memory import MemoryQueue

log = logging.getLogger(__name__)

_COLUMNS = "arrival, id, priority, number, owner, client, added, attempts, lost, marked"
_PAGE = 500
"""Jobs that are read with one question."""


class SqliteQueue(MemoryQueue):
    """A durable `JobQueue`. One process owns the database; closing that is its maker's business."""

    def __init__(self, database: Database) -> None:
        """Take up what the database of the kind `server` holds. Raises DatabaseProblem."""
        super().__init__()
        self._database = database
        self._restore()

    def _restore(self) -> None:
        ((number, held),) = self._database.rows("SELECT next, paused FROM counter")
        self._next, self._held = number, bool(held)
        rows = self._database.rows(f"SELECT {_COLUMNS}, state FROM places ORDER BY priority DESC, number, arrival")
        found = [(_place(row, lost=row[-1] == State.RUNNING), row[-1]) for row in rows]
        self._arrivals = max((place.arrival for place, _ in found), default=0)
        self._order.fill(
            [place for place, state in found if state != State.PAUSED],
            [place for place, state in found if state == State.PAUSED],
        )
        if any(state == State.RUNNING for _, state in found):
            self._database.write_soon(
                lambda file: file.execute("UPDATE places SET state = 'waiting', lost = 1 WHERE state = 'running'")
            )

    async def probe(self) -> None:
        await self._database.write(lambda file: file.execute("UPDATE counter SET next = next"))

    async def _write_added(self, job: Job) -> None:
        place, work, following = job.place, _encode(job), self._next

        def write(file: sqlite3.Connection) -> None:
            row = (
                *(place.arrival, place.id, place.priority, place.number, place.owner, place.client, place.added),
                *(place.attempts, place.lost, place.marked, State.WAITING),
            )
            file.execute(f"INSERT INTO places ({_COLUMNS}, state) VALUES ({', '.join('?' * len(row))})", row)
            file.execute("INSERT INTO works (arrival, work) VALUES (?, ?)", (place.arrival, work))
            file.execute("UPDATE counter SET next = max(next, ?)", (following,))

        try:
            await self._database.write(write, safe=True)
        except sqlite3.IntegrityError:
            raise ValueError(f"a job {place.id} is in the queue already") from None

    async def _write_changed(self, changes: Sequence[tuple[Place, State]]) -> None:
        following = max(self._next, *(place.number + 1 for place, _ in changes))

        def write(file: sqlite3.Connection) -> None:
            file.executemany(_CHANGE, [_change(place, state) for place, state in changes])
            file.execute("UPDATE counter SET next = max(next, ?)", (following,))

        await self._database.write(write)

    async def _write_removed(self, jobs: Sequence[str]) -> None:
        rows = [(job,) for job in jobs]
        await self._database.write(lambda file: file.executemany("DELETE FROM places WHERE id = ?", rows))

    async def _write_held(self, held: bool) -> None:
        await self._database.write(lambda file: file.execute("UPDATE counter SET paused = ?", (held,)))

    def _note_changed(self, place: Place, state: State) -> None:
        self._database.write_soon(lambda file: file.execute(_CHANGE, _change(place, state)))

    def _note_removed(self, job: str) -> None:
        self._database.write_soon(lambda file: file.execute("DELETE FROM places WHERE id = ?", (job,)))

    def _load(self, places: Sequence[Place]) -> list[Job]:
        found: dict[int, str] = {}
        for first in range(0, len(places), _PAGE):
            arrivals = [place.arrival for place in places[first : first + _PAGE]]
            marks = ", ".join("?" * len(arrivals))
            found.update(self._database.rows(f"SELECT arrival, work FROM works WHERE arrival IN ({marks})", arrivals))
        ended = {place.id for place in places if place.arrival not in found and self.state(place.id) is State.RUNNING}
        return [_decode(place, found.get(place.arrival)) for place in places if place.id not in ended]


_CHANGE = "UPDATE places SET priority = ?, number = ?, attempts = ?, lost = ?, state = ? WHERE arrival = ? AND id = ?"


def _change(place: Place, state: State) -> tuple[object, ...]:
    return place.priority, place.number, place.attempts, place.lost, state, place.arrival, place.id


def _place(row: Sequence[object], *, lost: bool) -> Place:
    arrival, name, priority, number, owner, client, added, attempts, was_lost, marked, *_ = row
    return Place(
        id=str(name),
        number=float(str(number)),
        arrival=int(str(arrival)),
        added=float(str(added)),
        client=None if client is None else str(client),
        priority=int(str(priority)),
        owner=str(owner),
        attempts=int(str(attempts)),
        lost=lost or bool(was_lost),
        marked=bool(marked),
    )


def _encode(job: Job) -> str:
    work = {"prompt": job.prompt, "targets": job.targets, "extra": job.extra, "home": job.home}
    try:
        return msgspec.json.encode(work).decode()
    except (TypeError, OverflowError, ValueError):
        return json.dumps(work, default=dict)


def _decode(place: Place, work: str | None) -> Job:
    """The job; one whose work cannot be read has none, and fails when it is run."""
    try:
        content = json.loads(work or "")
        home = str(content.get("home", ""))
        return Job(place, content["prompt"], tuple(content["targets"]), content["extra"], home=home)
    except (ValueError, KeyError, TypeError) as error:
        log.error("what the job %s is to do cannot be read: %s", place.id, error)
        return Job(place, {}, (), {})
