"""What one user sees of what everyone does: the services of a request, confined to its user.

Rules:

- A job is its user's: the name is kept with it, in its `extra` under `OWNER`; what a client sends there is dropped.
- A user finds, changes and hears of own jobs only; another's are as if they were not there. An admin sees all.
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
from limner.queue import Job, JobQueue, NewJob
from limner.runs import Entry, History, Message

from .answers import ApiError
from .services import Feed, Machine, Reader, Runs, Services

OWNER = "limner_owner"
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
            found = self._history.get(run) or self._queued(run)
            owner = owner_of(found.extra) if found is not None else ""
            self.note(run, owner)
        return owner

    def _queued(self, run: str) -> Job | None:
        queued = (*self._queue.running(), *self._queue.waiting(), *self._queue.paused())
        return next((job for job in queued if job.id == run), None)


def owner_of(extra: Mapping[str, object]) -> str:
    """Who queued the job with this `extra`."""
    return str(extra.get(OWNER, ""))


class OwnedQueue:
    """A user's jobs in the queue."""

    def __init__(self, queue: JobQueue, identity: Identity, owners: Owners, most: int) -> None:
        self._queue, self._identity, self._owners, self._most = queue, identity, owners, most

    def _mine(self, job: Job) -> bool:
        return self._identity.sees_all or owner_of(job.extra) == self._identity.user

    async def add(self, new: NewJob, *, front: bool = False, number: float | None = None) -> Job:
        user = self._identity.user
        kept = (*self._queue.waiting(), *self._queue.paused()) if self._most and user else ()
        if kept and sum(owner_of(job.extra) == user for job in kept) >= self._most:
            remedy = "Wait until some have run, or take some out of the queue"
            raise ApiError(429, "queue_full", f"{self._most} jobs of yours wait already", remedy)
        extra = {key: value for key, value in new.extra.items() if key != OWNER}
        if user:
            extra[OWNER] = user
        self._owners.note(new.id, user)
        return await self._queue.add(replace(new, extra=extra), front=front, number=number)

    async def take(self) -> Job:
        return await self._queue.take()

    async def done(self, job: str) -> None:
        await self._queue.done(job)

    async def put_back(self, job: str) -> bool:
        return await self._queue.put_back(job)

    async def pause(self, job: str) -> bool:
        return any(own.id == job for own in (*self.running(), *self.waiting())) and await self._queue.pause(job)

    async def resume(self, job: str) -> bool:
        return any(own.id == job for own in self.paused()) and await self._queue.resume(job)

    def paused(self) -> tuple[Job, ...]:
        jobs = self._queue.paused()
        return jobs if self._identity.sees_all else tuple(filter(self._mine, jobs))

    def next(self) -> Job | None:
        return self._queue.next()

    async def delete(self, jobs: Sequence[str]) -> Sequence[str]:
        if self._identity.sees_all:
            return await self._queue.delete(jobs)
        own = {job.id for job in (*self.waiting(), *self.paused())}
        return await self._queue.delete([job for job in jobs if job in own])

    async def clear(self) -> Sequence[str]:
        if self._identity.sees_all:
            return await self._queue.clear()
        return await self._queue.delete([job.id for job in self.waiting()])

    def running(self) -> tuple[Job, ...]:
        return tuple(filter(self._mine, self._queue.running()))

    def waiting(self) -> tuple[Job, ...]:
        jobs = self._queue.waiting()
        return jobs if self._identity.sees_all else tuple(filter(self._mine, jobs))

    def __len__(self) -> int:
        return len(self._queue) if self._identity.sees_all else len(self.running()) + len(self.waiting())

    def watch(self, changed: Callable[[], None]) -> Callable[[], None]:
        return self._queue.watch(changed)

    async def close(self) -> None:
        """It is not the request's to close."""


class OwnedHistory:
    """A user's runs in the history."""

    def __init__(self, history: History, user: str) -> None:
        self._history, self._user = history, user

    def record(self, entry: Entry) -> None:
        self._history.record(entry)

    def _own(self) -> list[Entry]:
        return [entry for entry in self._history.entries() if owner_of(entry.extra) == self._user]

    def get(self, run: str) -> Entry | None:
        entry = self._history.get(run)
        return entry if entry is not None and owner_of(entry.extra) == self._user else None

    def entries(self, limit: int | None = None, offset: int | None = None) -> Sequence[Entry]:
        own = self._own()
        if offset is None or offset < 0:
            return own if limit is None else own[max(0, len(own) - limit) :]
        return own[offset:] if limit is None else own[offset : offset + max(0, limit)]

    def delete(self, run: str) -> bool:
        return self.get(run) is not None and self._history.delete(run)

    def clear(self) -> None:
        for entry in self._own():
            self._history.delete(entry.id)

    def __len__(self) -> int:
        return len(self._own())

    def close(self) -> None:
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
        history=OwnedHistory(services.history, identity.user),
        consumer=OwnedRuns(services.consumer, owns),
        bus=OwnedFeed(services.bus, owns),
        machine=OwnedMachine(services.machine, owns),
    )
