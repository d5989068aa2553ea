"""The editor's saved JSON, read into frozen types.

Rules: version 0.4 writes links as lists and version 1 as objects; both are read wherever they stand. Node ids are text
here whatever they were in the file. What does not parse is left out when the editor would ignore it (a link without
ends), and is a `Problem` when nothing could be run without it (a node without a type).
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from limner.graph import InvalidGraph, Problem

MUTED = 2
BYPASSED = 4

INPUT_SIDE = "-10"
"""The id that links inside a subgraph use for the subgraph's own inputs."""
OUTPUT_SIDE = "-20"
"""The id that links inside a subgraph use for the subgraph's own outputs."""

MAXIMUM_NESTING = 64


@dataclass(frozen=True, slots=True)
class Slot:
    """An input or output of a node as saved; `widget` names the widget that the input belongs to, if any."""

    name: str
    type: str
    link: int | None = None
    widget: str | None = None


@dataclass(frozen=True, slots=True)
class Node:
    """A node as saved. `values` are its widgets' values in order, `named` the same by name where the file has them."""

    id: str
    type: str
    title: str = ""
    mode: int = 0
    inputs: tuple[Slot, ...] = ()
    outputs: tuple[Slot, ...] = ()
    values: tuple[Any, ...] | None = None
    named: Mapping[str, Any] | None = None
    properties: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Link:
    id: int
    origin: str
    origin_slot: int
    target: str
    target_slot: int


@dataclass(frozen=True, slots=True)
class Port:
    """An input or output of a subgraph definition, and the links inside that lead to it."""

    name: str
    type: str
    links: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class Definition:
    """A sheet of nodes: the workflow's own, or a subgraph's."""

    id: str
    name: str
    nodes: tuple[Node, ...]
    links: Mapping[int, Link]
    inputs: tuple[Port, ...] = ()
    outputs: tuple[Port, ...] = ()


@dataclass(frozen=True, slots=True)
class Document:
    root: Definition
    subgraphs: Mapping[str, Definition] = field(default_factory=dict)
    last_node_id: int = 0
    extra: Mapping[str, Any] = field(default_factory=dict)


def read_document(data: object) -> Document:
    """The editor-form JSON as a document. Raises `InvalidGraph`."""
    if not isinstance(data, Mapping) or not isinstance(data.get("nodes"), Sequence):
        raise InvalidGraph([_unreadable("the workflow is not an object with a list of nodes")])
    problems: list[Problem] = []
    subgraphs: dict[str, Definition] = {}
    for raw in _nested_definitions(data, problems):
        definition = _definition(raw, str(raw.get("id", "")), problems)
        subgraphs.setdefault(definition.id, definition)
    root = _definition(data, "", problems)
    if problems:
        raise InvalidGraph(problems)
    state = data.get("state")
    last = data.get("last_node_id", state.get("lastNodeId") if isinstance(state, Mapping) else 0)
    extra = data.get("extra")
    return Document(
        root=root,
        subgraphs=subgraphs,
        last_node_id=_integer(last) or 0,
        extra=extra if isinstance(extra, Mapping) else {},
    )


def _unreadable(what: str, node: str = "") -> Problem:
    return Problem(
        "invalid_workflow",
        f"The workflow cannot be read: {what}",
        remedy="Save it again from the editor, or export it in API form",
        node=node,
    )


def _nested_definitions(data: Mapping[str, Any], problems: list[Problem]) -> Iterator[Mapping[str, Any]]:
    """Every subgraph definition in the file, each followed by those that are defined inside it."""
    waiting: list[tuple[Mapping[str, Any], int]] = [(data, 0)]
    while waiting:
        owner, depth = waiting.pop()
        if depth:
            yield owner
        if depth > MAXIMUM_NESTING:
            problems.append(_unreadable(f"its subgraph definitions are nested more than {MAXIMUM_NESTING} deep"))
            return
        definitions = owner.get("definitions")
        inner = definitions.get("subgraphs") if isinstance(definitions, Mapping) else None
        waiting.extend((raw, depth + 1) for raw in reversed(list(_mappings(inner))))


