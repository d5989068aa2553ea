"""What runs and steps do, in numbers: a reader of the event bus, like any client.

Rules, stated once:

- One thread hears events and takes snapshots (the event loop's); an event costs a few dictionary look-ups.
- A step without a start of its own took the result of an equal step: that is a cache hit, not a run of the node.
- Progress is counted in the node's own steps. A value below the last one begins a new count: the next of several calls.
"""

from __future__ import annotations

from collections import Counter, OrderedDict
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from prometheus_client.core import Metric

from limner.engine.events import (
    RunFinished,
    RunStarted,
    StepFailed,
    StepFinished,
    StepProgress,
    StepsCached,
    StepStarted,
)
from limner.engine.values import BLOCKED

from . import families as f
from .tally import Bounded, Distribution

MOST_TYPES = 150
"""Node types that are told apart."""
MOST_RUNS = 256
"""Runs whose steps are known at a time."""
STATUSES = ("done", "failed", "cancelled")
WAIT_BOUNDS = (0.01, 0.1, 0.5, 1, 5, 15, 60, 300, 900, 3600)
RUN_BOUNDS = (0.01, 0.05, 0.1, 0.5, 1, 5, 15, 30, 60, 120, 300, 900, 3600)
NODE_BOUNDS = (0.001, 0.01, 0.1, 0.5, 1, 5, 15, 60, 300, 1800)
LAG_BOUNDS = (0.001, 0.005, 0.01, 0.05, 0.1, 0.5, 1, 5)


@dataclass(slots=True)
class _Step:
    """A step that runs: how far it said that it is, and since when."""

    type: str
    value: float = 0.0
    first: float = 0.0
    begun: float = 0.0
    latest: float = 0.0

    def rate(self, now: float) -> float:
        """Steps a second since its first report; less, the longer it is silent."""
        done, elapsed = self.value - self.first, self.latest - self.begun
        if done <= 0 or elapsed <= 0:
            return 0.0
        return done / max(elapsed, now - self.begun - 2 * elapsed / done)


class Activity:
    """Counts events. `backlog` tells how many wait to be read, `running` which runs are in progress."""

    def __init__(
        self,
        *,
        backlog: Callable[[], int] = lambda: 0,
        running: Callable[[], Collection[str]] = lambda: (),
        most_types: int = MOST_TYPES,
    ) -> None:
        self._backlog, self._running = backlog, running
        self._type = Bounded(most_types)
        self._runs: OrderedDict[str, dict[str, _Step]] = OrderedDict()
        self._wait = Distribution(WAIT_BOUNDS)
        self._lag = Distribution(LAG_BOUNDS)
        self._ended = {status: Distribution(RUN_BOUNDS) for status in STATUSES}
        self._nodes: dict[str, Distribution] = {}
        self._hits: Counter[str] = Counter()
        self._failures: Counter[str] = Counter()
        self._progress: dict[str, float] = {}
        self._events = 0
        self._hear: Mapping[type, Callable[[Any, float], None]] = {
            RunStarted: self._run_started,
            StepsCached: self._steps_cached,
            StepStarted: self._step_started,
            StepProgress: self._progressed,
            StepFinished: self._step_finished,
            StepFailed: self._step_failed,
            RunFinished: self._run_finished,
        }

    def hear(self, event: object, time: float) -> None:
        """An engine event, at a Unix time; what is none is not counted."""
        heard = self._hear.get(type(event))
        if heard is not None:
            heard(event, time)

    def taken(self, added: float, attempt: int, time: float) -> None:
        """A job that was queued at `added` leaves the queue for the n-th time."""
        if attempt == 1:
            self._wait.add(max(0.0, time - added))

    def read(self, count: int, oldest: float, now: float) -> None:
        """A batch of so many events was read, the oldest of which happened then."""
        self._events += count
        self._lag.add(max(0.0, now - oldest))

    def _run_started(self, event: RunStarted, time: float) -> None:
        self._steps(event.run).clear()

    def _steps(self, run: str) -> dict[str, _Step]:
        steps = self._runs.get(run)
        if steps is None:
            steps = self._runs[run] = {}
            if len(self._runs) > MOST_RUNS:
                self._runs.popitem(last=False)
        return steps

    def _steps_cached(self, event: StepsCached, time: float) -> None:
        for kind, count in event.types.items():
            self._hits[self._type(kind)] += count

    def _step_started(self, event: StepStarted, time: float) -> None:
        self._steps(event.run)[event.inner] = _Step(self._type(event.type))

    def _progressed(self, event: StepProgress, time: float) -> None:
        step = self._steps(event.run).get(event.inner)
        if step is None or event.maximum <= 0:
            return
        gained = event.value - step.value if event.value >= step.value else event.value
        self._progress[step.type] = self._progress.get(step.type, 0.0) + max(0.0, gained)
        if step.begun == 0.0 or event.value < step.value:
            step.begun, step.first = time, event.value
        step.value, step.latest = event.value, time

    def _step_finished(self, event: StepFinished, time: float) -> None:
        kind = self._type(event.type)
        if self._steps(event.run).pop(event.inner, None) is None:
            self._hits[kind] += 1
            return
        times = self._nodes.get(kind)
        if times is None:
            times = self._nodes[kind] = Distribution(NODE_BOUNDS)
        times.add(event.seconds)

    def _step_failed(self, event: StepFailed, time: float) -> None:
        self._steps(event.run).pop(event.inner, None)
        if event.failure.kind != BLOCKED and not event.failure.interrupted:
            self._failures[self._type(event.type)] += 1

    def _run_finished(self, event: RunFinished, time: float) -> None:
        self._runs.pop(event.run, None)
        self._ended[event.status].add(event.seconds)

    def rate(self, now: float) -> float:
        """Steps a second of the steps that run."""
        going = (self._runs.get(run, {}) for run in self._running())
        return sum(step.rate(now) for steps in going for step in steps.values())

    def snapshot(self, now: float) -> Callable[[], Iterable[Metric]]:
        """What was counted until now; the metrics are made where the answer is called."""
        return partial(
            _metrics,
            _Snapshot(
                spread={
                    f.WAIT: {"": self._wait.copy()},
                    f.LAG: {"": self._lag.copy()},
                    f.RUN: {status: times.copy() for status, times in self._ended.items()},
                    f.NODE: {kind: times.copy() for kind, times in self._nodes.items()},
                },
                values={
                    f.HITS: dict(self._hits),
                    f.FAILURES: dict(self._failures),
                    f.PROGRESS: dict(self._progress),
                    f.RATE: self.rate(now),
                    f.EVENTS: self._events,
                    f.BACKLOG: self._backlog(),
                },
            ),
        )


@dataclass(frozen=True, slots=True)
class _Snapshot:
    spread: Mapping[f.Family, Mapping[str, Any]] = field(default_factory=dict)
    values: Mapping[f.Family, f.Values] = field(default_factory=dict)


def _metrics(taken: _Snapshot) -> Sequence[Metric]:
    found = [family.spread(counts) for family, counts in taken.spread.items()]
    return [*found, *(family.of(values) for family, values in taken.values.items())]
