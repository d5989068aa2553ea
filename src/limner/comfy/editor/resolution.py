"""What an input is in the end linked to: a node that runs, a value that a subgraph's instance gives, or nothing.

Rules, as the editor's:

- A muted node gives nothing. A bypassed node gives what its own input of a matching type is linked to: the input at
  the output's place where the types allow it, else the first of exactly the wanted type, else the first that connects.
- A reroute gives what it is linked to. Primitives and notes give nothing.
- A subgraph's output leads to the node inside; an inner input that is linked to the subgraph's wall leads to what
  the instance's input is linked to, or, where that is nothing, to the value that the instance holds for it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from limner.graph import InvalidGraph, Problem

from .document import BYPASSED, INPUT_SIDE, MUTED, Link
from .promotion import Instance
from .sheet import Kind, Placed, Sheet


@dataclass(frozen=True, slots=True)
class Level:
    """A sheet as it stands in the document: the root, or one instance of a subgraph inside another level."""

    sheet: Sheet
    path: tuple[str, ...] = ()
    above: Level | None = None

    def name(self, node: str) -> str:
        """The id of one of its nodes in the prompt, e.g. `12:3`."""
        return ":".join((*self.path, node))

    @property
    def host(self) -> str:
        """The id, in the level above, of the subgraph node that this level is the inside of."""
        return self.path[-1]


@dataclass(frozen=True, slots=True)
class Source:
    """Output `output` of the node with this id in the prompt."""

    node: str
    output: int


@dataclass(frozen=True, slots=True)
class Given:
    """A value that an instance of a subgraph holds."""

    value: Any


@dataclass(frozen=True, slots=True)
class _AtInput:
    level: Level
    placed: Placed
    slot: int
    wanted: str | None = None


@dataclass(frozen=True, slots=True)
class _AtOutput:
    level: Level
    placed: Placed
    slot: int
    wanted: str


_Step = _AtInput | _AtOutput
_Outcome = Source | Given | None


class Resolver:
    """Follows links through everything that is not in a prompt. Iterative, and proof against circles."""

    def __init__(self, sheets: Mapping[str, Sheet], instances: Mapping[tuple[str, str], Instance]) -> None:
        self._sheets = sheets
        self._instances = instances

    def input(self, level: Level, placed: Placed, slot: int) -> _Outcome:
        """What feeds the input. Raises `InvalidGraph` for reroutes or bypassed nodes that lead in a circle."""
        step: _Step | _Outcome = _AtInput(level, placed, slot)
        seen: set[tuple[str, bool, int]] = set()
        while isinstance(step, (_AtInput, _AtOutput)):
            mark = (step.level.name(step.placed.node.id), isinstance(step, _AtInput), step.slot)
            if mark in seen:
                raise InvalidGraph([_circle(level.name(placed.node.id), placed.inputs[slot].name)])
            seen.add(mark)
            step = self._from_input(step) if isinstance(step, _AtInput) else self._from_output(step)
        return step

    def _from_input(self, at: _AtInput) -> _Step | _Outcome:
        if at.slot >= len(at.placed.inputs):
            return None
        slot = at.placed.inputs[at.slot]
        host = self._host(at.level)
        if host is not None and (at.placed.node.id, slot.name) in host.inner:
            return Given(host.inner[at.placed.node.id, slot.name])
        link = at.level.sheet.link(slot.link)
        if link is None:
            return None
        return self._across(at.level, link, at.wanted or slot.type)

    def _across(self, level: Level, link: Link, wanted: str) -> _Step | _Outcome:
        """From a link to what it comes from: a node of this level, or the wall."""
        if link.origin == INPUT_SIDE and level.above is not None:
            return self._through_wall(level, level.above, link.origin_slot)
        origin = level.sheet.nodes.get(link.origin)
        return None if origin is None else _AtOutput(level, origin, link.origin_slot, wanted)

    def _through_wall(self, level: Level, above: Level, port: int) -> _Step | _Outcome:
        host = above.sheet.nodes[level.host]
        if port >= len(host.inputs):
            return None
        slot = host.inputs[port]
        outer = self._host(above)
        if above.sheet.link(slot.link) is not None or (outer and (host.node.id, slot.name) in outer.inner):
            return _AtInput(above, host, port)
        instance = self._host(level)
        if instance is not None and slot.name in instance.inputs:
            return Given(instance.inputs[slot.name])
        return None

    def _from_output(self, at: _AtOutput) -> _Step | _Outcome:
        node = at.placed.node
        if node.mode == MUTED:
            return None
        if node.mode == BYPASSED:
            index = _bypass(at.placed, at.slot, at.wanted)
            return None if index is None else _AtInput(at.level, at.placed, index)
        match at.placed.kind:
            case Kind.PLAIN:
                return Source(at.level.name(node.id), at.slot)
            case Kind.SUBGRAPH:
                return self._into(at)
            case Kind.REROUTE:
                return _AtInput(at.level, at.placed, at.slot, at.wanted)
            case _:
                return None

    def _into(self, at: _AtOutput) -> _Step | _Outcome:
        sheet = self._sheets[at.placed.node.type]
        inside = Level(sheet, (*at.level.path, at.placed.node.id), at.level)
        ports = sheet.definition.outputs
        if at.slot >= len(ports):
            return None
        link = next((link for identifier in ports[at.slot].links if (link := sheet.link(identifier))), None)
        return None if link is None else self._across(inside, link, at.wanted)

    def _host(self, level: Level) -> Instance | None:
        if level.above is None:
            return None
        return self._instances.get((level.above.sheet.definition.id, level.host))


def _bypass(placed: Placed, output: int, wanted: str) -> int | None:
    """The input that stands in for an output of a bypassed node."""
    inputs = placed.inputs
    if not inputs:
        return None
    if wanted in ("*", ""):
        return output if len(inputs) > output else 0
    given = placed.outputs[output] if output < len(placed.outputs) else "*"
    fitting = [
        index for index, slot in enumerate(inputs) if _connects(slot.type, given) and _connects(slot.type, wanted)
    ]
    if output in fitting:
        return output
    exact = next((index for index, slot in enumerate(inputs) if slot.type == wanted), None)
    return exact if exact is not None else next(iter(fitting), None)


def _connects(one: str, other: str) -> bool:
    """The editor's rule: any alternative of one type may be any of the other's."""
    if one in ("", "*", "0") or other in ("", "*", "0"):
        return True
    return not {part.lower() for part in one.split(",")}.isdisjoint(part.lower() for part in other.split(","))


def _circle(node: str, name: str) -> Problem:
    return Problem(
        "dependency_cycle",
        "The input leads in a circle of reroutes, bypassed nodes or subgraphs",
        remedy="Remove one of the links of the circle",
        node=node,
        input=name,
    )
