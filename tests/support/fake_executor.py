"""An executor inside the test's process: nodes are plain functions, values stay in a dictionary."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field

from limner.engine import broadcast
from limner.engine.ports import (
    Answer,
    Ended,
    HostLost,
    Inquiry,
    Previewed,
    Progressed,
    Report,
    Reporter,
    Segment,
    Started,
    Task,
)
from limner.engine.values import Demand, Expansion, Failure, Gathered, Handle, Held, Outcome, Values
from limner.graph import Catalog, Graph, Input, Lane, Link, NodeSchema, Output, Presence, Traits


@dataclass
class Expand:
    """What a fake node returns to be replaced by a subgraph."""

    graph: Graph
    results: tuple[object, ...]
    ui: Mapping[str, object] | None = None


@dataclass
class Blocker:
    """What a fake node returns to block those who take its value."""

    message: str | None = None


class Crash(BaseException):
    """What a fake node raises to kill its host."""


@dataclass
class FakeNode:
    """A schema and the function behind it; `needs` stands for check_lazy_status."""

    schema: NodeSchema
    call: Callable[..., object]
    needs: Callable[..., Sequence[str]] | None = None
    complaint: Callable[..., str | None] | None = None
    token: Callable[..., object] | None = None


def fake(
    name: str,
    call: Callable[..., object],
    inputs: Mapping[str, str] | Sequence[Input] = (),
    outputs: Sequence[str | Output] = ("INT",),
    *,
    needs: Callable[..., Sequence[str]] | None = None,
    complaint: Callable[..., str | None] | None = None,
    token: Callable[..., object] | None = None,
    **traits: object,
) -> FakeNode:
    """A node type; `inputs` maps names to socket types (`lazy X` for a lazy one, `X?` for an optional one)."""
    specs = [_input(key, kind) for key, kind in inputs.items()] if isinstance(inputs, Mapping) else list(inputs)
    sockets = tuple(item if isinstance(item, Output) else Output(item, item) for item in outputs)
    given = Traits(
        **traits,  # type: ignore[arg-type]
        has_change_token=token is not None,
        has_validation=complaint is not None,
    )
    return FakeNode(NodeSchema(name, tuple(specs), sockets, given), call, needs, complaint, token)


def _input(name: str, kind: str) -> Input:
    presence = Presence.OPTIONAL if kind.endswith("?") else Presence.REQUIRED
    words = kind.rstrip("?").split()
    options = dict.fromkeys(words[:-1], True)
    return Input(name, words[-1], presence, options=options)


@dataclass
class FakeExecutor:
    """`engine.ports.Executor`; `calls` lists the nodes whose function was called, in order."""

    nodes: Mapping[str, FakeNode]
    calls: list[str] = field(default_factory=list)
    values: dict[str, list[list[object]]] = field(default_factory=dict)
    segments: list[list[str]] = field(default_factory=list)
    hidden: list[object] = field(default_factory=list)
    released: list[str] = field(default_factory=list)
    finished: list[str] = field(default_factory=list)
    interrupted: set[str] = field(default_factory=set)
    incarnation: int = 0
    _device: asyncio.Lock = field(default_factory=asyncio.Lock)

    @classmethod
    def of(cls, *nodes: FakeNode) -> FakeExecutor:
        return cls({node.schema.type: node for node in nodes})

    @property
    def catalog(self) -> Catalog:
        return Catalog(node.schema for node in self.nodes.values())

    @property
    def place(self) -> str:
        return f"host#{self.incarnation}"

    def die(self) -> None:
        """The host is gone, with its values; another one stands ready."""
        self.incarnation += 1
        self.values.clear()

    async def schemas(self) -> Sequence[NodeSchema]:
        return list(self.catalog.values())

    async def inquire(self, run: str, inquiries: Sequence[Inquiry]) -> Sequence[Answer]:
        await asyncio.sleep(0)
        return [self._answer(inquiry) for inquiry in inquiries]

    def _answer(self, inquiry: Inquiry) -> Answer:
        node = self.nodes[inquiry.type]
        inputs = dict(inquiry.inputs) | dict.fromkeys(inquiry.input_types)
        complaint = node.complaint(**inputs) if inquiry.validate and node.complaint else None
        token = node.token(**inputs) if inquiry.token and node.token else None
        return Answer(inquiry.node, complaint, token)

    async def run(self, segment: Segment, report: Reporter) -> None:
        self.segments.append([task.node for task in segment.tasks])
        self.hidden.append(segment.hidden)
        if segment.hidden is not None:
            self.interrupted.discard(segment.run)  # another attempt of a run that was paused
        await asyncio.sleep(0)
        place = self.place
        batch: list[Report] = []
        for task in segment.tasks:
            if self.place != place:
                raise HostLost(place, "killed by another step")
            if not all(part.fingerprint in self.values for part in _parts(task.inputs.values())):
                continue
            batch.append(Started(task.node))
            try:
                result = await self._run_task(task, segment.run, batch)
            except Crash as crash:
                report(batch)
                self.die()
                raise HostLost(place, str(crash)) from None
            batch.append(Ended(task.node, result))
            if isinstance(result, Failure):
                break
            if task.lane is not Lane.DEVICE:
                report(batch)
                batch = []
        report(batch)

    async def _run_task(self, task: Task, run: str, batch: list[Report]) -> Outcome | Failure:
        if run in self.interrupted:
            return Failure("Interrupted", "stopped", interrupted=True)
        node = self.nodes[task.type]
        lists = {name: self._items(value) for name, value in task.inputs.items()}
        lists |= {name: [None] for name in task.missing}
        if node.needs is not None:
            wanted = node.needs(**{name: items[0] for name, items in lists.items()})
            demanded = tuple(name for name in wanted if name in task.missing)
            if demanded:
                return Demand(demanded)
        self.calls.append(task.node)
        try:
            return await self._call(node, task, lists, batch)
        except Exception as error:
            return Failure(type(error).__name__, str(error))

    async def _call(
        self, node: FakeNode, task: Task, lists: Mapping[str, list[object]], batch: list[Report]
    ) -> Outcome:
        count, results = len(node.schema.outputs), []
        ui: dict[str, list[object]] = {}
        blocked: list[str] = []
        calls = [dict(lists)] if node.schema.traits.list_wise else list(broadcast.calls(lists))
        for inputs in calls:
            stops = [value for value in inputs.values() if isinstance(value, Blocker)]
            if stops:
                blocked.extend(stop.message for stop in stops[:1] if stop.message is not None)
                results.append([Blocker()] * count)
                continue
            given = node.call(**inputs)
            if isinstance(given, Awaitable):
                given = await given
            if isinstance(given, Expand):
                return Expansion(given.graph, given.results, given.ui)
            if isinstance(given, dict):
                for key, shown in given.items():
                    ui.setdefault(key, []).extend(shown)
                given = ()
            results.append(list(given) if isinstance(given, tuple) else [given])
        batch.extend([Progressed(task.node, 1, 1), Previewed(task.node, b"x", "image/png")] if ui else [])
        outputs = broadcast.merge(results, [output.is_list for output in node.schema.outputs], (Blocker,))
        self.values[task.fingerprint] = outputs
        handles = [
            Handle(task.fingerprint, index, self.place, len(items), len(items), _blocked(items))
            for index, items in enumerate(outputs)
        ]
        return Values(tuple(handles), ui or None, blocked=tuple(blocked))

    def _items(self, value: object) -> list[object]:
        if isinstance(value, Held | Gathered):
            return [item for part in _parts([value]) for item in self._held(part)]
        return [[value.node, value.output]] if isinstance(value, Link) else [value]

    def _held(self, part: Held) -> list[object]:
        items = self.values[part.fingerprint][part.output]
        opened = (item if part.spread and isinstance(item, list) else [item] for item in items)
        return [leaf for leaves in opened for leaf in leaves]

    async def interrupt(self, run: str) -> None:
        self.interrupted.add(run)

    async def release(self, fingerprints: Sequence[str]) -> None:
        for fingerprint in fingerprints:
            self.released.append(fingerprint)
            self.values.pop(fingerprint, None)

    async def finish(self, run: str, *, keep: bool = False) -> None:
        self.finished.append(run)


def _blocked(items: Sequence[object]) -> str | None:
    messages = [item.message or "" for item in items if isinstance(item, Blocker)]
    return messages[0] if messages and len(messages) == len(items) else None


def _parts(values: object) -> list[Held]:
    found: list[Held] = []
    for value in values:  # type: ignore[attr-defined]
        if isinstance(value, Held):
            found.append(value)
        elif isinstance(value, Gathered):
            found.extend(value.parts)
    return found
