"""A fleet in simulated time: the scheduler that a server runs, and workers that are events in a heap.

Nothing sleeps and nothing runs; queue, fair order and matching are the real ones. Jobs come as fast as the fleet can
run them, from several owners, each with one of many models, of which some are far more liked than others.
"""

from __future__ import annotations

import asyncio
import heapq
import random
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any

from limner.executors.fleet.decisions import Match
from limner.executors.fleet.dispatch import Dispatcher
from limner.executors.fleet.facts import Capabilities, Needs
from limner.executors.fleet.matching import Matcher
from limner.queue import MemoryQueue, NewJob, Place, State

MODELS, OWNERS = 50, 7
LOAD_SECONDS, RUN_SECONDS = 12.0, 5.0
BACKLOG = 20
"""Jobs a worker that wait at a time."""


@dataclass
class Outcome:
    """Of one simulation. `decisions` counts matches, `deciding` the seconds of this machine that they took."""

    jobs: int
    workers: int
    decisions: int = 0
    deciding: float = 0.0
    loads: int = 0
    busy: float = 0.0
    end: float = 0.0
    by_owner: dict[str, int] = field(default_factory=dict)

    @property
    def microseconds(self) -> float:
        """Of one decision."""
        return self.deciding / self.decisions * 1e6

    @property
    def utilisation(self) -> float:
        """The part of the fleet's time in which jobs ran, without loading."""
        return self.busy / (self.end * self.workers)


def simulate(workers: int, jobs: int, seed: int = 1) -> Outcome:
    return asyncio.run(_Simulation(workers, jobs, seed).run())


class _Simulation:
    def __init__(self, workers: int, jobs: int, seed: int) -> None:
        self._chance = random.Random(seed)
        self._outcome = Outcome(jobs, workers)
        self._queue = MemoryQueue()
        self._models: dict[str, Needs] = {}
        self._matcher = Matcher(self._needs)
        fleet: Any = SimpleNamespace(matcher=self._matcher, changed=None)
        self._dispatcher = Dispatcher(self._queue, fleet)
        self._events: list[tuple[float, int, Match, str, float]] = []
        self._now = 0.0
        self._added = 0
        weights = [1 / (rank + 1) for rank in range(MODELS)]
        self._liked = self._chance.choices(range(MODELS), weights, k=jobs)
        for number in range(workers):
            self._matcher.joined(f"worker-{number:04}", Capabilities(everything=True))

    def _needs(self, place: Place) -> Needs:
        return self._models[place.id]

    async def run(self) -> Outcome:
        outcome = self._outcome
        while outcome.decisions < outcome.jobs:
            await self._fill()
            await self._dispatch()
            await self._advance()
        while self._events:
            await self._advance()
        outcome.end = self._now
        return outcome

    async def _fill(self) -> None:
        """Jobs come as long as not too many wait."""
        wanted = BACKLOG * self._outcome.workers
        while self._added < self._outcome.jobs and len(self._queue) - self._running < wanted:
            name = f"job-{self._added}"
            model = ("checkpoints", f"model-{self._liked[self._added]}")
            self._models[name] = Needs(models=frozenset({model}))
            await self._queue.add(NewJob(name, {}, (), owner=f"owner-{self._added % OWNERS}"))
            self._added += 1

    @property
    def _running(self) -> int:
        return len(self._events)

    async def _dispatch(self) -> None:
        if not self._matcher.has_idle:
            return
        begun = time.perf_counter()
        decided = list(self._matcher.decide(self._dispatcher.waiting(), self._queue.count(State.WAITING), self._now))
        for decision in decided:
            await self._queue.take(decision.run)
        self._outcome.deciding += time.perf_counter() - begun
        for decision in decided:
            assert isinstance(decision, Match)
            self._begin(decision)

    def _begin(self, match: Match) -> None:
        place = self._queue.place(match.run)
        assert place is not None
        work = self._chance.uniform(0.6, 1.4) * RUN_SECONDS
        seconds = work + (LOAD_SECONDS if match.cold else 0.0)
        outcome = self._outcome
        outcome.decisions += 1
        outcome.loads += match.cold
        outcome.busy += work
        outcome.by_owner[place.owner] = outcome.by_owner.get(place.owner, 0) + 1
        heapq.heappush(self._events, (self._now + seconds, outcome.decisions, match, place.owner, seconds))

    async def _advance(self) -> None:
        """To the next end of a job."""
        if self._events:
            self._now, _, match, owner, seconds = heapq.heappop(self._events)
            self._matcher.freed(match.run, match.worker)
            self._matcher.took(owner, seconds, loaded=match.cold)
            self._models.pop(match.run)
            await self._queue.done(match.run)


def main() -> Iterator[str]:
    for workers, jobs in ((10, 2_000), (100, 20_000), (1_000, 50_000)):
        begun = time.perf_counter()
        found = simulate(workers, jobs)
        yield (
            f"{workers} workers, {jobs} jobs: {found.microseconds:.0f} us a decision, {found.loads} loads, "
            f"{found.utilisation:.1%} used, {time.perf_counter() - begun:.1f} s"
        )


if __name__ == "__main__":
    for line in main():
        print(line, flush=True)
