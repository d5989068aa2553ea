"""Why each step of a run did or did not run.

Worked out when somebody asks, from the records of the run and of earlier ones. Rules, stated once:

- A step is compared with the step of the same node and type in the latest earlier run that had one.
- Equal fingerprints: its values were made then, and are gone (`evicted`). Otherwise the difference is its code's, one
  of its own inputs', its change token's, or that of a step that it takes values from: then the cause is that step's.
- A step that did not run took remembered values (`memory`, `disk`, or those of an equal step of the run, `shared`), or
  was skipped: `blocked`, `lazy` (nobody demanded it), `unneeded`, or the run had `ended` before its turn.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from limner.graph import Link, NodeId

from .fingerprint import always_changed, constant
from .ledger import Ledger, Record
from .plan import Step
from .state import Status, StepState, origin

LONGEST_VALUE = 100
WHERE: Mapping[str, str] = {"memory": "in memory", "disk": "on the disk"}


@dataclass(frozen=True, slots=True)
class Change:
    """An input that is not what it was; `before` and `after` as a person reads them."""

    node: NodeId
    input: str
    before: str
    after: str

    def __str__(self) -> str:
        return f"input {self.input} of node {self.node} changed from {self.before} to {self.after}"


@dataclass(frozen=True, slots=True)
class Reason:
    """Of one step: `outcome` is ran, cached, skipped or waiting; `cause` one word of the module's rules.

    `where` is the node that the cause lies in, where that is another one.
    """

    node: NodeId
    display: NodeId
    type: str
    outcome: str
    cause: str
    text: str
    where: NodeId = ""
    changes: tuple[Change, ...] = ()
    seconds: float = 0.0


@dataclass(frozen=True, slots=True)
class Cause:
    """Why a step's values had to be made."""

    name: str
    text: str
    where: NodeId
    changes: tuple[Change, ...] = ()


class Explainer:
    """Explains one run."""

    def __init__(self, record: Record, earlier: Sequence[Record]) -> None:
        self._record = record
        self._earlier = earlier
        self._steps = record.state.steps
        self._causes: dict[NodeId, Cause] = {}
        self._takers: dict[NodeId, list[tuple[StepState, str]]] = {}
        for state in self._steps.values():
            for name, link in _links(state.step):
                self._takers.setdefault(link.node, []).append((state, name))

    def reasons(self) -> Iterator[Reason]:
        """One for each step, in the order of the plan, then one for each node that was left out of it."""
        for state in self._steps.values():
            yield self._reason(state)
        for node in self._record.graph.nodes.values():
            if node.id not in self._steps:
                text = "not needed: nothing that was asked for takes its values"
                yield Reason(node.id, node.id, node.type, "skipped", "unneeded", text)

    def _reason(self, state: StepState) -> Reason:
        if state.origin:
            return _told(state, "cached", state.origin, f"cached: its values were {WHERE[state.origin]}")
        if state.started or state.failed:
            blocker = self._blocker(state)
            if blocker is not None:
                text = f"blocked: a value that it takes from node {blocker} is blocked"
                return _told(state, "skipped", "blocked", text, blocker)
            cause = self._cause(state)
            return _told(state, "ran", cause.name, f"ran: {cause.text}", cause.where, cause.changes)
        if state.status is Status.DONE and state.values is not None:
            twin = self._record.state.leader(state).step.node
            if twin == state.step.node:  # found again when a host was lost
                where = origin(state.values)
                return _told(state, "cached", where, f"cached: its values were {WHERE[where]}")
            return _told(state, "cached", "shared", f"cached: node {twin} of this run is its equal", twin)
        if state.status is Status.IDLE:
            return self._unneeded(state)
        if self._record.over:
            how = "was interrupted" if self._record.cancelled else "failed"
            return _told(state, "skipped", "ended", f"skipped: the run {how} before its turn")
        return _told(state, "waiting", "waiting", "waits for its turn")

    def _unneeded(self, state: StepState) -> Reason:
        """Nobody asked for it: those that take its values did not demand it, were remembered or not needed either."""
        for taker, name in self._takers.get(state.step.node, ()):
            if taker.started and name in taker.step.lazy and name not in taker.demanded:
                where = taker.step.node
                return _told(state, "skipped", "lazy", f"lazy: node {where} did not ask for its input {name}", where)
        for taker, _ in self._takers.get(state.step.node, ()):
            if taker.values is not None:
                where = taker.step.node
                return _told(state, "skipped", "unneeded", f"not needed: node {where} was cached", where)
        return _told(state, "skipped", "unneeded", "not needed: nothing that ran takes its values")

    def _blocker(self, state: StepState) -> NodeId | None:
        """The node whose blocked value kept this one from being called, if nothing of it was."""
        if state.values is None or any(handle.blocked is None for handle in state.values.handles):
            return None
        for _, link in _links(state.step):
            source = self._steps.get(link.node)
            handles = source.values.handles if source is not None and source.values is not None else ()
            if 0 <= link.output < len(handles) and handles[link.output].blocked is not None:
                return link.node
        return None

    def _cause(self, first: StepState) -> Cause:
        """Walks up from the step to the one where the difference begins."""
        path: list[NodeId] = []
        state: StepState | None = first
        found: Cause | None = None
        while state is not None and found is None:
            node = state.step.node
            found = self._causes.get(node)
            if found is None:
                path.append(node)
                own = self._own_cause(state)
                found, state = (own, None) if isinstance(own, Cause) else (None, own)
        found = found or Cause("first", "no earlier run is remembered that made it", "")
        for node in path:
            self._causes[node] = found
        return found

    def _own_cause(self, state: StepState) -> Cause | StepState:
        """The cause that lies in this step, or the step above it that differs."""
        step = state.step
        before = self._before(step)
        if not step.keep:
            return Cause("volatile", f"node {step.node} says that it always changes", step.node)
        made = next((record for record in self._earlier if record.made(step.fingerprint) is not None), None)
        if made is not None:
            return Cause("evicted", f"the values of node {step.node} were made before, and evicted", step.node)
        if before is None:
            return Cause("first", f"node {step.node} runs for the first time", step.node)
        record, old = before
        if old.schema.version != step.schema.version:
            return Cause("code", f"the code of node {step.node} ({step.schema.type}) changed", step.node)
        changes = tuple(_changes(step, old))
        if changes:
            return Cause("input", "; ".join(map(str, changes)), step.node, changes)
        now, then = self._record.tokens.get(step.node), record.tokens.get(step.node)
        if always_changed(now) or constant(now) != constant(then):
            text = f"what node {step.node} watches changed from {_shown(then)} to {_shown(now)}"
            return Cause("token", text, step.node, (Change(step.node, "IS_CHANGED", _shown(then), _shown(now)),))
        for _, link in _links(step):
            source, earlier = self._steps.get(link.node), record.state.steps.get(link.node)
            if source is not None and (earlier is None or source.step.fingerprint != earlier.step.fingerprint):
                return source
        return Cause("first", f"node {step.node} runs for the first time", step.node)

    def _before(self, step: Step) -> tuple[Record, Step] | None:
        for record in self._earlier:
            old = record.state.steps.get(step.node)
            if old is not None and old.step.schema.type == step.schema.type:
                return record, old.step
        return None


