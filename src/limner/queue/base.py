"""What every queue does."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Protocol

from .job import Job, NewJob, Place, State


class JobQueue(Protocol):
    """Jobs in the order of their priorities and numbers, each taken once. For one event loop.

    Methods that a client waits for raise `limner.database.DatabaseProblem` where a durable queue cannot be read or
    written; nothing has changed then.
    """

    async def add(self, new: NewJob, *, front: bool = False, number: float | None = None) -> Job:
        """Accept a job; when this returns it is on the disk, if the queue is durable.

        Without a `number` it gets the next one; `front` makes that negative, so that it runs before all others. Raises
        ValueError when a job of this id is in the queue.
        """
        ...

    async def take(self, job: str | None = None) -> Job:
        """Wait for a job and take it: it is running from now on.

        With `job`, take that one at once. Raises LookupError where it does not wait.
        """
        ...

    async def done(self, job: str, *, on_disk: bool = True) -> None:
        """A running job has ended, however it ended.

        `on_disk`: what is remembered of it is there; else a durable queue keeps it, too, and it runs again after a
        restart.
        """
        ...

    async def put_back(self, job: str, *, paused: bool = False) -> bool:
        """A running job waits again, in its place, or is `paused`; whether it was running."""
        ...

    async def pause(self, job: str) -> bool:
        """A waiting job is kept until `resume`, also over restarts; whether it was waiting."""
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

    async def move(self, job: str, *, before: str | None = None, after: str | None = None) -> bool:
        """Put a waiting job right before or after another one, with the priority of that one; whether both waited."""
        ...

    async def prioritise(self, job: str, priority: int) -> bool:
        """Give a waiting or paused job another priority; whether there was one."""
        ...

    async def hold(self) -> None:
        """Let no more jobs be taken, also over restarts; those that run go on."""
        ...

    async def let_go(self) -> None:
        """Let jobs be taken again."""
        ...

    @property
    def held(self) -> bool:
        """Whether no jobs are taken."""
        ...

    def find(self, job: str) -> Job | None:
        """A job in any state."""
        ...

    def place(self, job: str) -> Place | None:
        """Where a job stands."""
        ...

    def state(self, job: str) -> State | None: ...

    def places(
        self, state: State, owner: str | None = None, offset: int = 0, limit: int | None = None
    ) -> tuple[Place, ...]:
        """The jobs of one state, of one owner if one is named: a page of them, in order, without what they are to do.

        Those that wait stand as they will run, others as they came into their state.
        """
        ...

    def jobs(
        self, state: State, owner: str | None = None, offset: int = 0, limit: int | None = None
    ) -> tuple[Job, ...]:
        """The same, with what they are to do."""
        ...

    def count(self, state: State, owner: str | None = None) -> int:
        """How many jobs are in a state, of one owner if one is named."""
        ...

    def owners(self) -> tuple[str, ...]:
        """Whose jobs wait; the empty name for those of nobody."""
        ...

    def marked(self) -> tuple[Job, ...]:
        """The jobs that were marked when they were added."""
        ...

    def running(self) -> tuple[Job, ...]:
        """All jobs that were taken and are not done."""
        ...

    def waiting(self) -> tuple[Job, ...]:
        """All jobs that wait. In a long queue, ask for a page: `jobs`."""
        ...

    def paused(self) -> tuple[Job, ...]:
        """All jobs that are paused."""
        ...

    def next(self) -> Place | None:
        """The job that would be taken now."""
        ...

    def __len__(self) -> int:
        """How many jobs wait or run; paused ones do not count."""
        ...

    def watch(self, changed: Callable[[], None]) -> Callable[[], None]:
        """Call `changed` after each change; returns a function that ends it."""
        ...

    async def probe(self) -> None:
        """Write nothing new: raises DatabaseProblem where jobs could not be written now."""
        ...

    async def close(self) -> None: ...
