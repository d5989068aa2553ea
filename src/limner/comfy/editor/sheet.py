"""A definition seen with the catalog: each node's real inputs and outputs, its links, and what its widgets hold.

Rules: an input is matched to the saved one by name; the schema says its type. Saved inputs that the schema lacks stay,
unless they belong to a widget that is not there any more. A link belongs to the input that names it; an input that
names none takes the link whose target slot is its place among the saved inputs.
"""

from __future__ import annotations

import enum
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from limner.comfy.object_info import ListFiles
from limner.graph import Catalog, NodeSchema, Presence

from .document import Definition, Link, Node, Slot
from .titles import TITLES
from .widgets import WIDGET_DEFAULTS, values_of

PRIMITIVE = "PrimitiveNode"


class Kind(enum.Enum):
    """What a node is to a prompt: only PLAIN ones are in it."""

    PLAIN = "plain"
    SUBGRAPH = "subgraph"
    REROUTE = "reroute"
    PRIMITIVE = "primitive"
    NOTE = "note"


KINDS = {
    "Reroute": Kind.REROUTE,
    PRIMITIVE: Kind.PRIMITIVE,
    "Note": Kind.NOTE,
    "MarkdownNote": Kind.NOTE,
}


@dataclass(frozen=True, slots=True)
class Placed:
    """A node with its real inputs (each with its link, if any) and its outputs' types."""

    node: Node
    kind: Kind
    schema: NodeSchema | None
    inputs: tuple[Slot, ...]
    outputs: tuple[str, ...]

    @property
    def title(self) -> str:
        """What stands at the head of the node in the editor."""
        name = self.schema.info.get("display_name", self.schema.display_name) if self.schema else ""
        kind = self.node.type
        return str(self.node.title or name or TITLES.get(kind, kind))


class Sheet:
    """One definition, ready to be walked. `values` may be changed while a document is being prepared, not after."""

    def __init__(
        self, definition: Definition, subgraphs: Mapping[str, Definition], catalog: Catalog, choices: ListFiles
    ) -> None:
        self.definition = definition
        self._by_target = {(link.target, link.target_slot): link for link in definition.links.values()}
        self.nodes: dict[str, Placed] = {}
        self.values: dict[str, dict[str, Any]] = {}
        for node in definition.nodes:
            schema = catalog.get(node.type)
            if schema is not None:
                self.values[node.id] = values_of(node, schema, choices)
            self.nodes[node.id] = placed = self._place(node, subgraphs, schema)
            if placed.kind is Kind.PLAIN and schema is None:
                self.values[node.id] = _values_without_schema(placed)

    def link(self, identifier: int | None) -> Link | None:
        return None if identifier is None else self.definition.links.get(identifier)

    def target_input(self, link: Link) -> tuple[Placed, int] | None:
        """The node and the index of the input that a link leads to."""
        placed = self.nodes.get(link.target)
        if placed is None:
            return None
        for index, slot in enumerate(placed.inputs):
            if slot.link == link.id:
                return placed, index
        return None

    def _place(self, node: Node, subgraphs: Mapping[str, Definition], schema: NodeSchema | None) -> Placed:
        saved = tuple(self._linked(node, index, slot) for index, slot in enumerate(node.inputs))
        outputs = tuple(slot.type for slot in node.outputs)
        inner = subgraphs.get(node.type)
        if inner is not None:
            slots = _matched([Slot(port.name, port.type, widget=port.name) for port in inner.inputs], saved)
            return Placed(node, Kind.SUBGRAPH, None, slots, tuple(port.type for port in inner.outputs))
        if node.type in KINDS:
            return Placed(node, KINDS[node.type], None, saved, outputs)
        if schema is None:
            return Placed(node, Kind.PLAIN, None, saved, outputs)
        slots = _matched(slots_of(schema), saved)
        defined = {slot.name for slot in slots}
        held = self.values[node.id]
        extra = tuple(
            slot for slot in saved if slot.name not in defined and (slot.widget is None or slot.widget in held)
        )
        types = tuple(output.type for output in schema.outputs)
        return Placed(node, Kind.PLAIN, schema, slots + extra, types + outputs[len(types) :])

    def _linked(self, node: Node, index: int, slot: Slot) -> Slot:
        """The saved input with the link that really exists, or none."""
        link = self.link(slot.link)
        if link is None:
            link = self._by_target.get((node.id, index))
            if link is not None and any(other.link == link.id for other in node.inputs):
                link = None
        return Slot(slot.name, slot.type, link.id if link else None, slot.widget)


def slots_of(schema: NodeSchema) -> list[Slot]:
    """A node type's inputs in the editor's order: sockets first, then those that have a widget."""
    sockets: list[Slot] = []
    widgets: list[Slot] = []
    for item in schema.inputs:
        if item.presence is Presence.HIDDEN:
            continue
        if str(item.options.get("widgetType") or item.type) in WIDGET_DEFAULTS and not item.options.get("forceInput"):
            widgets.append(Slot(item.name, item.type, widget=item.name))
        else:
            sockets.append(Slot(item.name, item.type))
    return sockets + widgets


def _matched(defined: list[Slot], saved: tuple[Slot, ...]) -> tuple[Slot, ...]:
    by_name: dict[str, Slot] = {}
    for slot in saved:
        by_name.setdefault(slot.name, slot)
    return tuple(
        Slot(slot.name, slot.type, found.link if (found := by_name.get(slot.name)) else None, slot.widget)
        for slot in defined
    )


def _values_without_schema(placed: Placed) -> dict[str, Any]:
    """The values of a node that the catalog lacks: by name where the file has names, or by its widgets' inputs."""
    node = placed.node
    if node.named is not None:
        return dict(node.named)
    names = [slot.widget for slot in placed.inputs if slot.widget]
    values = node.values or ()
    return dict(zip(names, values, strict=True)) if len(names) == len(values) else {}
