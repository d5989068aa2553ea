"""One reader of the bus.

Rules:

- A reader of everything is a cursor into the ring, and is woken by each message.
- A reader of one client or run is told the numbers of its messages, so that thousands of such readers cost nothing
  while others' messages pass. One that does not take them is told no more: it looks through the ring, and the log, from
  where it was.
- What waits is numbers, never pictures: a reader that stalls holds no memory.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator
from typing import TYPE_CHECKING

from .message import Message

if TYPE_CHECKING:
    from .bus import Bus

BATCH = 512
MOST_WAITING = 1024
"""Numbers that are kept for a reader of one client or run."""


class Subscription(AsyncIterator[tuple[Message, ...]]):
    """An endless iterator of batches, which ends when it is closed."""

    def __init__(self, bus: Bus, cursor: int, client: str | None = None, run: str | None = None) -> None:
        self._bus = bus
        self.client, self.run = client, run
        self.cursor = cursor
        """The number of the last message that was taken, or passed over."""
        self.missed = 0
        """How many messages were gone before they were taken."""
        self._more = asyncio.Event()
        self._closed = False
        self._waiting: deque[int] = deque()
        self._looks = (client is None and run is None) or cursor < bus.last
        """Whether it looks for its messages in the ring."""
        if cursor < bus.last:
            self._more.set()

    @property
    def behind(self) -> int:
        """How many messages it has not taken, or has to look through."""
        return self._bus.last - self.cursor if self._looks else len(self._waiting)

    def wake(self) -> None:
        self._more.set()

    def put(self, sequence: int) -> None:
        """There is a message for this reader of one client or run."""
        if not self._looks:
            self._waiting.append(sequence)
            if len(self._waiting) > MOST_WAITING:
                self._look()
        self._more.set()

    def _look(self) -> None:
        self._waiting.clear()
        self._looks = True

    def __aiter__(self) -> Subscription:
        return self

    async def __anext__(self) -> tuple[Message, ...]:
        while not self._closed:
            batch = self.take()
            if batch:
                return batch
            await self._more.wait()
        raise StopAsyncIteration

    def take(self, limit: int = BATCH) -> tuple[Message, ...]:
        """What is there now, at most `limit` messages."""
        if self._waiting and self._waiting[0] < self._bus.first:
            self._look()
        batch = self._looked(limit) if self._looks else self._told(limit)
        if not self._waiting and (not self._looks or self.cursor >= self._bus.last) and not self._closed:
            self._more.clear()
        return batch

    def _told(self, limit: int) -> tuple[Message, ...]:
        numbers = [self._waiting.popleft() for _ in range(min(limit, len(self._waiting)))]
        self.cursor = numbers[-1] if self._waiting else self._bus.last
        return tuple(message for number in numbers if (message := self._bus.message(number)) is not None)

    def _looked(self, limit: int) -> tuple[Message, ...]:
        if not self._bus.logs:
            self.missed += max(0, self._bus.first - self.cursor - 1)
        batch: tuple[Message, ...] = ()
        while not batch and self.cursor < self._bus.last:
            found, self.cursor = self._bus.since(self.cursor, limit)
            batch = tuple(filter(self._wants, found))
        self._looks = (self.client is None and self.run is None) or self.cursor < self._bus.last
        return batch

    def _wants(self, message: Message) -> bool:
        if self.client is not None:
            return message.client == self.client or (message.run is None and message.client is None)
        return self.run is None or message.run == self.run

    def close(self) -> None:
        """End the iteration."""
        self._closed = True
        self._more.set()
        self._bus.remove(self)
