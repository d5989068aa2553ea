"""Jobs that live as long as the process."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

from limner.database import DatabaseProblem

from .job import Job, NewJob, Place, State
from .order import Order

ATTACHED = 256
"""Attachments that are kept at a time: what is queued behind so many others is read again when it is its turn."""


@dataclass(frozen=True, slots=True)
class Work:
    """What a job is to do."""

    prompt: Mapping[str, object]
    targets: tuple[str, ...]
    extra: Mapping[str, object]
    home: str


class MemoryQueue:
    """`JobQueue` without a file. Also the base of the durable one, which writes down each change.

    What a client is told of is written before it is made in memory (`_write_...`); what the queue does by itself is
    written when the disk allows (`_note_...`): at worst a job is run again after a restart.
    """

    def __init__(self) -> None:
        self._order = Order()
        self._next = 0.0
        self._arrivals = 0
        self._held = False
        self._works: dict[str, Work] = {}
        self._attachments: dict[str, object] = {}
        self._coming: set[str] = set()
        self._more = asyncio.Event()
        self._watchers: dict[int, Callable[[], None]] = {}
        self._watched = 0

    async def add(self, new: NewJob, *, front: bool = False, number: float | None = None) -> Job:
        if new.id in self._order or new.id in self._coming:
            raise ValueError(f"a job {new.id} is in the queue already")
        if number is None:
            number = -self._next if front else self._next
            self._next += 1
        self._arrivals += 1
        place = Place(
            new.id, number, self._arrivals, time.time(), new.client, new.priority, new.owner, marked=new.marked
        )
        job = Job(place, new.prompt, new.targets, new.extra, new.attachment, new.home)
        self._coming.add(new.id)
        try:
            await self._write_added(job)
        finally:
            self._coming.discard(new.id)
        if new.attachment is not None and len(self._attachments) < ATTACHED:
            self._attachments[new.id] = new.attachment
        self._enter(place)
        return job

    def _enter(self, place: Place) -> None:
        self._order.push(place)
        self._more.set()
        self._changed()

    async def take(self, job: str | None = None) -> Job:
        # Nothing is awaited between the choice and the answer: no one else sees a job that runs and is not known to.
        place = self.next() if job is None else self._waiting(job)
        while place is None:
            self._more.clear()
            await self._more.wait()
            place = self.next()
        taken = self._load([place])[0]
        place = place.taken()
        self._order.pull(place.id, State.WAITING)
        self._order.push(place, State.RUNNING)
        self._note_changed(place, State.RUNNING)
        self._changed()
        return replace(taken, place=place, attachment=self._attachments.get(place.id))

    def _waiting(self, job: str) -> Place:
        place = self._order.place(job)
        if place is None or self._order.state(job) is not State.WAITING:
            raise LookupError(f"job {job} does not wait")
        return place

    def owners(self) -> tuple[str, ...]:
        return self._order.owners()

    async def done(self, job: str, *, on_disk: bool = True) -> None:
        if self._order.pull(job, State.RUNNING) is not None:
            self._forget([job])
            if on_disk:
                self._note_removed(job)
        self._changed()

    async def put_back(self, job: str, *, paused: bool = False) -> bool:
        place = self._order.place(job)
        if paused and place is not None and self._order.state(job) is State.RUNNING:
            with contextlib.suppress(DatabaseProblem):  # it is noted once more below
                await self._write_changed([(place, State.PAUSED)])
        place = self._order.pull(job, State.RUNNING)
        if place is not None:
            state = State.PAUSED if paused else State.WAITING
            self._order.push(place, state)
            self._note_changed(place, state)
            self._more.set()
        self._changed()
        return place is not None

    async def pause(self, job: str) -> bool:
        return await self._change(job, (State.WAITING,), State.PAUSED)

    async def resume(self, job: str) -> bool:
        return await self._change(job, (State.PAUSED,), State.WAITING)

    async def prioritise(self, job: str, priority: int) -> bool:
        state = self._order.state(job)
        if state is None or state is State.RUNNING:
            return False
        return await self._change(job, (state,), state, priority=priority)

    async def _change(self, job: str, states: Sequence[State], to: State, **values: object) -> bool:
        """Give a job another state or other values, on the disk first; nobody can take it meanwhile."""
        was = self._order.state(job)
        place = self._order.pull(job, *states)
        if place is None or was is None:
            return False
        changed = replace(place, **values)  # type: ignore[arg-type]
        try:
            await self._write_changed([(changed, to)])
        except BaseException:
            self._order.push(place, was)
            raise
        self._order.push(changed, to)
        self._more.set()
        self._changed()
        return True

    async def move(self, job: str, *, before: str | None = None, after: str | None = None) -> bool:
        waits = [name for name in (job, before or after) if name and self._order.state(name) is State.WAITING]
        if len(waits) < 2 or job == (before or after):
            return False
        place = self._order.pull(job, State.WAITING)
        assert place is not None
        changes = self._moved(place, before, after)
        try:
            await self._write_changed([(changed, State.WAITING) for changed in changes])
        except BaseException:
            self._order.push(place)
            raise
        for changed in changes:
            self._order.pull(changed.id, State.WAITING)
            self._order.push(changed)
        self._next = max(self._next, *(changed.number + 1 for changed in changes))
        self._more.set()
        self._changed()
        return True

    def _moved(self, place: Place, before: str | None, after: str | None) -> list[Place]:
        """The job in its new place, and whichever others had to make room for it."""
        target = self._order.place(before or after or "")
        assert target is not None
        index = self._order.index(target) + (0 if before else 1)
        around = self._order.places(State.WAITING, None, max(0, index - 1), 2 if index else 1)
        earlier = around[0] if index else None
        later = around[-1] if len(around) == (2 if index else 1) else None
        ends = [end if end and end.priority == target.priority else None for end in (earlier, later)]
        number = self._order.between(*ends)
        if number is not None:
            return [replace(place, priority=target.priority, number=number)]
        others = self._order.renumbered(target.priority)
        number = next(other.number for other in others if other.id == target.id) + (-0.5 if before else 0.5)
        return [*others, replace(place, priority=target.priority, number=number)]

    async def delete(self, jobs: Sequence[str]) -> Sequence[str]:
        found = [(self._order.state(job), self._order.pull(job, State.WAITING, State.PAUSED)) for job in jobs]
        removed = [(state, place) for state, place in found if state is not None and place is not None]
        if not removed:
            return []
        names = [place.id for _, place in removed]
        try:
            await self._write_removed(names)
        except BaseException:
            for state, place in removed:
                self._order.push(place, state)
            self._more.set()
            raise
        self._forget(names)
        self._changed()
        return names

    async def clear(self) -> Sequence[str]:
        return await self.delete([place.id for place in self._order.places(State.WAITING)])

    async def hold(self) -> None:
        await self._write_held(True)
        self._held = True
        self._changed()

    async def let_go(self) -> None:
        await self._write_held(False)
        self._held = False
        self._more.set()
        self._changed()

    @property
    def held(self) -> bool:
        return self._held

    def find(self, job: str) -> Job | None:
        place = self._order.place(job)
        return None if place is None else next(iter(self._load([place])), None)

    def place(self, job: str) -> Place | None:
        return self._order.place(job)

    def state(self, job: str) -> State | None:
        return self._order.state(job)

    def places(
        self, state: State, owner: str | None = None, offset: int = 0, limit: int | None = None
    ) -> tuple[Place, ...]:
        return self._order.places(state, owner, offset, limit)

    def jobs(
        self, state: State, owner: str | None = None, offset: int = 0, limit: int | None = None
    ) -> tuple[Job, ...]:
        return tuple(self._load(self._order.places(state, owner, offset, limit)))

    def count(self, state: State, owner: str | None = None) -> int:
        return self._order.count(state, owner)

    def marked(self) -> tuple[Job, ...]:
        return tuple(self._load([place for state in State for place in self._order.places(state) if place.marked]))

    def running(self) -> tuple[Job, ...]:
        return self.jobs(State.RUNNING)

    def waiting(self) -> tuple[Job, ...]:
        return self.jobs(State.WAITING)

    def paused(self) -> tuple[Job, ...]:
        return self.jobs(State.PAUSED)

    def next(self) -> Place | None:
        return None if self._held else self._order.first()

    def __len__(self) -> int:
        return self._order.count(State.WAITING) + self._order.count(State.RUNNING)

    def watch(self, changed: Callable[[], None]) -> Callable[[], None]:
        self._watched += 1
        key = self._watched
        self._watchers[key] = changed

        def stop() -> None:
            self._watchers.pop(key, None)

        return stop

    async def probe(self) -> None:
        """Memory can always be written."""

    async def close(self) -> None:
        self._watchers.clear()

    def _changed(self) -> None:
        for changed in list(self._watchers.values()):
            changed()

    def _forget(self, jobs: Sequence[str]) -> None:
        for job in jobs:
            self._works.pop(job, None)
            self._attachments.pop(job, None)

    def _load(self, places: Sequence[Place]) -> list[Job]:
        """What these jobs are to do."""
        found = ((place, self._works[place.id]) for place in places)
        return [Job(place, work.prompt, work.targets, work.extra, home=work.home) for place, work in found]

    async def _write_added(self, job: Job) -> None:
        """Keep what the job is to do; called before it is accepted."""
        self._works[job.id] = Work(job.prompt, job.targets, job.extra, job.home)

    async def _write_changed(self, changes: Sequence[tuple[Place, State]]) -> None:
        """Called before these jobs are in these states, as these records say."""

    async def _write_removed(self, jobs: Sequence[str]) -> None:
        """Called before the jobs leave the queue at somebody's wish."""

    async def _write_held(self, held: bool) -> None:
        """Called before the queue is held or let go."""

    def _note_changed(self, place: Place, state: State) -> None:
        """Called when a job was taken or put back."""

    def _note_removed(self, job: str) -> None:
        """Called when a job has ended, and what is remembered of it is written."""
