"""One task -> calls of its node -> an outcome.

Rules, stated once:

- Inputs that the schema does not name are left out, unless the node takes any. A lazy input that it did not ask for is
  None.
- A call with a blocker among its inputs is not made: each of its outputs is a blocker without a message, and the
  messages go into `Values.blocked`.
- A node with lazy inputs is asked what it needs before it is called. A class with `check_lazy_status` is asked each
  time, as packs prepare things there. What it asks for, and has not got, becomes a demand.
- What a call gave is checked: as many values as outputs, and a list where the output is a list.
"""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Awaitable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from time import perf_counter

from limner.engine.broadcast import calls as broadcast
from limner.engine.ports import Task
from limner.engine.values import Demand, Gathered, Held, Outcome, Values
from limner.graph import Link, Presence
from limner.sdk import Blocked, Implementation, NodeFunction, Result

from .context import CURRENT, INDEX, CallContext
from .expansions import expansion
from .lanes import Lanes
from .plain import made_plain
from .values import ValueStore

Items = Mapping[str, Sequence[object]]


class WrongResult(TypeError):
    """A node gave something that its schema does not say."""

    def __init__(self, problem: str) -> None:
        self.remedy = "This is a mistake in the node's code; tell its author"
        super().__init__(problem)


@dataclass(frozen=True, slots=True)
class Profile:
    """What a host needs of a node type at every call, worked out once."""

    implementation: Implementation
    wanted: frozenset[str] | None
    """The inputs that are passed; None for all."""
    linked: bool
    """Whether values of links are passed whatever their names."""
    outputs: int
    is_list: tuple[bool, ...]
    list_wise: bool
    any_list: bool
    cooperative: bool
    """Looks by itself whether the run was interrupted."""
    asks: bool
    """Whether it is asked what it needs although nothing is missing."""
    hidden: frozenset[str]

    @classmethod
    def of(cls, implementation: Implementation) -> Profile:
        schema = implementation.schema
        named = frozenset(entry.name for entry in schema.inputs)
        is_list = tuple(output.is_list for output in schema.outputs)
        return cls(
            implementation,
            None if schema.traits.takes_any_inputs else named,
            bool(getattr(implementation, "takes_undeclared_links", False)),
            len(schema.outputs),
            is_list,
            schema.traits.list_wise,
            any(is_list),
            isinstance(implementation, NodeFunction) and implementation.cooperative,
            bool(getattr(implementation, "asks_each_time", False)),
            frozenset(entry.name for entry in schema.inputs if entry.presence is Presence.HIDDEN),
        )


def gather(task: Task, profile: Profile, store: ValueStore) -> dict[str, Sequence[object]]:
    """The items of each input; a tuple stands for one that is missing, as ComfyUI's nodes know it. Raises LostValue."""
    items: dict[str, Sequence[object]] = {}
    wanted = profile.wanted
    for name, value in task.inputs.items():
        held = isinstance(value, Held | Gathered)
        if wanted is not None and name not in wanted and not (held and profile.linked):
            continue
        if isinstance(value, Held | Gathered):
            items[name] = store.items(value)
        elif isinstance(value, Link):
            items[name] = [[value.node, value.output]]
        else:
            items[name] = [value]
    for name in task.missing:
        items[name] = (None,)
    return items


def argument_sets(items: Items, *, list_wise: bool) -> Iterator[dict[str, object]]:
    """The arguments of each call."""
    if list_wise:
        yield {name: values if isinstance(values, tuple) else list(values) for name, values in items.items()}
    elif all(len(values) == 1 for values in items.values()):
        yield {name: values[0] for name, values in items.items()}
    else:
        yield from broadcast(items)


def blocker_in(arguments: Mapping[str, object], *, list_wise: bool) -> Blocked | None:
    """A blocker among the arguments, one with a message first."""
    found: Blocked | None = None
    for value in arguments.values():
        for item in value if list_wise and isinstance(value, list) else (value,):
            if type(item) is Blocked and (found is None or found.message is None):
                found = item
    return found


