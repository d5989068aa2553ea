"""Group nodes, which older editors had in place of subgraphs, as subgraph definitions.

A group's nodes and the links between them stand in the file's `extra.groupNodes`. Rules, as the old editor's:

- Its inputs are those of its nodes that nothing inside is linked to, node by node in their order; a name that was taken
  already has the node's title or type put before it, and from the third one a number.
- Its outputs are those that nothing inside takes, and those that are marked `external`.
- An instance saves the values of all widgets among its inputs, in that order, controls of seeds among them.

Today's editor makes a subgraph of each instance when it loads the file: first the inner nodes get new ids, then the
instance itself. The ids in the prompt are those.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from limner.comfy.object_info import ListFiles
from limner.graph import Catalog

from .document import INPUT_SIDE, OUTPUT_SIDE, Definition, Document, Link, Node, Port, Slot, read_document
from .identity import highest_id, renumber
from .sheet import PRIMITIVE, slots_of
from .widgets import widgets_of

PREFIXES = ("workflow>", "workflow/")
MOST_INSTANCES = 1000
"""Groups in groups are opened no further than this: one that holds itself has no end."""


@dataclass(slots=True)
class _Group:
    """A group being made into a definition. `places` says, for each value that an instance saves, its input, if any."""

    nodes: list[Node] = field(default_factory=list)
    links: dict[int, Link] = field(default_factory=dict)
    inputs: list[Port] = field(default_factory=list)
    outputs: list[Port] = field(default_factory=list)
    places: list[str | None] = field(default_factory=list)
    seen: dict[str, int] = field(default_factory=dict)

    def connect(self, origin: str, slot: int, target: str, target_slot: int) -> int:
        identifier = len(self.links) + 1
        self.links[identifier] = Link(identifier, origin, slot, target, target_slot)
        return identifier


def with_groups_opened(document: Document, catalog: Catalog, choices: ListFiles) -> Document:
    """The document with every group as a subgraph. Raises `InvalidGraph` where a group cannot be read."""
    raw = document.extra.get("groupNodes")
    if not isinstance(raw, Mapping) or not raw:
        return document
    made = {
        f"{PREFIXES[0]}{name}": _define(f"{PREFIXES[0]}{name}", data, catalog, choices)
        for name, data in raw.items()
        if isinstance(data, Mapping)
    }
    opener = _Opener(made, highest_id(document))
    subgraphs = dict(document.subgraphs)
    root = opener.open(document.root, subgraphs)
    for name, definition in document.subgraphs.items():
        subgraphs[name] = opener.open(definition, subgraphs)
    return replace(document, root=root, subgraphs=subgraphs, last_node_id=opener.last)


class _Opener:
    """Puts a definition of its own in the place of each instance, under new ids."""

    def __init__(self, made: Mapping[str, tuple[Definition, _Group]], last: int) -> None:
        self._made = made
        self.last = last

    def open(self, definition: Definition, subgraphs: dict[str, Definition]) -> Definition:
        """The sheet with its instances opened; what they are instances of is added to `subgraphs`."""
        waiting, names = [definition], list[str]()
        opened = definition
        while waiting:
            sheet = waiting.pop()
            renamed: dict[str, str] = {}
            nodes: list[Node] = []
            for node in sheet.nodes:
                found = self._made.get(PREFIXES[0] + node.type[len(PREFIXES[0]) :])
                if found is None or not node.type.startswith(PREFIXES) or len(names) >= MOST_INSTANCES:
                    nodes.append(node)
                    continue
                inner = self._renumbered(found[0])
                renamed[node.id] = self._next()
                kind = f"{found[0].id}#{renamed[node.id]}"
                names.append(kind)
                subgraphs[kind] = inner = replace(inner, id=kind)
                waiting.append(inner)
                nodes.append(replace(node, type=kind, values=None, named=_named(found[1], node)))
            changed = renumber(replace(sheet, nodes=tuple(nodes)), renamed)
            if sheet is definition:
                opened = changed
            else:
                subgraphs[sheet.id] = changed
        return opened

    def _renumbered(self, definition: Definition) -> Definition:
        return renumber(definition, {node.id: self._next() for node in definition.nodes})

    def _next(self) -> str:
        self.last += 1
        return str(self.last)


def _named(group: _Group, node: Node) -> dict[str, Any]:
    """The instance's saved values by the group's inputs."""
    return {place: value for place, value in zip(group.places, node.values or (), strict=False) if place is not None}


def _define(
    identifier: str, data: Mapping[str, Any], catalog: Catalog, choices: ListFiles
) -> tuple[Definition, _Group]:
    listed = [entry for entry in _list(data.get("nodes")) if isinstance(entry, Mapping)]
    inner = read_document({"nodes": [{**entry, "id": place} for place, entry in enumerate(listed)]}).root.nodes
    group = _Group()
    links = list(_inner_links(data, len(inner)))
    for place, node in enumerate(inner):
        group.nodes.append(_with_slots(node, catalog))
        if node.type == PRIMITIVE:
            _primitive(group, node, [link for link in links if link[0] == place])
        else:
            _inputs(group, place, {link[3] for link in links if link[2] == place}, catalog, choices)
    for origin, slot, target, target_slot in links:
        if inner[origin].type != PRIMITIVE:
            group.connect(str(origin), slot, str(target), _slot_index(group, inner, target, target_slot))
    _outputs(group, data, links)
    nodes = tuple(_linked(node, group) for node in group.nodes)
    return Definition(identifier, identifier, nodes, group.links, tuple(group.inputs), tuple(group.outputs)), group


def _inner_links(data: Mapping[str, Any], count: int) -> Iterator[tuple[int, int, int, int]]:
    """The links between nodes of the group, as places and slots; those from outside are left out."""
    for entry in _list(data.get("links")):
        if isinstance(entry, (list, tuple)) and len(entry) >= 4 and all(isinstance(part, int) for part in entry[:4]):
            origin, slot, target, target_slot = entry[:4]
            if 0 <= origin < count and 0 <= target < count:
                yield origin, slot, target, target_slot


def _list(raw: object) -> list[Any]:
    return raw if isinstance(raw, list) else []


def _with_slots(node: Node, catalog: Catalog) -> Node:
    """The node with a saved input for every input that it has, so that links have a place."""
    schema = catalog.get(node.type)
    have = {slot.name for slot in node.inputs}
    more = [slot for slot in (slots_of(schema) if schema else ()) if slot.name not in have]
    return replace(node, inputs=tuple(replace(slot, link=None) for slot in (*node.inputs, *more)))


def _slot_index(group: _Group, inner: tuple[Node, ...], target: int, slot: int) -> int:
    """Saved inputs come first among the node's inputs, so that the place of a saved input stays."""
    return slot if slot < len(inner[target].inputs) else len(group.nodes[target].inputs)


