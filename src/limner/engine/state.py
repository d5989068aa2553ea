"""The bookkeeping of one run. No I/O, no policy: what each step waits for, who waits for it, what it gave.

Rules, stated once:

- A step is IDLE until something needs it, WAITING for its sources, READY when it has them all, SENT while a host has
  it, EXPANDED while a subgraph runs in its place, DONE when its values are known.
- Only what is needed is ever linked: `need` links a step to those of its sources that are not done, and walks on.
- Equal steps (one fingerprint) run once: the first that is needed leads, the others are its twins and are done with it.
- `open` counts the needed steps that are not done; the run is over when it is 0.
- A change costs in proportion to what it changes. Only the loss of a host looks at every step.
"""

from __future__ import annotations

import enum
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from typing import TypeAlias

from limner.graph import Lane, Link, NodeId

from .errors import BadDemand, BrokenLink, NotRun
from .plan import Step
from .values import DISK, Fingerprint, Handle, Values

Part: TypeAlias = Link | Handle

MAX_RETURNS = 8


class Status(enum.IntEnum):
    IDLE = 0
    WAITING = 1
    READY = 2
    SENT = 3
    EXPANDED = 4
    DONE = 5


class StepState:
    """One step's place in the run."""

    __slots__ = (
        "attempts",
        "consumers",
        "demanded",
        "depth",
        "failed",
        "finished",
        "origin",
        "parent",
        "rank",
        "results",
        "returned",
        "started",
        "status",
        "step",
        "twins",
        "ui",
        "values",
        "waiting",
    )

    def __init__(self, step: Step, rank: int, parent: StepState | None) -> None:
        self.step = step
        self.rank = rank
        """Its place in the plan; expanded steps have the place of the step that they stand for."""
        self.parent = parent
        self.depth: int = 0 if parent is None else parent.depth + 1
        self.status = Status.IDLE
        self.waiting = 0
        self.consumers: list[StepState] = []
        self.values: Values | None = None
        self.demanded: set[str] = set()
        """Lazy inputs that it asked for."""
        self.twins: list[StepState] = []
        self.results: tuple[tuple[Part, ...], ...] = ()
        """While EXPANDED: what each output is made of."""
        self.ui: Mapping[str, object] | None = None
        """What it showed as it expanded."""
        self.attempts = 0
        """How many hosts were lost while they held it."""
        self.returned = 0
        """How often a host gave it back, though it had all it needs."""
        self.started = False
        """Whether its start was told."""
        self.finished = False
        """Whether it was done once in this run, or what it shows was told."""
        self.failed = False
        self.origin = ""
        """Where its values came from if they were remembered: `memory` or `disk`."""

    def __lt__(self, other: StepState) -> bool:
        return self.rank < other.rank


