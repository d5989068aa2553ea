"""Who may take a job from the queue: so many at a time, and one more for each that leaves its turn to others early.

A run that has only its last files to write gives its turn away, so that the next one has the device meanwhile. At most
`TAILS` runs a turn go on without one.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

TAILS = 2


class Turn:
    """A place that can be given away once."""

    def __init__(self, turns: asyncio.Semaphore) -> None:
        self._turns = turns
        self._has = True

    def give(self) -> None:
        """Let another one begin; again, it does nothing."""
        if self._has:
            self._has = False
            self._turns.release()


class Turns:
    """`concurrency` turns."""

    def __init__(self, concurrency: int) -> None:
        self._turns = asyncio.Semaphore(concurrency)
        self.workers = concurrency * (1 + TAILS)
        """How many can be at work at all."""

    @asynccontextmanager
    async def turn(self) -> AsyncIterator[Turn]:
        """Wait for a turn; it is given away at the end of the context at the latest."""
        await self._turns.acquire()
        turn = Turn(self._turns)
        try:
            yield turn
        finally:
            turn.give()
