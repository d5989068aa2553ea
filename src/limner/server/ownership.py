"""What one user sees of what everyone does: the services of a request, confined to its user.

Rules:

- A job is its user's: the name comes from the login alone, and is kept with the job and its run.
- A user finds, changes and hears of own jobs only; another's are as if they were not there. An admin sees all.
- A user has own input, output and temporary files, in folders below those of all (`Folders.of`); nodes and routes see
  no others. An admin sees the folders of all, and everyone's in them.
- Nobody but an admin comes before others: a user's job goes in front of the user's own, and gets no higher priority.
- Routes get these services by `services(request)`, so that no route can forget it.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from limner.accounts import Identity
from limner.comfy.object_info import ObjectInfo
from limner.engine import Reason
from limner.graph import Graph
from limner.graph.validate import Verdict
from limner.runs import Message

from .owned_history import OwnedHistory, WholeHistory
from .owned_queue import OwnedQueue, Owners
from .services import Feed, Machine, Reader, Runs, Services

MOST_HOMES = 32
"""Users whose `/object_info` is remembered."""


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

    async def cancel(self, jobs: Sequence[str]) -> Sequence[str]:
        return await self._runs.cancel([job for job in jobs if self._owns(job)])

    def gone(self, jobs: Sequence[str]) -> None:
        self._runs.gone(jobs)  # those that the user's own queue has let go

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

    def subscribe(self, since: int | None = None, *, client: str | None = None, run: str | None = None) -> Reader:
        return OwnedReader(self._feed.subscribe(since, client=client, run=run), self._owns)


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
    """The machine, which explains a user's own runs, and looks at the user's own files."""

    def __init__(self, machine: Machine, owns: Callable[[str], bool], home: str) -> None:
        self._machine, self._owns, self._home = machine, owns, home

    @property
    def ready(self) -> bool:
        return self._machine.ready

    def devices(self) -> Sequence[Mapping[str, Any]]:
        return self._machine.devices()

    def versions(self) -> Mapping[str, str]:
        return self._machine.versions()

    async def admit(self, run: str, graph: Graph, targets: Sequence[str] | None, home: str = "") -> Verdict:
        return await self._machine.admit(run, graph, targets, self._home)

    def explain(self, run: str) -> Sequence[Reason] | None:
        return self._machine.explain(run) if self._owns(run) else None

    async def free(self, *, models: bool, cache: bool) -> None:
        await self._machine.free(models=models, cache=cache)

    async def load_model(self, kind: str, name: str) -> None:
        await self._machine.load_model(kind, name)


class Homes:
    """What `/object_info` says in each user's folders: made when it is asked for, and a few remembered."""

    def __init__(self, services: Services) -> None:
        self._services = services
        self._made: OrderedDict[str, tuple[ObjectInfo, ObjectInfo]] = OrderedDict()

    def object_info(self, home: str) -> ObjectInfo:
        whole = self._services.object_info()
        of, made = self._made.get(home, (None, None))
        if of is not whole or made is None:
            made = whole.elsewhere(self._services.folders.of(home).choices)
            self._made[home] = whole, made
            while len(self._made) > MOST_HOMES:
                self._made.popitem(last=False)
        self._made.move_to_end(home)
        return made


def confined(services: Services, identity: Identity, owners: Owners, homes: Homes) -> Services:
    """The services as this user may use them."""
    most = services.settings.queued_per_user
    services = replace(services, queue=OwnedQueue(services.queue, identity, owners, most))
    if identity.sees_all:
        return replace(services, history=WholeHistory(services.history)) if identity.user else services

    def owns(run: str) -> bool:
        return owners.of(run) == identity.user

    return replace(
        services,
        settings=replace(services.settings, webhooks_to_this_machine=False),
        history=OwnedHistory(services.history, identity.user),
        consumer=OwnedRuns(services.consumer, owns),
        bus=OwnedFeed(services.bus, owns),
        machine=OwnedMachine(services.machine, owns, identity.home),
        folders=services.folders.of(identity.home),
        object_info=lambda: homes.object_info(identity.home),
    )
