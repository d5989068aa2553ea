"""Readers of the event bus that only listen: metrics, traces."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager

from limner.runs import Bus, Message

log = logging.getLogger(__name__)


@asynccontextmanager
async def reading(bus: Bus, hear: Callable[[Sequence[Message]], None]) -> AsyncIterator[None]:
    """`hear` gets all that happens, in batches, until the context ends. What it raises is logged; it goes on."""
    subscription = bus.subscribe()

    async def read() -> None:
        async for batch in subscription:
            try:
                hear(batch)
            except Exception:
                log.exception("a reader of events failed")

    task = asyncio.create_task(read())
    try:
        yield
    finally:
        subscription.close()
        await task