def explain(ledger: Ledger, run: str) -> Sequence[Reason] | None:
    """The reasons of all steps of a run; None where the run is not remembered."""
    record = ledger.get(run)
    return None if record is None else list(Explainer(record, list(ledger.before(run))).reasons())


def _told(
    state: StepState, outcome: str, cause: str, text: str, where: NodeId = "", changes: tuple[Change, ...] = ()
) -> Reason:
    step = state.step
    seconds = state.values.seconds if outcome == "ran" and state.values is not None else 0.0
    elsewhere = "" if where == step.node else where
    return Reason(
        step.node, step.display, step.schema.type, outcome, cause, text, elsewhere, changes, round(seconds, 6)
    )


def _links(step: Step) -> Iterator[tuple[str, Link]]:
    for name, value in step.inputs.items():
        if isinstance(value, Link):
            yield name, value


def _changes(new: Step, old: Step) -> Iterator[Change]:
    """The inputs that differ by themselves, not by what made the values behind their links."""
    names = dict.fromkeys([*new.inputs, *old.inputs])
    for name in names:
        if _differ(old.inputs, new.inputs, name):
            yield Change(new.node, name, _input(old.inputs, name), _input(new.inputs, name))


def _differ(before: Mapping[str, object], after: Mapping[str, object], name: str) -> bool:
    if name not in before or name not in after:
        return True
    old, new = before[name], after[name]
    if isinstance(old, Link) or isinstance(new, Link):
        return old != new
    return constant(old) != constant(new)


def _input(inputs: Mapping[str, object], name: str) -> str:
    if name not in inputs:
        return "nothing"
    value = inputs[name]
    return f"output {value.output} of node {value.node}" if isinstance(value, Link) else _shown(value)


def _shown(value: object) -> str:
    try:
        text = json.dumps(value, ensure_ascii=False)
    except (TypeError, ValueError):
        text = f"a live {type(value).__name__}"
    return text if len(text) <= LONGEST_VALUE else f"{text[:LONGEST_VALUE]}..."
