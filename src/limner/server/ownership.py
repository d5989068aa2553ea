"""What one user sees of what everyone does: the services of a request, confined to its user.

Rules:

- A job is its user's: the name comes from the login alone, and is kept with the job and its run.
- A user finds, changes and hears of own jobs only; another's are as if they were not there. An admin sees all.
- Nobody but an admin comes before others: a user's job goes in front of the user's own, and gets no higher priority.
- Routes get these services by `services(request)`, so that no route can forget it.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from limner.accounts import Identity
from limner.engine import Reason
from limner.graph import Graph
from limner.graph.validate import Verdict
from limner.queue import Job, JobQueue, NewJob, Place, State
from limner.runs import Entry, History, Message

from .answers import ApiError
from .services import Feed, Machine, Reader, Runs, Services

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
        new = replace(new, owner=user)
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

    async def take(self) -> Job:
        return await self._queue.take()

    async def done(self, job: str, *, on_disk: bool = True) -> None:
        await self._queue.done(job, on_disk=on_disk)

    async def put_back(self, job: str, *, paused: bool = False) -> bool:
        return await self._queue.put_back(job, paused=paused)

    async def pause(self, job: str) -> bool:
        return self._own(job) and await self._queue.pause(job)

    async def resume(self, job: str) -> bool:
        return self._own(job) and await self._queue.resume(job)

    async def delete(self, jobs: Sequence[str]) -> Sequence[str]:
        return await self._queue.delete([job for job in jobs if self._own(job)])

    async def clear(self) -> Sequence[str]:
        if self._owner is None:
            return await self._queue.clear()
        return await self._queue.delete([place.id for place in self.places(State.WAITING)])

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

    async def close(self) -> None:
        """It is not the request's to close."""


class OwnedHistory:
    """A user's runs in the history."""

    def __init__(self, history: History, user: str) -> None:
        self._history, self._user = history, user

    async def record(self, entry: Entry) -> bool:
        return await self._history.record(entry)

    def get(self, run: str, owner: str | None = None) -> Entry | None:
        return self._history.get(run, self._user)

    def entries(self, limit: int | None = None, offset: int | None = None, owner: str | None = None) -> Sequence[Entry]:
        return self._history.entries(limit, offset, self._user)

    async def delete(self, run: str, owner: str | None = None) -> bool:
        return await self._history.delete(run, self._user)

    async def clear(self, owner: str | None = None) -> None:
        await self._history.clear(self._user)

    def count(self, owner: str | None = None) -> int:
        return self._history.count(self._user)

    def __len__(self) -> int:
        return self.count()

    async def close(self) -> None:
        """It is not the request's to close."""


class OwnedRuns:
    """A user's runs in progress."""

    def __init__(self, runs: Runs, owns: Callable[[str], bool]) -> None:
        self._runs, self._owns = runs, owns

    @property
    def running(self) -> tuple[str, ...]:
        return tuple(filter(self._owns, self._runs.running))

    async def pause(self, job: str) -> bool:
        return self._owns(job) and await self._runs.pause(job)

    async def resume(self, job: str) -> bool:
        return self._owns(job) and await self._runs.resume(job)

    async def interrupt(self, run: str | None = None) -> bool:
        chosen = [name for name in self.running if run is None or name == run]
        return any([await self._runs.interrupt(name) for name in chosen])


class OwnedFeed:
    """What happens, as far as it concerns a user's runs or everyone."""

    def __init__(self, feed: Feed, owns: Callable[[str], bool]) -> None:
        self._feed, self._owns = feed, owns

    @property
    def last(self) -> int:
        return self._feed.last

    def begin_of(self, run: str) -> int:
        return self._feed.begin_of(run)

    def subscribe(self, since: int | None = None) -> Reader:
        return OwnedReader(self._feed.subscribe(since), self._owns)


class OwnedReader:
    """A subscription without other users' runs; a batch of nothing else is empty."""

    def __init__(self, reader: Reader, owns: Callable[[str], bool]) -> None:
        self._reader, self._owns = reader, owns

    @property
    def missed(self) -> int:
        return self._reader.missed

    @property
    def cursor(self) -> int:
        return self._reader.cursor

    def __aiter__(self) -> OwnedReader:
        return self

    async def __anext__(self) -> tuple[Message, ...]:
        batch = await anext(self._reader)
        return tuple(message for message in batch if message.run is None or self._owns(message.run))

    def close(self) -> None:
        self._reader.close()


class OwnedMachine:
    """The machine, which explains a user's own runs."""

    def __init__(self, machine: Machine, owns: Callable[[str], bool]) -> None:
        self._machine, self._owns = machine, owns

    @property
    def ready(self) -> bool:
        return self._machine.ready

    def devices(self) -> Sequence[Mapping[str, Any]]:
        return self._machine.devices()

    def versions(self) -> Mapping[str, str]:
        return self._machine.versions()

    async def admit(self, run: str, graph: Graph, targets: Sequence[str] | None) -> Verdict:
        return await self._machine.admit(run, graph, targets)

    def explain(self, run: str) -> Sequence[Reason] | None:
        return self._machine.explain(run) if self._owns(run) else None

    async def free(self, *, models: bool, cache: bool) -> None:
        await self._machine.free(models=models, cache=cache)

    async def load_model(self, kind: str, name: str) -> None:
        await self._machine.load_model(kind, name)


def confined(services: Services, identity: Identity, owners: Owners) -> Services:
    """The services as this user may use them."""
    most = services.settings.queued_per_user
    services = replace(services, queue=OwnedQueue(services.queue, identity, owners, most))
    if identity.sees_all:
        return services

    def owns(run: str) -> bool:
        return owners.of(run) == identity.user

    return replace(
        services,
        settings=replace(services.settings, webhooks_to_this_machine=False),
        history=OwnedHistory(services.history, identity.user),
        consumer=OwnedRuns(services.consumer, owns),
        bus=OwnedFeed(services.bus, owns),
        machine=OwnedMachine(services.machine, owns),
    )