def _inputs(group: _Group, place: int, taken: set[int], catalog: Catalog, choices: ListFiles) -> None:
    """Ports for what nothing inside is linked to, and places for the values of those with widgets."""
    node = group.nodes[place]
    schema = catalog.get(node.type)
    names = [item.name for item in schema.inputs] if schema else [slot.name for slot in node.inputs]
    ports: dict[str, str] = {}
    for name in names:
        index = next((index for index, slot in enumerate(node.inputs) if slot.name == name), None)
        if index is None or index in taken:
            continue
        ports[name] = port = _name(group, node, name)
        link = group.connect(INPUT_SIDE, len(group.inputs), node.id, index)
        group.inputs.append(Port(port, node.inputs[index].type, (link,)))
    shown = False
    for widget in widgets_of(schema, choices) if schema else ():
        if widget.input is not None:
            shown = widget.name in ports and not widget.forced
        if shown:
            group.places.append(ports.get(widget.name) if widget.input is not None else None)


def _primitive(group: _Group, node: Node, links: list[tuple[int, int, int, int]]) -> None:
    """A port that leads to all widgets that the primitive is connected to."""
    if not links:
        return
    port = _name(group, node, "value")
    ends = [group.connect(INPUT_SIDE, len(group.inputs), str(target), slot) for _, _, target, slot in links]
    group.inputs.append(Port(port, node.outputs[0].type if node.outputs else "*", tuple(ends)))
    group.places.extend([port, *[None] * (len(node.values or ()) - 1)])


def _name(group: _Group, node: Node, name: str) -> str:
    key = chosen = name
    if name in group.seen or node.type == PRIMITIVE:
        prefix = f"{node.title or node.type} "
        key = chosen = prefix + name
        if key in group.seen:
            chosen = f"{prefix}{group.seen[key]} {name}"
    group.seen[key] = group.seen.get(key, 1) + 1
    return chosen


def _outputs(group: _Group, data: Mapping[str, Any], links: list[tuple[int, int, int, int]]) -> None:
    inside = {(origin, slot) for origin, slot, _, _ in links}
    shown = {
        (entry[0], entry[1])
        for entry in _list(data.get("external"))
        if isinstance(entry, list) and len(entry) >= 2 and all(isinstance(part, int) for part in entry[:2])
    }
    for place, node in enumerate(group.nodes):
        for slot, output in enumerate(node.outputs):
            if node.type != PRIMITIVE and ((place, slot) not in inside or (place, slot) in shown):
                link = group.connect(node.id, slot, OUTPUT_SIDE, len(group.outputs))
                group.outputs.append(Port(output.name, output.type, (link,)))


def _linked(node: Node, group: _Group) -> Node:
    """The node's inputs with the links that lead to them."""
    ends = {link.target_slot: link.id for link in group.links.values() if link.target == node.id}
    slots = tuple(Slot(slot.name, slot.type, ends.get(index), slot.widget) for index, slot in enumerate(node.inputs))
    return replace(node, inputs=slots)