def _definition(raw: Mapping[str, Any], identifier: str, problems: list[Problem]) -> Definition:
    nodes: dict[str, Node] = {}
    for entry in _mappings(raw.get("nodes")):
        node = _node(entry, problems)
        if node:
            nodes.setdefault(node.id, node)
    links: dict[int, Link] = {}
    for entry in _list(raw.get("links")):
        link = _link(entry)
        if link:
            links.setdefault(link.id, link)
    return Definition(
        id=identifier,
        name=str(raw.get("name") or ""),
        nodes=tuple(nodes.values()),
        links=links,
        inputs=tuple(_port(entry) for entry in _mappings(raw.get("inputs"))),
        outputs=tuple(_port(entry) for entry in _mappings(raw.get("outputs"))),
    )


def _node(entry: Mapping[str, Any], problems: list[Problem]) -> Node | None:
    name = _identifier(entry.get("id"))
    if name is None:
        problems.append(_unreadable("it has a node without an id"))
        return None
    kind = entry.get("type")
    if not isinstance(kind, str) or not kind:
        problems.append(_unreadable(f"node {name} has no type", node=name))
        return None
    values = entry.get("widgets_values")
    named = entry.get("widgets_values_named")
    if isinstance(values, Mapping):
        named, values = values, None
    properties = entry.get("properties")
    return Node(
        id=name,
        type=kind,
        title=str(entry.get("title") or ""),
        mode=_integer(entry.get("mode")) or 0,
        inputs=tuple(_slot(slot) for slot in _mappings(entry.get("inputs"))),
        outputs=tuple(_slot(slot) for slot in _mappings(entry.get("outputs"))),
        values=tuple(values) if isinstance(values, (list, tuple)) else None,
        named=named if isinstance(named, Mapping) else None,
        properties=properties if isinstance(properties, Mapping) else {},
    )


def _slot(raw: Mapping[str, Any]) -> Slot:
    widget = raw.get("widget")
    widget_name = widget.get("name") if isinstance(widget, Mapping) else None
    return Slot(
        name=str(raw.get("name", "")),
        type=_type(raw.get("type")),
        link=_integer(raw.get("link")),
        widget=widget_name if isinstance(widget_name, str) else None,
    )


def _port(raw: Mapping[str, Any]) -> Port:
    links = tuple(link for entry in _list(raw.get("linkIds")) if (link := _integer(entry)) is not None)
    return Port(name=str(raw.get("name", "")), type=_type(raw.get("type")), links=links)


def _link(raw: object) -> Link | None:
    if isinstance(raw, Mapping):
        parts: Sequence[Any] = [raw.get(key) for key in ("id", "origin_id", "origin_slot", "target_id", "target_slot")]
    elif isinstance(raw, (list, tuple)) and len(raw) >= 5:
        parts = raw
    else:
        return None
    identifier, origin_slot, target_slot = _integer(parts[0]), _integer(parts[2]), _integer(parts[4])
    if identifier is None or origin_slot is None or target_slot is None or parts[1] is None or parts[3] is None:
        return None
    if origin_slot < 0:
        return None
    return Link(identifier, str(parts[1]), origin_slot, str(parts[3]), target_slot)


def _type(raw: object) -> str:
    if isinstance(raw, str):
        return raw
    return "COMBO" if isinstance(raw, (list, tuple)) else "*"


def _identifier(raw: object) -> str | None:
    if isinstance(raw, bool) or not isinstance(raw, (int, float, str)) or raw == "":
        return None
    if isinstance(raw, float):
        return str(int(raw)) if math.isfinite(raw) else None
    return str(raw)


def _integer(raw: object) -> int | None:
    if isinstance(raw, bool) or not isinstance(raw, (int, float, str)):
        return None
    try:
        return int(raw)
    except (ValueError, OverflowError):  # not a number, or an infinite one
        return None


def _list(raw: object) -> Sequence[Any]:
    return raw if isinstance(raw, (list, tuple)) else ()


def _mappings(raw: object) -> Iterator[Mapping[str, Any]]:
    return (entry for entry in _list(raw) if isinstance(entry, Mapping))
