"""Everything that happens, in one order, for any number of readers.

Messages are numbered from 1 in the order in which they are published and kept in a ring. A reader is a cursor into the
ring: publishing costs the same however many read, and never waits. A reader that falls behind by more than the ring
holds goes on with the oldest message that is left, and `missed` tells how many it lost. Pictures (previews) are large
and soon stale, so only the last few are kept; a reader that is late does not get the others.
"""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import AsyncIterator, Iterator, Sequence
from dataclasses import dataclass

from limner.engine.events import StepPreview

RING = 65_536
PICTURES = 64
BATCH = 512


@dataclass(frozen=True, slots=True)
class Notice:
    """Something to publish: `body` is an engine `Event`, `Said`, `QueueChanged` or what else clients are told.

    `run` is the run that it belongs to, `client` the one client that it is for; None: everyone.
    """

    body: object
    run: str | None = None
    client: str | None = None


@dataclass(frozen=True, slots=True)
class QueueChanged:
    """How many jobs wait or run."""

    remaining: int


@dataclass(frozen=True, slots=True)
class Message:
    """A notice in its place; `time` is in seconds since 1970."""

    sequence: int
    body: object
    run: str | None
    client: str | None
    time: float


class Bus:
    """Publishes notices to subscriptions. For one event loop."""

    def __init__(self, size: int = RING, pictures: int = PICTURES) -> None:
        self._ring: list[Message | None] = [None] * size
        self._pictures: deque[int] = deque()
        self._most_pictures = pictures
        self._subscriptions: set[Subscription] = set()
        self.last = 0
        """The number of the latest message."""

    @property
    def first(self) -> int:
        """The number of the oldest message that is kept (one past the latest where there is none)."""
        return max(1, self.last - len(self._ring) + 1)

    def publish(self, notices: Sequence[Notice]) -> None:
        """Number the notices and wake the readers."""
        for notice in notices:
            self._add((notice.body,), notice.run, notice.client)
        self._wake()

    def tell(self, bodies: Sequence[object], run: str, client: str | None) -> None:
        """Publish several bodies of one run."""
        self._add(bodies, run, client)
        self._wake()

    def _add(self, bodies: Sequence[object], run: str | None, client: str | None) -> None:
        now = time.time()
        size = len(self._ring)
        for body in bodies:
            self.last += 1
            self._ring[self.last % size] = Message(self.last, body, run, client, now)
            if type(body) is StepPreview:
                self._keep_picture(self.last)

    def _wake(self) -> None:
        for subscription in self._subscriptions:
            subscription.wake()

    def _keep_picture(self, sequence: int) -> None:
        self._pictures.append(sequence)
        if len(self._pictures) > self._most_pictures:
            stale = self._pictures.popleft()
            if stale >= self.first:
                self._ring[stale % len(self._ring)] = None

    def since(self, sequence: int, limit: int = BATCH) -> tuple[tuple[Message, ...], int]:
        """Up to `limit` kept messages after this number, and the number to go on from."""
        begin = max(sequence + 1, self.first)
        end = min(self.last, begin + limit - 1)
        size = len(self._ring)
        kept = (self._ring[number % size] for number in range(begin, end + 1))
        return tuple(message for message in kept if message is not None), max(end, sequence)

    def subscribe(self, since: int | None = None) -> Subscription:
        """Read from now on (None), or what is kept with a number above `since` and then on."""
        subscription = Subscription(self, self.last if since is None else min(since, self.last))
        self._subscriptions.add(subscription)
        return subscription

    def remove(self, subscription: Subscription) -> None:
        """Stop waking this reader."""
        self._subscriptions.discard(subscription)

    def __iter__(self) -> Iterator[Message]:
        return iter(self.since(self.first - 1, len(self._ring))[0])


class Subscription(AsyncIterator[tuple[Message, ...]]):
    """One reader: an endless iterator of batches, which ends when it is closed."""

    def __init__(self, bus: Bus, cursor: int) -> None:
        self._bus = bus
        self.cursor = cursor
        """The number of the last message that was taken."""
        self.missed = 0
        """How many messages were gone before they were taken."""
        self._more = asyncio.Event()
        self._closed = False
        if cursor < bus.last:
            self._more.set()

    def wake(self) -> None:
        self._more.set()

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
        self.missed += max(0, self._bus.first - self.cursor - 1)
        batch, self.cursor = self._bus.since(self.cursor, limit)
        while not batch and self.cursor < self._bus.last:
            batch, self.cursor = self._bus.since(self.cursor, limit)
        if self.cursor >= self._bus.last and not self._closed:
            self._more.clear()
        return batch

    def close(self) -> None:
        """End the iteration."""
        self._closed = True
        self._more.set()
        self._bus.remove(self)
