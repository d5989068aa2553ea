"""Who may take a job from the queue: so many at a time, and one more for each that leaves its turn to others early.

A run that has only its last files to write gives its turn away, so that the next one has the device meanwhile. At most
`TAILS` runs a turn go on without one.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

from limner.queue import Job, JobQueue, Place

TAILS = 2


class Taken(Protocol):
    """A job that was taken. `give` leaves its turn to others, `end` says that it is over; again, they do nothing."""

    @property
    def job(self) -> Job: ...

    @property
    def give(self) -> Callable[[], None]: ...

    @property
    def end(self) -> Callable[[], None]: ...


@dataclass(frozen=True, slots=True)
class Turn:
    """A `Taken`."""

    job: Job
    give: Callable[[], None]
    end: Callable[[], None]


class Source(Protocol):
    """Where jobs come from, when it is their turn."""

    def victim(self, waiting: Place, running: Sequence[Place]) -> Place | None:
        """The running job that has to leave its turn to one that waits and is more urgent; None where none has."""
        ...

    async def next(self) -> Taken:
        """Wait for a job and take it. Raises `limner.database.DatabaseProblem`."""
        ...


class Turns:
    """The jobs of a queue in its order, `concurrency` at a time."""

    def __init__(self, queue: JobQueue, concurrency: int) -> None:
        self._queue = queue
        self.slots = concurrency
        self._turns = asyncio.Semaphore(concurrency)
        self._places = asyncio.Semaphore(concurrency * (1 + TAILS))

    def victim(self, waiting: Place, running: Sequence[Place]) -> Place | None:
        least = min(running, key=lambda place: place.priority)
        return least if len(running) >= self.slots and waiting.priority > least.priority else None

    async def next(self) -> Taken:
        await self._places.acquire()
        end = _once(self._places.release)
        try:
            await self._turns.acquire()
        except BaseException:
            end()
            raise
        give = _once(self._turns.release)

        def over() -> None:
            give()
            end()

        try:
            return Turn(await self._queue.take(), give, over)
        except BaseException:
            over()
            raise


def _once(call: Callable[[], None]) -> Callable[[], None]:
    """The call, that does nothing from the second time on."""
    left = [call]

    def once() -> None:
        if left:
            left.pop()()

    return once
