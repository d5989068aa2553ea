"""Runs steps in this process: the command line's executor. Importing nodes imports torch here."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from limner.engine.ports import Answer, Inquiry, Reporter, Segment, ValuesLost
from limner.engine.values import DISK, Fingerprint
from limner.graph import NodeSchema
from limner.plugins.crossing import CannotCross, pack, unpack
from limner.plugins.errors import HostRefused
from limner.plugins.host import HostCore
from limner.plugins.protocol import Parcel
from limner.plugins.shared import SharedPool
from limner.plugins.values import LostValue


class LocalExecutor:
    """A `limner.engine.ports.Executor` over a host in this process. Close it when done."""

    def __init__(self, core: HostCore, shared: Path | None = None) -> None:
        """`shared`: the folder of the shared memory that other hosts have too, if there are any."""
        self.core = core
        self._folder = shared
        self._pool = SharedPool(shared) if shared is not None else None

    @property
    def ready(self) -> bool:
        return True

    @property
    def place(self) -> str:
        return self.core.values.place

    @property
    def realm(self) -> str:
        """This machine's."""
        return ""

    def lives(self, place: str) -> bool:
        return place == self.place

    async def schemas(self) -> Sequence[NodeSchema]:
        return self.core.schemas()

    async def inquire(self, run: str, inquiries: Sequence[Inquiry]) -> Sequence[Answer]:
        return await self.core.inquire(run, inquiries)

    async def run(self, segment: Segment, report: Reporter) -> None:
        try:
            await self.core.run(segment, report)
        except LostValue as error:
            raise ValuesLost(DISK, str(error)) from error

    async def interrupt(self, run: str) -> None:
        self.core.interrupt(run)

    async def release(self, fingerprints: Sequence[Fingerprint]) -> None:
        self.core.release(fingerprints)

    async def finish(self, run: str, *, keep: bool = False) -> None:
        self.core.finish(run, keep=keep)

    async def ask(self, topic: str, data: object = None) -> object:
        """A question that is not about steps; raises LookupError where the host knows no such topic."""
        return await self.core.ask(topic, data)

    async def fetch(self, fingerprint: Fingerprint, output: int, *, shared: bool = False) -> Parcel:
        """The items of a held output, for another host. Raises HostRefused for live objects, ValuesLost."""
        try:
            items = self.core.items(fingerprint, output)
        except LostValue as error:
            raise ValuesLost(DISK, str(error)) from error
        try:
            return await asyncio.to_thread(pack, items, self._pool if shared else None)
        except CannotCross as error:
            raise HostRefused(type(error).__name__, str(error)) from error

    async def store(self, fingerprint: Fingerprint, outputs: Mapping[int, Parcel]) -> None:
        """Hold these items as outputs of the step."""
        items = {number: await asyncio.to_thread(unpack, parcel, self._folder) for number, parcel in outputs.items()}
        self.core.values.add(fingerprint, items)

    def arrived(self, parcels: Iterable[Parcel]) -> None:
        """What was fetched has been stored elsewhere, or will not be."""
        if self._pool is not None:
            self._pool.ended(parcel.slab for parcel in parcels if parcel.slab)

    def close(self) -> None:
        self.core.close()
        if self._pool is not None:
            self._pool.close()
