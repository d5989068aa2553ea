"""Runs steps in this process: the command line's executor. Importing nodes imports torch here."""

from __future__ import annotations

from collections.abc import Sequence

from limner.engine.ports import Answer, Inquiry, Reporter, Segment, ValuesLost
from limner.engine.values import DISK, Fingerprint
from limner.graph import NodeSchema
from limner.plugins.host import HostCore
from limner.plugins.values import LostValue


class LocalExecutor:
    """A `limner.engine.ports.Executor` over a host in this process. Close it when done."""

    def __init__(self, core: HostCore) -> None:
        self.core = core

    @property
    def place(self) -> str:
        return self.core.values.place

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

    def close(self) -> None:
        self.core.close()
