"""Runs a graph on a fake executor and keeps what happened."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from limner.engine import Engine, RunRequest, RunResult
from limner.engine.events import Event, StepFinished, StepsCached, StepStarted
from limner.graph import Graph
from limner.stores import MemoryCache

from .fake_executor import FakeExecutor


@dataclass
class Bench:
    """An engine with its executor and cache; each `run` is a new run of that engine."""

    executor: FakeExecutor
    cache: MemoryCache = field(default_factory=MemoryCache)
    engine: Engine = field(init=False)
    events: list[Event] = field(default_factory=list)
    runs: int = 0

    def __post_init__(self) -> None:
        self.engine = Engine(self.executor, self.cache)

    async def run(self, graph: Graph, targets: Sequence[str] | None = None, run: str | None = None) -> RunResult:
        """Run to the targets (all output nodes by default); `events` and the executor's `calls` begin anew."""
        self.runs += 1
        self.events.clear()
        self.executor.calls.clear()
        self.executor.segments.clear()
        catalog = self.executor.catalog
        if targets is None:
            targets = [node.id for node in graph.nodes.values() if catalog[node.type].traits.output]
        request = RunRequest(run or f"run{self.runs}", graph, targets, catalog, {"prompt": {}})
        return await self.engine.run(request, self.events.extend)

    @property
    def started(self) -> list[str]:
        return [event.inner for event in self.events if isinstance(event, StepStarted)]

    @property
    def finished(self) -> list[str]:
        return [event.inner for event in self.events if isinstance(event, StepFinished)]

    @property
    def cached(self) -> list[str]:
        return [node for event in self.events if isinstance(event, StepsCached) for node in event.nodes]
