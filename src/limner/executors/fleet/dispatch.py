"""Jobs of the queue for the workers of a fleet: what `matcher` decides, done.

A `limner.runs` consumer takes its jobs from here. A job that no worker can run is given to it too, so that it ends as
any other: `check` says why it cannot run.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from time import monotonic

from limner.graph import InvalidGraph, Problem
from limner.queue import Job, JobQueue, Place, State

from .decisions import Match, Refusal
from .fleet import Fleet
from .matching import LOOK, MOST

NO_WORKER = "no_worker"
REMEDY = "Start a worker that has what is missing (limner worker), or install it on one that is there"
AGAIN = 1.0
"""Seconds after which jobs are looked at again while workers are idle."""
TAILS = 2
"""Jobs for each slot that have only their last files to write, and go on without one."""

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Dispatched:
    """A job with a worker. `give` leaves the worker to others, `end` says that it is over."""

    job: Job
    give: Callable[[], None]
    end: Callable[[], None]


class Dispatcher:
    """A source of jobs for as many workers as there are."""

    def __init__(self, queue: JobQueue, fleet: Fleet) -> None:
        self._queue, self._fleet = queue, fleet
        self._matcher = fleet.matcher
        self._wake = asyncio.Event()
        self._decided: deque[Match | Refusal] = deque()
        self._tails: set[str] = set()
        self._refused: dict[str, str] = {}
        fleet.changed = self._wake.set
        queue.watch(self._wake.set)

    @property
    def slots(self) -> int:
        return self._matcher.slots

    def check(self, job: str) -> None:
        """Raises InvalidGraph for a job that was given out though no worker can run it."""
        if reason := self._refused.get(job):
            raise InvalidGraph([Problem(NO_WORKER, "No worker can run this", REMEDY, detail=reason)])

    async def next(self) -> Dispatched:
        """Wait for a job that a worker can begin with, and take it."""
        while True:
            if not self._decided:
                self._wake.clear()
                self._fleet.answer()
                if not self._queue.held and len(self._tails) <= TAILS * max(1, self.slots):
                    self._decided.extend(
                        self._matcher.decide(self.waiting(), self._queue.count(State.WAITING), monotonic())
                    )
            while self._decided:
                decision = self._decided.popleft()
                try:
                    job = await self._queue.take(decision.run)
                except LookupError:  # it was deleted or paused meanwhile
                    self._unmatch(decision)
                    continue
                except BaseException:
                    self._unmatch(decision)
                    raise
                return self._dispatched(job, decision)
            with contextlib.suppress(TimeoutError):  # who waits for a busy worker does not do so for ever
                await asyncio.wait_for(self._wake.wait(), AGAIN if self._matcher.has_idle else None)

    def victim(self, waiting: Place, running: Sequence[Place]) -> Place | None:
        """The running job that has to leave its worker to one that is more urgent; None where none has."""
        by_run = {place.id: place for place in running}
        found = self._matcher.victim(waiting, by_run)
        return None if found is None else by_run[found]

    def _unmatch(self, decision: Match | Refusal) -> None:
        if isinstance(decision, Match):
            self._matcher.freed(decision.run, decision.worker)

    def waiting(self) -> Iterator[Place]:
        """The jobs that wait, in a fair order."""
        heads = {owner: self._of(owner) for owner in self._queue.owners()}
        return self._matcher.fair(heads)

    def _of(self, owner: str) -> Iterator[Place]:
        """The first jobs of an owner; no more of them are read than are looked at."""
        offset, size = 0, 8
        while offset < MOST:
            page = self._queue.places(State.WAITING, owner, offset, size)
            yield from page
            if len(page) < size:
                return
            offset, size = offset + size, LOOK

    def _dispatched(self, job: Job, decision: Match | Refusal) -> Dispatched:
        if isinstance(decision, Refusal):
            self._refused[job.id] = decision.reason
            log.warning("job %s cannot run: %s", job.id, decision.reason)
            return Dispatched(job, lambda: None, lambda: self._forget(job.id))
        log.info("job %s goes to %s", job.id, decision.worker)
        self._fleet.assign(job.id, decision.worker, decision.needs)
        begun, over = monotonic(), [False]

        def give() -> None:
            self._tails.add(job.id)
            self._fleet.freed(job.id)

        def end() -> None:
            if over[0]:
                return
            over[0] = True
            self._tails.discard(job.id)
            self._fleet.freed(job.id)
            self._matcher.took(job.place.owner, monotonic() - begun, loaded=decision.cold)
            self._wake.set()

        return Dispatched(job, give, end)

    def _forget(self, job: str) -> None:
        self._refused.pop(job, None)
