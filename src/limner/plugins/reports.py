"""Reports on their way from working threads to the loop that passes them on, in batches."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Sequence

from limner.engine.ports import Ended, Previewed, Progressed, Report, Reporter, Started

PAUSE = 0.004
"""Seconds for which reports are gathered; what is left at the end of a segment is passed on at once."""


class ReportBuffer:
    """Gathers reports from any thread; the loop gets them in order, in few batches."""

    def __init__(self, loop: asyncio.AbstractEventLoop, reporter: Reporter) -> None:
        self._loop, self._reporter = loop, reporter
        self._waiting: deque[Report] = deque()
        self._called = False

    def add(self, report: Report) -> None:
        self._waiting.append(report)
        if not self._called:
            self._called = True
            self._loop.call_soon_threadsafe(self._loop.call_later, PAUSE, self.flush)

    def flush(self) -> None:
        """Pass on what waits. Called in the loop."""
        self._called = False
        batch: list[Report] = []
        while self._waiting:
            batch.append(self._waiting.popleft())
        if batch:
            self._reporter(without_stale(batch))


def without_stale(batch: list[Report]) -> Sequence[Report]:
    """The batch without what later reports in it make stale.

    That is a start whose end is here too, and progress and previews that newer ones of the same node replace.
    """
    seen: set[tuple[type[Report], str]] = set()
    kept: list[Report] = []
    for report in reversed(batch):
        if isinstance(report, Ended):
            seen.add((Started, report.node))
        elif isinstance(report, Started | Progressed | Previewed):
            key = (type(report), report.node)
            if key in seen:
                continue
            seen.add(key)
        kept.append(report)
    kept.reverse()
    return kept
