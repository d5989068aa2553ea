"""The values that instances of subgraphs give to widgets inside them.

Rules, as the editor's:

- An input of a subgraph that leads to a widget inside carries that widget. An instance holds its own value for it:
  the widget's inside value to begin with, then the instance's saved values in the order of such inputs.
- Older instances list `proxyWidgets` instead, `[inner node, widget name]` each, with their values in that order; the
  inner node `-1` means the subgraph's own input of that name. Where no input leads to the widget, the value goes
  straight to it.
- A primitive node writes its value into every widget that it is connected to, before anything is promoted.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from limner.graph import InvalidGraph, Problem

from .sheet import PRIMITIVE, Kind, Placed, Sheet

OUTER = "-1"
_PREFIX = re.compile(r"\s*(\d+)\s*:\s*(.+)$", re.DOTALL)


@dataclass(slots=True)
class Instance:
    """The values of one subgraph node: by input name, and by (inner node, input) where no input leads there."""

    inputs: dict[str, Any] = field(default_factory=dict)
    inner: dict[tuple[str, str], Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class _Proxy:
    """An entry of `proxyWidgets`: an inner node, its widget, and the node further inside that the widget is from."""

    node: str
    widget: str
    deeper: str = ""


def apply_primitives(sheet: Sheet) -> None:
    """Write the primitive nodes' values into the widgets that they are connected to."""
    for link in sheet.definition.links.values():
        origin = sheet.nodes.get(link.origin)
        target = sheet.target_input(link)
        if origin is None or origin.kind is not Kind.PRIMITIVE or target is None or not origin.node.values:
            continue
        placed, index = target
        values = sheet.values.get(placed.node.id, {})
        name = placed.inputs[index].name
        if name in values:
            values[name] = origin.node.values[0]


def instances_of(sheets: Mapping[str, Sheet], root: Sheet) -> dict[tuple[str, str], Instance]:
    """(sheet id, node id) of every subgraph node -> its values. Raises `InvalidGraph` for subgraphs in themselves."""
    promoter = _Promoter(sheets)
    for sheet in _inner_first(sheets, root):
        promoter.visit(sheet)
    return promoter.instances


def _inner_first(sheets: Mapping[str, Sheet], root: Sheet) -> Sequence[Sheet]:
    """Every sheet after those that it uses."""
    needs = {
        sheet.definition.id: [placed.node.type for placed in sheet.nodes.values() if placed.kind is Kind.SUBGRAPH]
        for sheet in (*sheets.values(), root)
    }
    by_id = {**sheets, root.definition.id: root}
    done: dict[str, Sheet] = {}
    path: list[tuple[str, list[str]]] = [(root.definition.id, list(needs[root.definition.id]))]
    open_sheets = {root.definition.id}
    while path:
        current, waiting = path[-1]
        if not waiting:
            path.pop()
            open_sheets.discard(current)
            done[current] = by_id[current]
            continue
        child = waiting.pop()
        if child in open_sheets:
            raise InvalidGraph(
                [
                    Problem(
                        "recursive_subgraph",
                        f"The subgraph '{by_id[child].definition.name or child}' contains itself",
                        remedy="Remove that instance of it from its own definition",
                    )
                ]
            )
        if child not in done:
            open_sheets.add(child)
            path.append((child, list(needs[child])))
    return list(done.values())


class _Promoter:
    """Gathers the instances of one document, sheet by sheet from the inside out."""

    def __init__(self, sheets: Mapping[str, Sheet]) -> None:
        self._sheets = sheets
        self.instances: dict[tuple[str, str], Instance] = {}
        self._sources: dict[str, dict[str, tuple[str, str]]] = {}
        """Sheet -> its input -> the inner node and widget that the input leads to."""

    def visit(self, sheet: Sheet) -> None:
        for placed in sheet.nodes.values():
            if placed.kind is Kind.SUBGRAPH:
                instance = self._instance(placed, self._sheets[placed.node.type])
                self.instances[sheet.definition.id, placed.node.id] = instance
        self._sources[sheet.definition.id] = self._find_sources(sheet)

    def _find_sources(self, sheet: Sheet) -> dict[str, tuple[str, str]]:
        found: dict[str, tuple[str, str]] = {}
        for port in sheet.definition.inputs:
            for identifier in port.links:
                link = sheet.link(identifier)
                target = sheet.target_input(link) if link else None
                if target is None:
                    continue
                placed, index = target
                name = placed.inputs[index].name
                if name in self._held(sheet, placed):
                    found.setdefault(port.name, (placed.node.id, name))
                    break
        return found

    def _held(self, sheet: Sheet, placed: Placed) -> Mapping[str, Any]:
        """What the node's widgets hold: its own, or those promoted to it."""
        if placed.kind is Kind.SUBGRAPH:
            instance = self.instances.get((sheet.definition.id, placed.node.id))
            return instance.inputs if instance else {}
        return sheet.values.get(placed.node.id, {})

    def _instance(self, host: Placed, inner: Sheet) -> Instance:
        instance = Instance()
        sources = self._sources[inner.definition.id]
        for port in inner.definition.inputs:
            if port.name in sources:
                node, widget = sources[port.name]
                instance.inputs[port.name] = self._held(inner, inner.nodes[node]).get(widget)
        saved = host.node.values
        if saved is None:
            named = host.node.named or {}
            instance.inputs.update({name: named[name] for name in instance.inputs if name in named})
            saved = ()
        for name, value in zip(list(instance.inputs), saved, strict=False):
            instance.inputs[name] = value
        for proxy, value in zip(_proxies(host), saved, strict=False):
            self._apply(proxy, value, instance, inner)
        return instance

    def _apply(self, proxy: _Proxy, value: Any, instance: Instance, inner: Sheet) -> None:
        if proxy.node == OUTER:
            if proxy.widget in instance.inputs:
                instance.inputs[proxy.widget] = value
            return
        placed = inner.nodes.get(proxy.node)
        if placed is None:
            return
        if placed.node.type == PRIMITIVE:
            for link in inner.definition.links.values():
                target = inner.target_input(link) if link.origin == proxy.node else None
                if target is not None:
                    instance.inner[target[0].node.id, target[0].inputs[target[1]].name] = value
            return
        name = self._widget_name(placed, inner, proxy)
        if name is None:
            return
        for port, source in self._sources[inner.definition.id].items():
            if source == (proxy.node, name):
                instance.inputs[port] = value
                return
        instance.inner[proxy.node, name] = value

    def _widget_name(self, placed: Placed, inner: Sheet, proxy: _Proxy) -> str | None:
        """The name of the node's input that a proxy means; old files put the path of nodes before it, `12: text`."""
        held = self._held(inner, placed)
        leads = self._sources.get(placed.node.type, {})
        name, deeper = proxy.widget, proxy.deeper
        while True:
            if deeper:
                for port, source in leads.items():
                    if source == (deeper, name):
                        return port
            if name in held:
                return name
            for port, source in leads.items():
                if source[1] == name:
                    return port
            match = _PREFIX.match(name)
            if match is None:
                return None
            deeper, name = match.group(1), match.group(2)


def _proxies(host: Placed) -> list[_Proxy]:
    """The instance's `proxyWidgets`; none where the list is broken."""
    raw = host.node.properties.get("proxyWidgets")
    if not isinstance(raw, list):
        return []
    entries: list[_Proxy] = []
    for entry in raw:
        if not isinstance(entry, list) or len(entry) not in (2, 3) or not all(isinstance(part, str) for part in entry):
            return []
        entries.append(_Proxy(*entry))
    return entries
