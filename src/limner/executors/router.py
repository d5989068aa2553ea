"""Several hosts as one executor: each node type runs in the host that has it, and values cross where they must.

    router = Router({"": main, "own": isolated}, home=lambda node_type: ...)

Rules, stated once:

- `home` names the host of a node type; the engine's segments keep to one host each (`group_of`).
- A value stays where it was made. Before a segment goes out, what it takes from elsewhere is fetched and stored in its
  host, each output once; from then on that host holds a copy too, until the value is released.
- A live object cannot cross: the step that takes it fails, with the input and what to do.
- When values that a segment needs went with another host, the segment comes back (`ValuesLost`): they are made again.
- A value that no host has held is on the disk: the host that needs it finds it there by itself, or another gives it.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Protocol

from limner.engine.ports import Answer, Ended, Executor, HostLost, Inquiry, Reporter, Segment, Task, ValuesLost
from limner.engine.values import DISK, Failure, Fingerprint, Gathered, Held
from limner.graph import NodeSchema
from limner.plugins.errors import HostRefused
from limner.plugins.protocol import Parcel

from .whereabouts import Name, Wanted, Whereabouts

CANNOT_CROSS = "CannotCross"


class Host(Executor, Protocol):
    """An executor whose values can be taken elsewhere (`process.ProcessExecutor` is one)."""

    @property
    def place(self) -> str:
        """Where values that come from elsewhere are held now."""
        ...

    def lives(self, place: str) -> bool:
        """Whether the values that were made in this place are still there."""
        ...

    @property
    def ready(self) -> bool: ...

    async def ask(self, topic: str, data: object = None) -> object: ...

    async def fetch(self, fingerprint: Fingerprint, output: int, *, shared: bool = False) -> Parcel: ...

    async def store(self, fingerprint: Fingerprint, outputs: Mapping[int, Parcel]) -> None: ...

    def arrived(self, parcels: Iterable[Parcel]) -> None: ...


class _Refused(Exception):
    """A live object cannot go to where a task needs it."""

    def __init__(self, task: Task, entry: str, reason: str) -> None:
        self.task, self.entry, self.reason = task, entry, reason
        super().__init__(reason)


class Router:
    """A `limner.engine.ports.Executor` over hosts by name; `title` is what a person calls the host of a name."""

    def __init__(
        self, hosts: Mapping[Name, Host], home: Callable[[str], Name], title: Callable[[Name], str] = repr
    ) -> None:
        self._hosts, self._home, self._title = dict(hosts), home, title
        self._values = Whereabouts(lambda name, place: self._hosts[name].lives(place))
        self._crossings: dict[tuple[Wanted, Name], asyncio.Task[None]] = {}
        self._busy: dict[str, set[Name]] = {}
        """The hosts that have had a part in a run."""

    @property
    def ready(self) -> bool:
        """Whether all hosts have loaded."""
        return all(host.ready for host in self._hosts.values())

    def group_of(self, node_type: str) -> Name:
        return self._home(node_type)

    async def schemas(self) -> Sequence[NodeSchema]:
        parts = await asyncio.gather(*(host.schemas() for host in self._hosts.values()))
        return [schema for part in parts for schema in part]

    async def inquire(self, run: str, inquiries: Sequence[Inquiry]) -> Sequence[Answer]:
        by_host: dict[Name, list[int]] = {}
        for number, inquiry in enumerate(inquiries):
            by_host.setdefault(self._home(inquiry.type), []).append(number)
        asked = [
            self._hosts[name].inquire(run, [inquiries[number] for number in numbers])
            for name, numbers in by_host.items()
        ]
        answers: dict[int, Answer] = {}
        for numbers, given in zip(by_host.values(), await asyncio.gather(*asked), strict=True):
            answers.update(zip(numbers, given, strict=True))
        return [answers[number] for number in range(len(inquiries))]

    async def run(self, segment: Segment, report: Reporter) -> None:
        name = self._home(segment.tasks[0].type)
        self._busy.setdefault(segment.run, set()).add(name)
        try:
            await self._bring_all(segment.tasks, name)
        except _Refused as refusal:
            report([Ended(refusal.task.node, self._failure(refusal, name))])
            return
        fingerprints = {task.node: task.fingerprint for task in segment.tasks}

        def taken(reports: Sequence[object]) -> None:
            for item in reports:
                if type(item) is Ended:
                    self._values.ran(fingerprints[item.node], name, self._hosts[name].place, item.result)
            report(reports)  # type: ignore[arg-type]  # they are reports, as the host gave them

        await self._hosts[name].run(segment, taken)

    async def interrupt(self, run: str) -> None:
        for name in self._busy.get(run, ()):
            await self._hosts[name].interrupt(run)

    async def release(self, fingerprints: Sequence[Fingerprint]) -> None:
        held: dict[Name, list[Fingerprint]] = {}
        for fingerprint in fingerprints:
            for name in self._values.release(fingerprint):
                held.setdefault(name, []).append(fingerprint)
        for name, gone in held.items():
            await self._hosts[name].release(gone)

    async def finish(self, run: str, *, keep: bool = False) -> None:
        for name in self._busy.pop(run, set()):
            await self._hosts[name].finish(run, keep=keep)

    async def ask(self, topic: str, data: object = None) -> object:
        """Ask the first host. Raises LookupError for an unknown topic, HostRefused, HostLost."""
        return await self._first.ask(topic, data)

    # As a host among others

    @property
    def place(self) -> str:
        return self._first.place

    def lives(self, place: str) -> bool:
        return any(host.lives(place) for host in self._hosts.values())

    async def fetch(self, fingerprint: Fingerprint, output: int, *, shared: bool = False) -> Parcel:
        """From whichever host holds it. Raises HostRefused for live objects, HostLost, ValuesLost."""
        names = self._values.holders((fingerprint, output)) or list(self._hosts)
        for name in names[:-1]:
            with contextlib.suppress(ValuesLost):
                return await self._hosts[name].fetch(fingerprint, output, shared=shared)
        return await self._hosts[names[-1]].fetch(fingerprint, output, shared=shared)

    async def store(self, fingerprint: Fingerprint, outputs: Mapping[int, Parcel]) -> None:
        """In the first host, from where others take it."""
        await self._first.store(fingerprint, outputs)
        name = next(iter(self._hosts))
        for output in outputs:
            self._values.copied((fingerprint, output), name, self._first.place)

    def arrived(self, parcels: Iterable[Parcel]) -> None:
        given = list(parcels)
        for host in self._hosts.values():
            host.arrived(given)

    @property
    def _first(self) -> Host:
        return next(iter(self._hosts.values()))

    async def _bring_all(self, tasks: Sequence[Task], name: Name) -> None:
        """Have the host hold all that the tasks take from elsewhere. Raises _Refused, HostLost."""
        inside = {task.fingerprint for task in tasks}
        missing: dict[Wanted, tuple[Task, str]] = {}
        for task in tasks:
            for wanted, entry in _wanted(task):
                if wanted[0] not in inside and name not in self._values.holders(wanted):
                    missing.setdefault(wanted, (task, entry))
        if missing:
            await asyncio.gather(*(self._bring(wanted, name, *where) for wanted, where in missing.items()))

    async def _bring(self, wanted: Wanted, name: Name, task: Task, entry: str) -> None:
        """Once, however many ask for it at the same time."""
        crossing = self._crossings.get((wanted, name))
        if crossing is None:
            crossing = self._crossings[wanted, name] = asyncio.create_task(self._cross(wanted, name))
            crossing.add_done_callback(lambda done: self._crossings.pop((wanted, name), None))
        try:
            await asyncio.shield(crossing)
        except HostRefused as error:
            if error.kind != CANNOT_CROSS:
                raise
            raise _Refused(task, entry, str(error)) from error

    async def _cross(self, wanted: Wanted, name: Name) -> None:
        origin = self._values.origin(wanted)
        from_disk = [other for other in self._hosts if other != name] if not origin else []
        for source in self._values.holders(wanted) or from_disk:
            parcel = await self._fetched(wanted, source)
            if parcel is None:
                continue
            try:
                await self._hosts[name].store(wanted[0], {wanted[1]: parcel})
            finally:
                self._hosts[source].arrived([parcel])
            self._values.copied(wanted, name, self._hosts[name].place)
            return
        if origin:
            raise ValuesLost(origin, "the host that held a value is gone")

    async def _fetched(self, wanted: Wanted, source: Name) -> Parcel | None:
        """The value, or None where this host does not find it after all. Raises ValuesLost when the host dies."""
        host = self._hosts[source]
        place = host.place
        try:
            return await host.fetch(*wanted, shared=True)
        except HostLost as loss:
            if loss.place == DISK:
                return None
            raise ValuesLost(place, loss.reason) from loss

    def _failure(self, refusal: _Refused, name: Name) -> Failure:
        task = refusal.task
        return Failure(
            CANNOT_CROSS,
            f"{task.type}: its input {refusal.entry!r} cannot be taken into {self._title(name)}: {refusal.reason}",
            remedy="Have both nodes in one host: end the isolation of their packs, or put them into the same pack",
            node=task.node,
        )


def _wanted(task: Task) -> Iterator[tuple[Wanted, str]]:
    """The held values that a task takes, and by which input."""
    for entry, value in task.inputs.items():
        for held in value.parts if isinstance(value, Gathered) else (value,):
            if isinstance(held, Held):
                yield (held.fingerprint, held.output), entry
