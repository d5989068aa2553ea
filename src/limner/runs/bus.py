"""Everything that happens, in one order, for any number of readers.

Messages are numbered from 1 in the order in which they are published and kept in a ring. Publishing never waits for a
reader, and wakes only those that a message is for: see `subscription`. A reader that falls behind by more than the ring
holds reads on in the log, where there is one; else it goes on with the oldest message that is left, and `missed` tells
how many it lost. Pictures (previews) are large and soon stale, so only the last few are kept; a reader that is late
does not get the others. Numbers go on over restarts where there is a log.
"""

from __future__ import annotations

import logging
import time
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from itertools import chain

from limner.database import DatabaseProblem
from limner.engine.events import StepPreview

from .eventlog import EventLog
from .message import Message, Notice
from .subscription import BATCH, Subscription

logger = logging.getLogger(__name__)

RING = 65_536
PICTURES = 64


class Bus:
    """Publishes notices to subscriptions. For one event loop."""

    def __init__(self, size: int = RING, pictures: int = PICTURES, log: EventLog | None = None) -> None:
        self._ring: list[Message | None] = [None] * size
        self._pictures: deque[int] = deque()
        self._most_pictures = pictures
        self._whole: set[Subscription] = set()
        self._of_clients: dict[str, set[Subscription]] = {}
        self._of_runs: dict[str, set[Subscription]] = {}
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

    @property
    def backlog(self) -> int:
        """How many messages wait for the slowest reader."""
        readers = chain(self._whole, *self._of_clients.values(), *self._of_runs.values())
        return max((reader.behind for reader in readers), default=0)

    def publish(self, notices: Sequence[Notice]) -> None:
        """Number the notices and wake the readers."""
        for notice in notices:
            self._wake(self._add((notice.body,), notice.run, notice.client))

    def tell(self, bodies: Sequence[object], run: str, client: str | None) -> None:
        """Publish several bodies of one run."""
        self._wake(self._add(bodies, run, client))

    def _add(self, bodies: Sequence[object], run: str | None, client: str | None) -> Sequence[Message]:
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
        return messages

    def _wake(self, messages: Sequence[Message]) -> None:
        for subscription in self._whole:
            subscription.wake()
        for message in messages:
            for subscription in self._concerned(message):
                subscription.put(message.sequence)

    def _concerned(self, message: Message) -> Iterable[Subscription]:
        """The readers of one client or run that this message is for."""
        if message.run is None and message.client is None:
            return chain.from_iterable(self._of_clients.values())
        return (*self._of_clients.get(message.client or "", ()), *self._of_runs.get(message.run or "", ()))

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

    @property
    def readers(self) -> int:
        """How many subscriptions there are that hear of the queue."""
        return len(self._whole) + sum(map(len, self._of_clients.values()))

    def followed(self, run: str) -> bool:
        """Whether somebody reads of this run alone."""
        return run in self._of_runs

    def message(self, sequence: int) -> Message | None:
        """The message of this number, if it is in memory."""
        found = self._ring[sequence % len(self._ring)]
        return found if found is not None and found.sequence == sequence else None

    def subscribe(self, since: int | None = None, *, client: str | None = None, run: str | None = None) -> Subscription:
        """Read from now on (None), or what is kept with a number above `since` and then on.

        With a `client`, what is for that one and what is for everyone; with a `run`, what happens in it; else all.
        """
        subscription = Subscription(self, self.last if since is None else min(since, self.last), client, run)
        self._readers_like(subscription).add(subscription)
        return subscription

    def remove(self, subscription: Subscription) -> None:
        """Stop waking this reader."""
        readers = self._readers_like(subscription)
        readers.discard(subscription)
        for key, known in ((subscription.client, self._of_clients), (subscription.run, self._of_runs)):
            if key is not None and not known.get(key):
                known.pop(key, None)

    def _readers_like(self, subscription: Subscription) -> set[Subscription]:
        if subscription.client is not None:
            return self._of_clients.setdefault(subscription.client, set())
        if subscription.run is not None:
            return self._of_runs.setdefault(subscription.run, set())
        return self._whole

    def __iter__(self) -> Iterator[Message]:
        return iter(self.since(self.first - 1, len(self._ring))[0])