class RunState:
    """All steps of one run, by node."""

    def __init__(self) -> None:
        self.steps: dict[NodeId, StepState] = {}
        self.open = 0
        self.open_device = 0
        """How many of the open steps take the device lane."""
        self.ready: list[StepState] = []
        """Steps that became ready and that the scheduler has not taken yet."""
        self.done: list[StepState] = []
        """Twins and expanded steps that became done with another step, and were not told yet."""
        self._leaders: dict[Fingerprint, StepState] = {}

    def add(self, steps: Iterable[Step], cached: Mapping[Fingerprint, Values], parent: StepState | None = None) -> None:
        """Know these steps; those with cached values are done."""
        rank = len(self.steps)
        for step in steps:
            state = self.steps.get(step.node)
            if state is None:
                state = self.steps[step.node] = StepState(step, rank if parent is None else parent.rank, parent)
                rank += 1
            elif state.status is not Status.IDLE:
                continue
            values = cached.get(step.fingerprint)
            if values is not None:
                state.values = values
                state.status = Status.DONE
                state.origin = origin(values)

    def need(self, nodes: Iterable[NodeId]) -> None:
        """Make these steps, and what they need, part of the run."""
        stack = [self.steps[node] for node in nodes]
        stack.reverse()
        while stack:
            state = stack.pop()
            if state.status is not Status.IDLE:
                continue
            self._count(state, 1)
            state.status = Status.WAITING
            leader = self._leaders.setdefault(state.step.fingerprint, state)
            if leader is not state and leader.status is not Status.DONE:
                leader.twins.append(state)
                state.waiting = 1
                continue
            if leader is not state and leader.values is not None:
                self.finish(state, leader.values)
                self.done.append(state)
                continue
            needs: Iterable[NodeId] = state.step.needs
            if state.demanded:
                needs = dict.fromkeys([*needs, *self._lazy_sources(state)])
            stack.extend(self._link(state, needs))

    def _count(self, state: StepState, by: int) -> None:
        self.open += by
        if state.step.schema.traits.lane is Lane.DEVICE:
            self.open_device += by

    def _link(self, state: StepState, needs: Iterable[NodeId]) -> list[StepState]:
        """Make the step wait for those of these sources that are not done; returns those that nobody needed so far."""
        idle = []
        for node in needs:
            source = self.steps[node]
            if source.status is not Status.DONE:
                source.consumers.append(state)
                state.waiting += 1
                if source.status is Status.IDLE:
                    idle.append(source)
        if not state.waiting and state.status is Status.WAITING:
            state.status = Status.READY
            self.ready.append(state)
        idle.reverse()
        return idle

    def _lazy_sources(self, state: StepState) -> Iterator[NodeId]:
        for name in state.step.lazy:
            value = state.step.inputs[name]
            if name in state.demanded and isinstance(value, Link):
                yield value.node

    def finish(self, first: StepState, first_values: Values) -> None:
        """The step gave its values. Steps done with it go to `done`, those that have all they need to `ready`."""
        stack = [(first, first_values)]
        while stack:
            state, values = stack.pop()
            state.values = values
            state.status = Status.DONE
            state.finished = True
            self._count(state, -1)
            if state is not first:
                self.done.append(state)
            for twin in state.twins:
                stack.append((twin, values))
            state.twins = []
            for consumer in state.consumers:
                consumer.waiting -= 1
                if consumer.waiting:
                    continue
                if consumer.status is Status.WAITING:
                    consumer.status = Status.READY
                    self.ready.append(consumer)
                elif consumer.status is Status.EXPANDED:
                    stack.append((consumer, self._results(consumer)))
            state.consumers = []

    def leader(self, state: StepState) -> StepState:
        """The step that runs for it and its equals."""
        return self._leaders.get(state.step.fingerprint, state)

    def restart(self, sent: Iterable[StepState]) -> None:
        """Forget what is needed, except the steps that hosts hold."""
        held = list(sent)
        self.open = self.open_device = 0
        self.ready.clear()
        self._leaders = {state.step.fingerprint: state for state in held}
        for state in held:
            state.waiting = 0
            self._count(state, 1)

    def unsent(self, state: StepState) -> None:
        """A host gave the step back without having run it. Raises `NotRun` when hosts keep doing so."""
        state.status = Status.WAITING
        if state.waiting:
            return
        state.returned += 1
        if state.returned > MAX_RETURNS:
            raise NotRun(state.step.node, f"The host gave the node back {state.returned} times without running it")
        state.status = Status.IDLE
        self._count(state, -1)
        self.need([state.step.node])  # a host may have been lost meanwhile, with what the step takes

    def demand(self, state: StepState, names: Iterable[str]) -> None:
        """A lazy step needs these of its inputs before it goes on. Raises `BadDemand`."""
        fresh = []
        for name in names:
            if name not in state.step.lazy or name in state.demanded:
                reason = "a second time" if name in state.demanded else "and it is not a linked lazy input"
                raise BadDemand(state.step.node, f"The node asked for its input {name!r}, {reason}")
            fresh.append(name)
        state.demanded.update(fresh)
        links = [state.step.inputs[name] for name in fresh]
        sources = dict.fromkeys(link.node for link in links if isinstance(link, Link))
        state.status = Status.WAITING
        idle = self._link(state, sources)
        self.need(source.step.node for source in reversed(idle))

    def expand(self, state: StepState, results: tuple[tuple[Part, ...], ...], targets: Iterable[NodeId]) -> None:
        """A subgraph, whose steps were added, runs in the step's place; `targets` are its output nodes."""
        state.results = results
        state.status = Status.EXPANDED
        sources = dict.fromkeys(part.node for parts in results for part in parts if isinstance(part, Link))
        for node in sources:
            if node not in self.steps:
                raise BrokenLink(state.step.node, f"The node's result is node {node}, which does not exist")
        waiting = self._link(state, sources)
        self.need([*(source.step.node for source in reversed(waiting)), *targets])
        if not state.waiting:
            self.finish(state, self._results(state))
            self.done.append(state)

    def circle(self) -> list[StepState]:
        """Steps that wait for each other, in the order of the links; for when nothing runs and nothing can."""
        state = next(item for item in self.steps.values() if item.status in (Status.WAITING, Status.EXPANDED))
        path: dict[NodeId, StepState] = {}
        while state.step.node not in path:
            path[state.step.node] = state
            sources = (self.steps[node] for node in self._awaited(state))
            state = next(source for source in sources if source.status is not Status.DONE)
        members = list(path.values())
        return members[members.index(state) :]

    def _awaited(self, state: StepState) -> Iterator[NodeId]:
        leader = self._leaders[state.step.fingerprint]
        if state.status is Status.EXPANDED:
            yield from (part.node for parts in state.results for part in parts if isinstance(part, Link))
        elif leader is not state:
            yield leader.step.node
        else:
            yield from state.step.needs
            yield from self._lazy_sources(state)

    def _results(self, state: StepState) -> Values:
        """The values of an expanded step: those of what its outputs are made of."""
        handles = []
        for output, parts in enumerate(state.results):
            found = [part if isinstance(part, Handle) else self._linked(state, output, part) for part in parts]
            handles.append(found[0] if len(found) == 1 else _gather(state.step.fingerprint, output, found))
        return Values(tuple(handles), ui=state.ui)

    def _linked(self, state: StepState, output: int, link: Link) -> Handle:
        """The value behind a link that is an expanded step's output."""
        handle = self.handle(state, link)
        outer, inner = state.step.schema.outputs, self.steps[link.node].step.schema.outputs
        if output < len(outer) and outer[output].is_list and not inner[link.output].is_list:
            return _spread(handle)
        return handle

    def handle(self, state: StepState, link: Link) -> Handle:
        """The value behind a link to a step that is done. Raises `BrokenLink`."""
        values = self.steps[link.node].values
        if values is None or not 0 <= link.output < len(values.handles):
            given = 0 if values is None else len(values.handles)
            message = f"Node {link.node} gave {given} values, and output {link.output} is asked for"
            raise BrokenLink(state.step.node, message)
        return values.handles[link.output]


def origin(values: Values) -> str:
    """Where remembered values are: `memory` or `disk`."""
    return DISK if values.handles and values.handles[0].place == DISK else "memory"


def _spread(handle: Handle) -> Handle:
    return replace(handle, spread=True, parts=tuple(replace(part, spread=True) for part in handle.parts))


def _gather(fingerprint: Fingerprint, output: int, parts: list[Handle]) -> Handle:
    """One handle for several; parts that are gathered themselves are opened out, so that a host holds each part."""
    leaves = tuple(leaf for part in parts for leaf in part.parts or (part,))
    place = leaves[0].place if leaves else ""
    return Handle(fingerprint, output, place, length=sum(leaf.length for leaf in leaves), parts=leaves)
