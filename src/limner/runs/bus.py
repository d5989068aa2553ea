"""Everything that happens, in one order, for any number of readers.

Messages are numbered from 1 in the order in which they are published and kept in a ring. A reader is a cursor into the
ring: publishing costs the same however many read, and never waits. A reader that falls behind by more than the ring
holds reads on in the log, where there is one; else it goes on with the oldest message that is left, and `missed` tells
how many it lost. Pictures (previews) are large and soon stale, so only the last few are kept; a reader that is late
does not get the others. Numbers go on over restarts where there is a log.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections import deque
from collections.abc import AsyncIterator, Iterator, Sequence

from limner.database import DatabaseProblem
from limner.engine.events import StepPreview

from .eventlog import EventLog
from .message import Message, Notice

logger = logging.getLogger(__name__)

RING = 65_536
PICTURES = 64
BATCH = 512


class Bus:
    """Publishes notices to subscriptions. For one event loop."""

    def __init__(self, size: int = RING, pictures: int = PICTURES, log: EventLog | None = None) -> None:
        self._ring: list[Message | None] = [None] * size
        self._pictures: deque[int] = deque()
        self._most_pictures = pictures
        self._subscriptions: set[Subscription] = set()
        self._log = log
        self._begin = log.begin if log is not None else 0
        self.last = self._begin
        """The number of the latest message."""

    @property
    def logs(self) -> bool:
        """Whether what is not in memory any more is read from a log."""
        return self._log is not None

    @property
    def first(self) -> int:
        """The number of the oldest message in memory (one past the latest where there is none)."""
        return max(self._begin + 1, self.last - len(self._ring) + 1)

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
        messages = [Message(self.last + number, body, run, client, now) for number, body in enumerate(bodies, 1)]
        for message in messages:
            self.last = message.sequence
            self._ring[self.last % size] = message
            if type(message.body) is StepPreview:
                self._keep_picture(self.last)
        if self._log is not None and run is not None:
            self._log.keep(messages)

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
        if self._log is not None and sequence + 1 < self.first:
            logged = self._logged(self._log, sequence, limit)
            if logged:
                return tuple(logged), logged[-1].sequence
        begin = max(sequence + 1, self.first)
        end = min(self.last, begin + limit - 1)
        size = len(self._ring)
        kept = (self._ring[number % size] for number in range(begin, end + 1))
        return tuple(message for message in kept if message is not None), max(end, sequence)

    def begin_of(self, run: str) -> int:
        """The number after which a run begins, as far as it is kept; that of the latest message for an unknown one."""
        first = None
        if self._log is not None:
            try:
                first = self._log.first_of(run)
            except DatabaseProblem as error:
                logger.warning("what happened before cannot be told: %s", error)
        if first is None:
            found = (message for message in self if message.run == run)
            first = next((message.sequence for message in found), self.last + 1)
        return first - 1

    def _logged(self, log: EventLog, sequence: int, limit: int) -> list[Message]:
        try:
            return log.read(sequence, self.first - 1, limit)
        except DatabaseProblem as error:
            logger.warning("what happened before cannot be told: %s", error)
            return []

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
        if not self._bus.logs:
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
