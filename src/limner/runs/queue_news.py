"""Telling everyone how long the queue is: the sooner, the fewer there are to tell.

A change is told at once, and those that follow together after a pause that grows with the number of readers, so that no
more than a share of the time goes into it. The latest length is always told.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from .bus import Bus
from .message import Notice, QueueChanged

PAUSE = 50e-6
"""Seconds for each reader between two messages."""


class QueueNews:
    """`length` is that of the queue now."""

    def __init__(self, bus: Bus, length: Callable[[], int]) -> None:
        self._bus, self._length = bus, length
        self._next = 0.0
        self._waiting: asyncio.TimerHandle | None = None

    def changed(self) -> None:
        """The queue is not as it was."""
        if self._waiting is None:
            loop = asyncio.get_running_loop()
            if loop.time() >= self._next:
                self._tell()
            else:
                self._waiting = loop.call_at(self._next, self._tell)

    def _tell(self) -> None:
        self._waiting = None
        self._next = asyncio.get_running_loop().time() + PAUSE * self._bus.readers
        self._bus.publish([Notice(QueueChanged(self._length()))])

    def close(self) -> None:
        if self._waiting is not None:
            self._waiting.cancel()
            self._waiting = None
