"""A user's jobs in the queue, and whose a run is."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Sequence
from dataclasses import replace

from limner.accounts import Identity
from limner.queue import Job, JobQueue, NewJob, Place, State
from limner.runs import History

from .answers import ApiError

KEPT = 20_000


class Owners:
    """Whose a run is."""

    def __init__(self, queue: JobQueue, history: History) -> None:
        self._queue, self._history = queue, history
        self._known: OrderedDict[str, str] = OrderedDict()

    def note(self, run: str, owner: str) -> None:
        self._known[run] = owner
        while len(self._known) > KEPT:
            self._known.popitem(last=False)

    def of(self, run: str) -> str:
        """The user's name; empty where nobody was logged in, or there is no such run."""
        owner = self._known.get(run)
        if owner is None:
            found = self._queue.place(run) or self._history.get(run)
            if found is None:  # nothing to remember: there may be one of this id later
                return ""
            owner = found.owner
            self.note(run, owner)
        return owner

    def ended(self, run: str) -> bool:
        """Whether anyone's run of this id has ended: another one would take its place in the history."""
        return self._history.get(run) is not None


class OwnedQueue:
    """A user's jobs in the queue."""

    def __init__(self, queue: JobQueue, identity: Identity, owners: Owners, most: int) -> None:
        self._queue, self._identity, self._owners, self._most = queue, identity, owners, most
        self._owner = None if identity.sees_all else identity.user
        """Whose jobs are seen; None for everyone's."""

    def _sees(self, place: Place | None) -> bool:
        return place is not None and self._owner in (None, place.owner)

    def _own(self, job: str) -> bool:
        return self._sees(self._queue.place(job))

    async def add(self, new: NewJob, *, front: bool = False, number: float | None = None) -> Job:
        user = self._identity.user
        self._check_room(user)
        if self._owners.ended(new.id):
            raise ValueError(f"a run {new.id} has been already")
        new = replace(new, owner=user, home=self._identity.home)
        job = await (
            self._queue.add(new, front=front, number=number)
            if self._owner is None
            else self._add_in_turn(new, front, number)
        )
        self._owners.note(new.id, user)
        return job

    async def _add_in_turn(self, new: NewJob, front: bool, number: float | None) -> Job:
        """Add a job that comes before no job of another user: at best where the user's own first one stands."""
        self._check_priority(new.priority)
        first = self._first(new.priority)
        if number is not None and (first is None or number < first.number):
            number, front = None, True
        job = await self._queue.add(new, number=number)
        if front and first is not None:
            await self._queue.move(job.id, before=first.id)
        return replace(job, place=self._queue.place(job.id) or job.place)

    def _first(self, priority: int) -> Place | None:
        """The first of the user's own jobs of this priority: a job that is put in front comes right before it."""
        own = self._queue.places(State.WAITING, self._owner)
        return next((place for place in own if place.priority == priority), None)

    def _check_room(self, user: str) -> None:
        kept = self._queue.count(State.WAITING, user) + self._queue.count(State.PAUSED, user) if user else 0
        if self._most and kept >= self._most:
            remedy = "Wait until some have run, or take some out of the queue"
            raise ApiError(429, "queue_full", f"{self._most} jobs of yours wait already", remedy)

    def _check_priority(self, priority: int) -> None:
        if self._owner is not None and priority > 0:
            remedy = "Leave priority out, or ask an admin to raise it"
            raise ApiError(403, "not_allowed", "Only an admin puts jobs before those of others", remedy)

    async def take(self, job: str | None = None) -> Job:
        return await self._queue.take(job)

    def owners(self) -> tuple[str, ...]:
        return self._queue.owners() if self._owner is None else (self._owner,)

    async def done(self, job: str, *, on_disk: bool = True) -> None:
        await self._queue.done(job, on_disk=on_disk)

    async def put_back(self, job: str, *, paused: bool = False) -> bool:
        return await self._queue.put_back(job, paused=paused)

    async def pause(self, job: str) -> bool:
        return self._own(job) and await self._queue.pause(job)

    async def resume(self, job: str) -> bool:
        return self._own(job) and await self._queue.resume(job)

    async def delete(self, jobs: Sequence[str]) -> Sequence[str]:
        own = [place for job in jobs if (place := self.place(job)) is not None]
        for place in own:  # whose they were is asked once more when it is told that they are gone
            self._owners.note(place.id, place.owner)
        return await self._queue.delete([place.id for place in own])

    async def clear(self) -> Sequence[str]:
        if self._owner is None:
            return await self._queue.clear()
        return await self.delete([place.id for place in self.places(State.WAITING)])

    async def move(self, job: str, *, before: str | None = None, after: str | None = None) -> bool:
        return self._own(job) and self._own(before or after or "") and await self._moved(job, before, after)

    async def _moved(self, job: str, before: str | None, after: str | None) -> bool:
        target = self._queue.place(before or after or "")
        self._check_priority(target.priority if target is not None else 0)
        return await self._queue.move(job, before=before, after=after)

    async def prioritise(self, job: str, priority: int) -> bool:
        self._check_priority(priority)
        return self._own(job) and await self._queue.prioritise(job, priority)

    async def hold(self) -> None:
        await self._queue.hold()

    async def let_go(self) -> None:
        await self._queue.let_go()

    @property
    def held(self) -> bool:
        return self._queue.held

    def find(self, job: str) -> Job | None:
        return self._queue.find(job) if self._own(job) else None

    def place(self, job: str) -> Place | None:
        return self._queue.place(job) if self._own(job) else None

    def state(self, job: str) -> State | None:
        return self._queue.state(job) if self._own(job) else None

    def places(
        self, state: State, owner: str | None = None, offset: int = 0, limit: int | None = None
    ) -> tuple[Place, ...]:
        return self._queue.places(state, self._owner or owner, offset, limit)

    def jobs(
        self, state: State, owner: str | None = None, offset: int = 0, limit: int | None = None
    ) -> tuple[Job, ...]:
        return self._queue.jobs(state, self._owner or owner, offset, limit)

    def count(self, state: State, owner: str | None = None) -> int:
        return self._queue.count(state, self._owner or owner)

    def marked(self) -> tuple[Job, ...]:
        return tuple(job for job in self._queue.marked() if self._sees(job.place))

    def running(self) -> tuple[Job, ...]:
        return self.jobs(State.RUNNING)

    def waiting(self) -> tuple[Job, ...]:
        return self.jobs(State.WAITING)

    def paused(self) -> tuple[Job, ...]:
        return self.jobs(State.PAUSED)

    def next(self) -> Place | None:
        return self._queue.next()

    def __len__(self) -> int:
        return self.count(State.WAITING) + self.count(State.RUNNING)

    def watch(self, changed: Callable[[], None]) -> Callable[[], None]:
        return self._queue.watch(changed)

    async def probe(self) -> None:
        await self._queue.probe()

    async def close(self) -> None:
        """It is not the request's to close."""
