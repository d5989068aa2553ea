"""Several hosts as one executor: each node type runs in the host that has it, and values cross where they must.

    router = Router({"": main, "own": isolated}, home=lambda node_type: ...)

Rules, stated once:

- `home` names the host of a node type; the engine's segments keep to one host each (`group_of`).
- Before a segment goes out, what it takes from elsewhere is brought to its host (see `exchange`).
- A live object cannot cross: the step that takes it fails, with the input and what to do.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Iterable, Mapping, Sequence

from limner.engine.ports import Answer, Ended, Inquiry, Reporter, Segment, ValuesLost
from limner.engine.values import Failure, Fingerprint
from limner.graph import NodeSchema
from limner.plugins.protocol import Parcel

from .exchange import CANNOT_CROSS, CannotBring, Exchange, Host, Traffic
from .whereabouts import Name


class Router:
    """A `limner.engine.ports.Executor` over hosts by name; `title` is what a person calls the host of a name."""

    def __init__(
        self, hosts: Mapping[Name, Host], home: Callable[[str], Name], title: Callable[[Name], str] = repr
    ) -> None:
        self._hosts, self._home, self._title = dict(hosts), home, title
        self._exchange = Exchange(self._hosts)
        self._busy: dict[str, set[Name]] = {}
        """The hosts that have had a part in a run."""

    @property
    def ready(self) -> bool:
        """Whether all hosts have loaded."""
        return all(host.ready for host in self._hosts.values())

    @property
    def traffic(self) -> Traffic:
        """What has been copied from host to host."""
        return self._exchange.traffic

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
            await self._exchange.bring(segment.run, segment.tasks, name)
        except CannotBring as refusal:
            report([Ended(refusal.task.node, self._failure(refusal, name))])
            return
        fingerprints = {task.node: task.fingerprint for task in segment.tasks}

        def taken(reports: Sequence[object]) -> None:
            for item in reports:
                if type(item) is Ended:
                    self._exchange.ran(fingerprints[item.node], name, item.result)
            report(reports)  # type: ignore[arg-type]  # they are reports, as the host gave them

        await self._hosts[name].run(segment, taken)

    async def interrupt(self, run: str) -> None:
        for name in self._busy.get(run, ()):
            await self._hosts[name].interrupt(run)

    async def release(self, fingerprints: Sequence[Fingerprint]) -> None:
        await self._exchange.release(fingerprints)

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

    @property
    def realm(self) -> str:
        return self._first.realm

    def lives(self, place: str) -> bool:
        return any(host.lives(place) for host in self._hosts.values())

    async def fetch(self, fingerprint: Fingerprint, output: int, *, shared: bool = False) -> Parcel:
        """From whichever host holds it. Raises HostRefused for live objects, HostLost, ValuesLost."""
        names = self._exchange.values.holders((fingerprint, output)) or list(self._hosts)
        for name in names[:-1]:
            with contextlib.suppress(ValuesLost):
                return await self._hosts[name].fetch(fingerprint, output, shared=shared)
        return await self._hosts[names[-1]].fetch(fingerprint, output, shared=shared)

    async def store(self, fingerprint: Fingerprint, outputs: Mapping[int, Parcel]) -> None:
        """In the first host, from where others take it."""
        await self._first.store(fingerprint, outputs)
        name = next(iter(self._hosts))
        for output in outputs:
            self._exchange.values.copied((fingerprint, output), name, self._first.place)

    def arrived(self, parcels: Iterable[Parcel]) -> None:
        given = list(parcels)
        for host in self._hosts.values():
            host.arrived(given)

    @property
    def _first(self) -> Host:
        return next(iter(self._hosts.values()))

    def _failure(self, refusal: CannotBring, name: Name) -> Failure:
        task = refusal.task
        return Failure(
            CANNOT_CROSS,
            f"{task.type}: its input {refusal.entry!r} cannot be taken into {self._title(name)}: {refusal.reason}",
            remedy="Have both nodes in one host: end the isolation of their packs, or put them into the same pack",
            node=task.node,
        )
