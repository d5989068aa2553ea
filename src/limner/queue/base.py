"""What every queue does."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Protocol

from .job import Job, NewJob


class JobQueue(Protocol):
    """Jobs in the order of their numbers, each taken once. For one event loop."""

    async def add(self, new: NewJob, *, front: bool = False, number: float | None = None) -> Job:
        """Accept a job; when this returns it survives the process, if the queue is durable.

        Without a `number` it gets the next one; `front` makes that negative, so that it runs before all others. Raises
        ValueError when a job of this id is in the queue.
        """
        ...

    async def take(self) -> Job:
        """Wait for a job and take it: it is running from now on."""
        ...

    async def done(self, job: str) -> None:
        """A running job has ended, however it ended."""
        ...

    async def put_back(self, job: str) -> bool:
        """A running job waits again, in its place; whether it was running."""
        ...

    async def pause(self, job: str) -> bool:
        """A running or waiting job is kept until `resume`, also over restarts; whether there was one."""
        ...

    async def resume(self, job: str) -> bool:
        """A paused job waits again, in its place; whether it was paused."""
        ...

    async def delete(self, jobs: Sequence[str]) -> Sequence[str]:
        """Remove waiting and paused jobs; returns the ids of those that were."""
        ...

    async def clear(self) -> Sequence[str]:
        """Remove all waiting jobs; returns their ids."""
        ...

    def running(self) -> tuple[Job, ...]:
        """The jobs that were taken and are not done, in the order in which they were taken."""
        ...

    def waiting(self) -> tuple[Job, ...]:
        """The jobs that wait, in the order in which they will run."""
        ...

    def next(self) -> Job | None:
        """The job that would be taken now."""
        ...

    def paused(self) -> tuple[Job, ...]:
        """The jobs that are paused, in the order in which they were."""
        ...

    def __len__(self) -> int:
        """How many jobs wait or run; paused ones do not count."""
        ...

    def watch(self, changed: Callable[[], None]) -> Callable[[], None]:
        """Call `changed` after each change; returns a function that ends it."""
        ...

    async def close(self) -> None: ...
