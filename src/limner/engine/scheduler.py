"""Facts in, actions out; no I/O.

Rules, stated once:

- Ready steps wait in one queue for each lane of each group of node types (a group is a host), lowest rank first.
- The device lane of a group holds one segment at a time: all that is ready, and all that becomes ready by it alone.
- The other lanes hold any number of segments, each a ready step and the chain that follows from it alone; their hosts'
  pools decide how many run at once.
- A step that may surprise (a lazy step with inputs unmade, a type that has expanded before) ends its branch of a
  segment, for what follows would only come back.
- A step that was lost with a host goes out alone, with nothing beside it in its group, so that a second loss names it.
- After a failure or a cancellation nothing more is sent; the run is over when all segments are back.
- When nothing is out and nothing can be sent, the steps that are left wait for each other: the run fails.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from heapq import heappop, heappush
from typing import TypeAlias

from limner.graph import Lane, Link, NodeId

from .errors import DependencyCycle
from .plan import Planner
from .ports import Task
from .recovery import recover
from .state import RunState, Status, StepState
from .values import Failure, Fingerprint, Gathered, Handle, Held, Values

FEW = 16
MAX_LOSSES = 2
"""A step that this many hosts did not survive has failed."""

Group: TypeAlias = str
Slot: TypeAlias = tuple[Group, Lane]


@dataclass(frozen=True, slots=True)
class Start:
    """Send these tasks as one segment to the group; report the segment back under `key`."""

    key: int
    group: Group
    tasks: tuple[Task, ...]


@dataclass(frozen=True, slots=True)
class Finish:
    """The run is over: `done`, `failed` or `cancelled`."""

    status: str
    failure: Failure | None = None


Action: TypeAlias = Start | Finish


@dataclass(slots=True)
class _Flight:
    """A segment that is out."""

    slot: Slot
    states: dict[NodeId, StepState] = field(default_factory=dict)


class Scheduler:
    """Decides what is sent when, for one run."""

    def __init__(
        self,
        state: RunState,
        planner: Planner,
        group_of: Callable[[str], Group],
        expanding: set[str] | None = None,
        groups: Mapping[NodeId, Group] | None = None,
    ) -> None:
        """`group_of` names the group of a node type, `groups` that of single nodes."""
        self.state = state
        self.failure: Failure | None = None
        self.cancelled = False
        self._planner = planner
        self._group_of = group_of
        self._expanding = expanding if expanding is not None else set()
        """Node types that have returned expansions."""
        self._queues: dict[Slot, list[StepState]] = {}
        self._groups: Mapping[NodeId, Group] = groups if groups is not None else {}
        self._slots: dict[str, Slot] = {}
        self._flights: dict[int, _Flight] = {}
        self._next_key = 0
        self._busy: dict[Group, int] = {}
        self._device: set[Group] = set()
        self._suspects: dict[Group, int] = {}
        self._over = False
        self.pending = 0
        """Expansions that are being prepared."""

    @property
    def stopping(self) -> bool:
        """Whether nothing more is sent."""
        return self.cancelled or self.failure is not None

    @property
    def flying(self) -> bool:
        """Whether a host holds steps of this run."""
        return bool(self._flights)

    @property
    def ebbing(self) -> bool:
        """Whether a few steps are left, none of which takes the device, and hosts have them all."""
        state = self.state
        if state.open_device or not 0 < state.open <= FEW or self.pending or self.stopping:
            return False
        return state.open == sum(
            item.status is Status.SENT for flight in self._flights.values() for item in flight.states.values()
        )

    # Facts

    def fail(self, failure: Failure) -> None:
        """A step or the engine failed; the first failure is the run's."""
        if self.failure is None and not self.cancelled:
            self.failure = failure

    def cancel(self) -> None:
        """The run was interrupted."""
        self.cancelled = self.failure is None

    def landed(self, key: int) -> None:
        """A segment came back: what was not run waits again. Raises `NotRun`."""
        flight = self._remove(key)
        for state in flight.states.values():
            if state.status is Status.SENT:
                self.state.unsent(state)

    def lost(self, key: int, *, blameless: bool = False) -> list[StepState]:
        """The host died with this segment; returns the steps that failed by it: too many hosts did not survive them.

        `blameless`: it did not die of them.
        """
        flight = self._remove(key)
        fatal = []
        for state in flight.states.values():
            if state.status is Status.SENT:
                state.attempts += 0 if blameless else 1
                state.status = Status.WAITING
                if state.attempts >= MAX_LOSSES:
                    fatal.append(state)
        return fatal

    def recovered(self, place: str, recall: Callable[[Fingerprint], Values | None]) -> None:
        """The host is gone, with its values: what is needed of them, and `recall` does not know, is made again."""
        self._queues.clear()
        self._suspects.clear()
        recover(self.state, place, recall)

    def expanded(self, state: StepState) -> None:
        """The step's type expands: do not send what follows such steps together with them."""
        self._expanding.add(state.step.schema.type)

    def _remove(self, key: int) -> _Flight:
        flight = self._flights.pop(key)
        group, lane = flight.slot
        self._busy[group] -= 1
        if lane is Lane.DEVICE:
            self._device.discard(group)
        return flight

    # Decisions

    def actions(self) -> list[Action]:
        """What is to be done now, in consequence of the facts since the last call."""
        self._sort_ready()
        found: list[Action] = []
        if not self.stopping:
            for slot, queue in self._queues.items():
                while queue:
                    start = self._send(slot, queue)
                    if start is None:
                        break
                    found.append(start)
        if not (self._flights or self.pending or self.stopping) and self.state.open:
            self.fail(_stuck(self.state))
        if not self._over and not self._flights and (self.stopping or self.state.open == 0):
            self._over = True
            status = "failed" if self.failure else "cancelled" if self.cancelled else "done"
            found.append(Finish(status, self.failure))
        return found

    def _sort_ready(self) -> None:
        for state in self.state.ready:
            if state.status is not Status.READY:
                continue
            slot = self._slot(state)
            heappush(self._queues.setdefault(slot, []), state)
            if state.attempts:
                self._suspects[slot[0]] = self._suspects.get(slot[0], 0) + 1
        self.state.ready.clear()

    def _slot(self, state: StepState) -> Slot:
        schema = state.step.schema
        if self._groups and (group := self._groups.get(state.step.node)) is not None:
            return group, schema.traits.lane
        slot = self._slots.get(schema.type)
        if slot is None:
            slot = self._slots[schema.type] = (self._group_of(schema.type), schema.traits.lane)
        return slot

    def _send(self, slot: Slot, queue: list[StepState]) -> Start | None:
        group, lane = slot
        if lane is Lane.DEVICE and group in self._device:
            return None
        if self._suspects.get(group) and self._busy.get(group):
            return None
        if self._suspects.get(group):
            states = self._take_suspect(slot, queue)
        elif lane is Lane.DEVICE:
            states = self._segment(slot, queue)
        else:
            states = self._segment(slot, [heappop(queue)])
        if not states:
            return None
        key = self._next_key
        self._next_key += 1
        self._flights[key] = _Flight(slot, {state.step.node: state for state in states})
        self._busy[group] = self._busy.get(group, 0) + 1
        if lane is Lane.DEVICE:
            self._device.add(group)
        return Start(key, group, tuple(map(self.task, states)))

    def _take_suspect(self, slot: Slot, queue: list[StepState]) -> list[StepState]:
        suspects = [state for state in queue if state.attempts]
        if not suspects:
            return []
        chosen = min(suspects)
        queue.remove(chosen)
        queue.sort()
        chosen.status = Status.SENT
        self._suspects[slot[0]] -= 1
        return [chosen]

    def _segment(self, slot: Slot, heap: list[StepState]) -> list[StepState]:
        """Empty the heap of ready steps, and follow it to all that becomes ready by them alone."""
        states: list[StepState] = []
        waiting: dict[StepState, int] = {}
        while heap:
            state = heappop(heap)
            state.status = Status.SENT
            states.append(state)
            if self._may_surprise(state):
                continue
            for consumer in self._released(state):
                if consumer.status is not Status.WAITING or consumer.attempts or self._slot(consumer) != slot:
                    continue
                left = waiting.get(consumer, consumer.waiting) - 1
                waiting[consumer] = left
                if left == 0:
                    heappush(heap, consumer)
        return states

    def _released(self, state: StepState) -> Iterable[StepState]:
        if not state.twins:
            return state.consumers
        return [consumer for twin in (state, *state.twins) for consumer in twin.consumers]

    def _may_surprise(self, state: StepState) -> bool:
        step = state.step
        return len(state.demanded) < len(step.lazy) or step.schema.type in self._expanding

    def task(self, state: StepState) -> Task:
        """The step as a host runs it."""
        step = state.step
        inputs: dict[str, object] = {}
        missing: list[str] = []
        steps = self.state.steps
        for name, value in step.inputs.items():
            if type(value) is not Link or self._planner.is_raw(step, name):
                inputs[name] = value
            else:
                source = steps[value.node]
                if source.status is Status.DONE:
                    inputs[name] = _held(self.state.handle(state, value))
                elif name in step.lazy and name not in state.demanded:
                    missing.append(name)
                else:
                    inputs[name] = Held(source.step.fingerprint, value.output)
        schema = step.schema
        return Task(step.node, step.display, schema.type, step.fingerprint, inputs, tuple(missing), schema.traits.lane)


def _stuck(state: RunState) -> Failure:
    """Steps wait for each other through an expansion: the failure, at a node that came to be by it."""
    circle = state.circle()
    blamed = next((item for item in circle if item.parent is not None), circle[0])
    return DependencyCycle([item.step.node for item in circle]).failure(blamed.step.display)


def _held(handle: Handle) -> Held | Gathered:
    if handle.parts:
        return Gathered(tuple(Held(part.fingerprint, part.output, part.spread) for part in handle.parts))
    return Held(handle.fingerprint, handle.output, handle.spread)
