"""Agents without a network: their calls are made in this process, and can be held up or cut off."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from dataclasses import replace

from limner.executors.local import LocalExecutor
from limner.executors.remote.agent import Agent
from limner.executors.remote.calls import Fetched, Given, Greeting, Held, Reference
from limner.plugins import protocol as p
from limner.plugins.client import Loaded
from limner.plugins.host import HostCore
from tests.support import host_nodes


class Near:
    """The calls of an agent in this process. `cut`: nothing gets through; `delay`: seconds of each call."""

    def __init__(self, name: str, core: HostCore | None = None, **greeting: object) -> None:
        self.core = core or host_nodes.core(device_thread=True)
        self.host = LocalExecutor(self.core)
        self.greeting = Greeting(
            name,
            "1.0",
            p.VERSION,
            time.time(),
            node_types={schema.type: schema.version for schema in self.core.schemas()},
        )
        self.greeting = replace(self.greeting, **greeting)  # type: ignore[arg-type]
        self.agent = Agent(self.host, self._greet, None)
        self.agent.loaded(Loaded(self.core.schemas(), ()))
        self.cut, self.delay = False, 0.0
        self.through = asyncio.Event()

    async def _greet(self) -> Greeting:
        return self.greeting

    async def _reach(self) -> None:
        if self.cut:
            await asyncio.sleep(3600)
        if self.delay:
            await asyncio.sleep(self.delay)

    async def hello(self) -> Greeting:
        await self._reach()
        return replace(await self.agent.hello(), time=self.greeting.time)

    async def open(self, session: str) -> Sequence[Held] | None:
        await self._reach()
        return await self.agent.open(session)

    async def take(self, session: str, frames: Sequence[bytes]) -> None:
        await self._reach()
        await self.agent.take(session, frames)

    async def give(self, session: str, seconds: float) -> Given:
        await self._reach()
        given = await self.agent.give(session, seconds)
        await self._reach()
        return given

    async def fetch(self, session: str, fingerprint: str, output: int) -> Fetched:
        await self._reach()
        fetched, data = await self.agent.fetch(session, fingerprint, output)
        return replace(fetched, data=data)

    async def store(self, session: str, fingerprint: str, output: int, data: Reference) -> Fetched:
        await self._reach()
        return await self.agent.store(session, fingerprint, output, data)

    async def put(self, data: bytes) -> Reference:
        return data

    async def get(self, data: Reference) -> bytes:
        return bytes(data)

    async def close(self) -> None:
        await self.agent.close()
        self.host.close()
