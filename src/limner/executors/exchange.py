"""Values that go from host to host: fetched where they are, stored where they are needed, each output once.

Rules, stated once:

- A value stays where it was made. When a host needs it, it gets a copy, which it holds until the value is released.
- A live object cannot cross. `remake` may make it in the other host instead; else the step that takes it is refused.
- A value that no host has held is on the disk: the host that needs it finds it there by itself, or another gives it.
- When the host is gone that a value was made in, and nobody has a copy, it is lost (`ValuesLost`), to be made again.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from limner.engine.ports import Executor, HostLost, Task, ValuesLost
from limner.engine.values import DISK, Fingerprint, Gathered, Held
from limner.plugins.errors import HostRefused
from limner.plugins.protocol import Parcel

from .whereabouts import Name, Wanted, Whereabouts

CANNOT_CROSS = "CannotCross"
EARLIER = "~"
"""At the end of a place: what was there before this server was."""
ASKED = 4
"""Hosts, the first of all, that are asked for what lies on the disk."""


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

    @property
    def realm(self) -> str:
        """Hosts of one realm share memory: what one of them packs for it, the others can unpack."""
        ...

    async def ask(self, topic: str, data: object = None) -> object: ...

    async def fetch(self, fingerprint: Fingerprint, output: int, *, shared: bool = False) -> Parcel: ...

    async def store(self, fingerprint: Fingerprint, outputs: Mapping[int, Parcel]) -> None: ...

    def arrived(self, parcels: Iterable[Parcel]) -> None: ...


class CannotBring(Exception):
    """A task needs, by this input, a live object that cannot go to its host."""

    def __init__(self, task: Task, entry: str, reason: str) -> None:
        self.task, self.entry, self.reason = task, entry, reason
        super().__init__(reason)


@dataclass(slots=True)
class Traffic:
    """What has been copied from host to host so far."""

    values: int = 0
    bytes: int = 0


class Exchange:
    """Knows where values are and brings them to where they are needed. `hosts` may change meanwhile."""

    def __init__(
        self,
        hosts: Mapping[Name, Host],
        remake: Callable[[str, Wanted, Name], Awaitable[bool]] | None = None,
    ) -> None:
        """`remake` makes a live object in a host for a run, by running its step there; False where it cannot."""
        self._hosts, self._remake = hosts, remake
        self.values = Whereabouts(self._lives)
        self.traffic = Traffic()
        self._crossings: dict[tuple[Wanted, Name], asyncio.Task[None]] = {}

    def _lives(self, name: Name, place: str) -> bool:
        host = self._hosts.get(name)
        return host is not None and host.lives(place)

    def ran(self, fingerprint: Fingerprint, name: Name, result: object) -> None:
        """A step ended in this host."""
        self.values.ran(fingerprint, name, self._hosts[name].place, result)

    async def release(self, fingerprints: Sequence[Fingerprint]) -> None:
        """Nobody needs these any more."""
        held: dict[Name, list[Fingerprint]] = {}
        for fingerprint in fingerprints:
            for name in self.values.release(fingerprint):
                held.setdefault(name, []).append(fingerprint)
        for name, gone in held.items():
            if (host := self._hosts.get(name)) is not None:
                await host.release(gone)

    async def bring(self, run: str, tasks: Sequence[Task], name: Name) -> None:
        """Have the host hold all that the tasks take from elsewhere. Raises CannotBring, HostLost, ValuesLost."""
        inside = {task.fingerprint for task in tasks}
        missing: dict[Wanted, tuple[Task, str]] = {}
        for task in tasks:
            for wanted, entry in wanted_by(task):
                if wanted[0] not in inside and name not in self.values.holders(wanted):
                    missing.setdefault(wanted, (task, entry))
        if missing:
            await asyncio.gather(*(self._bring(run, wanted, name, *where) for wanted, where in missing.items()))

    async def _bring(self, run: str, wanted: Wanted, name: Name, task: Task, entry: str) -> None:
        """Once, however many ask for it at the same time."""
        crossing = self._crossings.get((wanted, name))
        if crossing is None:
            crossing = self._crossings[wanted, name] = asyncio.create_task(self._cross(run, wanted, name))
            crossing.add_done_callback(lambda done: self._crossings.pop((wanted, name), None))
        try:
            await asyncio.shield(crossing)
        except HostRefused as error:
            if error.kind != CANNOT_CROSS:
                raise
            raise CannotBring(task, entry, str(error)) from error

    async def _cross(self, run: str, wanted: Wanted, name: Name) -> None:
        origin = self.values.origin(wanted)
        from_disk = [other for other in self._hosts if other != name][:ASKED] if not origin else []
        for source in self.values.holders(wanted) or from_disk:
            try:
                if await self._carried(wanted, source, name):
                    return
            except HostRefused as error:
                if error.kind == CANNOT_CROSS and self._remake is not None and await self._remake(run, wanted, name):
                    return
                raise
        if origin:
            raise ValuesLost(origin, "the host that held a value is gone")

    async def _carried(self, wanted: Wanted, source: Name, name: Name) -> bool:
        """Whether the source had it. Raises ValuesLost when the source dies, HostLost when the target does."""
        giver, taker = self._hosts.get(source), self._hosts.get(name)
        if taker is None:
            raise HostLost(name, f"{name} is gone", blameless=True)
        if giver is None:
            return False
        place = giver.place
        try:
            parcel = await giver.fetch(*wanted, shared=giver.realm == taker.realm)
        except HostLost as loss:
            if loss.place == DISK:
                return False
            raise ValuesLost(place, loss.reason) from loss
        try:
            await taker.store(wanted[0], {wanted[1]: parcel})
        finally:
            giver.arrived([parcel])
        self.values.copied(wanted, name, taker.place)
        self.traffic.values += 1
        self.traffic.bytes += parcel.size
        return True


def wanted_by(task: Task) -> Iterator[tuple[Wanted, str]]:
    """The held values that a task takes, and by which input."""
    for entry, value in task.inputs.items():
        for held in value.parts if isinstance(value, Gathered) else (value,):
            if isinstance(held, Held):
                yield (held.fingerprint, held.output), entry
