"""A node returned a subgraph: its live literals and the values beside it are held under the node's fingerprint."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from limner.engine.values import Expansion, Fingerprint, Handle, Held
from limner.graph import Graph, Link, Node
from limner.sdk import Blocked, Result

from .plain import is_plain
from .values import ValueStore


def expansion(
    results: Sequence[Result],
    is_list: Sequence[bool],
    fingerprint: Fingerprint,
    store: ValueStore,
    ui: Mapping[str, object] | None,
) -> Expansion:
    """The subgraphs of all calls as one. Raises ValueError where two calls used the same node id.

    An output is what each call gave for it: a link into the subgraph, or a handle to a value that is held now.
    """
    held: list[list[object]] = []
    nodes: dict[str, Node] = {}
    for result in results:
        for node in result.expand.nodes.values() if result.expand is not None else ():
            if node.id in nodes:
                raise ValueError(f"two of its subgraphs have a node {node.id!r}; give each call's nodes their own ids")
            nodes[node.id] = replace(node, inputs=_held_inputs(node, fingerprint, held))
    places: list[list[Link | int]] = []
    for number, listed in enumerate(is_list):
        entries: list[Link | int] = []
        for result in results:
            value = result.values[number]
            if isinstance(value, Link):
                entries.append(value)
                continue
            items = list(value) if listed and isinstance(value, list | tuple) else [value]
            entries.append(len(held))
            held.append(items)
        places.append(entries)
    handles = store.put(fingerprint, held)
    outputs = tuple(_output(entries, handles) for entries in places)
    return Expansion(Graph.of(nodes.values()), outputs, ui)


def _output(entries: Sequence[Link | int], handles: Sequence[Handle]) -> object:
    parts = tuple(entry if isinstance(entry, Link) else handles[entry] for entry in entries)
    return parts[0] if len(parts) == 1 else parts


def _held_inputs(node: Node, fingerprint: Fingerprint, held: list[list[object]]) -> dict[str, object]:
    inputs: dict[str, object] = {}
    for name, value in node.inputs.items():
        if isinstance(value, Link) or is_plain(value):
            inputs[name] = value
        else:
            inputs[name] = Held(fingerprint, len(held))
            held.append([value if not isinstance(value, Blocked) else Blocked(value.message)])
    return inputs