class Calls:
    """The calls of one task, made in a thread or in the async lane."""

    __slots__ = ("_context", "_messages", "_profile", "_store", "_task", "items")

    def __init__(self, task: Task, profile: Profile, items: Items, store: ValueStore, context: CallContext) -> None:
        self._task, self._profile, self.items = task, profile, items
        self._store, self._context = store, context
        self._messages: list[str] = []

    def perform(self, lanes: Lanes) -> Outcome:
        """Make the calls one after the other, in this thread."""
        started, token = perf_counter(), CURRENT.set(self._context)
        try:
            if self._task.missing or self._profile.asks:
                demand = self._demand([self._wait(asked, lanes) for asked in self._questions()])
                if demand:
                    return demand
            results = []
            for arguments in self._sets():
                self._context.check_cancelled()
                given = self._call(arguments)
                results.append(given if isinstance(given, Result) else self._wait(given, lanes))
            return self._outcome(results, started)
        finally:
            CURRENT.reset(token)
            self._context.close()

    async def perform_async(self) -> Outcome:
        """Make the calls at once, in the async lane."""
        started, token = perf_counter(), CURRENT.set(self._context)
        try:
            if self._task.missing or self._profile.asks:
                demand = self._demand([await _settled(asked) for asked in self._questions()])
                if demand:
                    return demand
            return self._outcome(await self._at_once(), started)
        finally:
            CURRENT.reset(token)
            self._context.close()

    async def _at_once(self) -> Sequence[object]:
        """What the calls gave; when one fails, the others are cancelled."""
        tasks: list[asyncio.Future[object]] = []
        try:
            for arguments in self._sets():
                tasks.append(asyncio.ensure_future(_settled(self._call(arguments))))
            return await asyncio.gather(*tasks)
        finally:
            for task in tasks:
                task.cancel()

    def _sets(self) -> Iterator[dict[str, object]]:
        """The arguments of each call; `INDEX` says which one it is."""
        for index, arguments in enumerate(argument_sets(self.items, list_wise=self._profile.list_wise)):
            INDEX.set(index)
            yield arguments

    def _wait(self, given: object, lanes: Lanes) -> object:
        return lanes.start(_settled(given)).result() if inspect.isawaitable(given) else given

    def _call(self, arguments: dict[str, object]) -> Result | Awaitable[Result]:
        blocker = blocker_in(arguments, list_wise=self._profile.list_wise)
        if blocker is None:
            return self._profile.implementation.call(arguments, self._context)
        if blocker.message is not None:
            self._messages.append(blocker.message)
        return Result((Blocked(),) * self._profile.outputs)

    def _questions(self) -> Iterator[object]:
        """The node's answers to the question which of the missing inputs it needs."""
        missing, implementation = self._task.missing, self._profile.implementation
        for arguments in self._sets():
            if blocker_in(arguments, list_wise=self._profile.list_wise) is None:
                yield implementation.needs(arguments, missing, self._context)

    def _demand(self, answers: Sequence[object]) -> Demand | None:
        """What it asked for and has not got; an input that nobody gave it among that is the engine's to refuse."""
        wanted = dict.fromkeys(name for answer in answers if isinstance(answer, Sequence) for name in answer)
        inputs = [name for name in self._task.missing if name in wanted]
        if self._profile.wanted is not None:
            hidden = self._profile.hidden
            inputs += [name for name in wanted if name not in self.items and name not in hidden]
        return Demand(tuple(inputs)) if inputs else None

    def _outcome(self, results: Sequence[object], started: float) -> Outcome:
        given = [self._checked(result) for result in results]
        ui = _merged_ui([result.ui for result in given if result.ui is not None])
        if any(result.expand is not None for result in given):
            return expansion(given, self._profile.is_list, self._task.fingerprint, self._store, ui)
        outputs = self._merged(given)
        handles = self._store.put(self._task.fingerprint, outputs)
        return Values(handles, ui, perf_counter() - started, tuple(self._messages))

    def _checked(self, result: object) -> Result:
        if not isinstance(result, Result):
            raise WrongResult(f"{self._task.type} gave {type(result).__name__} in place of a result")
        if len(result.values) != self._profile.outputs:
            raise WrongResult(
                f"{self._task.type} gave {len(result.values)} values; its schema has {self._profile.outputs} outputs"
            )
        return result

    def _merged(self, results: Sequence[Result]) -> list[list[object]]:
        """The items of each output."""
        is_list = next((result.lists for result in reversed(results) if result.lists is not None), None)
        if is_list is None and not self._profile.any_list:
            return [[result.values[number] for result in results] for number in range(self._profile.outputs)]
        return [
            [item for result in results for item in self._listed(number, result.values[number])]
            if listed
            else [result.values[number] for result in results]
            for number, listed in enumerate(self._profile.is_list if is_list is None else is_list)
        ]

    def _listed(self, number: int, value: object) -> Sequence[object]:
        if isinstance(value, Blocked):
            return (value,)
        if isinstance(value, Sequence) and not isinstance(value, str | bytes):
            return value
        try:
            return list(value)  # type: ignore[call-overload, no-any-return]
        except TypeError:
            raise WrongResult(
                f"{self._task.type} gave {type(value).__name__} for output {number}, which is a list output"
            ) from None


async def _settled(given: object) -> object:
    return await given if inspect.isawaitable(given) else given


def _merged_ui(shown: Sequence[Mapping[str, object]]) -> Mapping[str, object] | None:
    """What the calls show, joined key by key."""
    if not shown:
        return None
    merged: dict[str, list[object]] = {}
    for ui in shown:
        for key, value in ui.items():
            plain = made_plain(value)
            merged.setdefault(str(key), []).extend(plain if isinstance(plain, list) else [plain])
    return merged
