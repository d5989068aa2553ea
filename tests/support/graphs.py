"""Short ways to write graphs in tests."""

from __future__ import annotations

from collections.abc import Mapping

from limner.graph import Graph, Link, Node


def graph(**nodes: tuple[str, Mapping[str, object]]) -> Graph:
    """`graph(a=("Add", {"x": 1, "y": "b:0"}))`: strings of the form `node:output` in inputs are links."""
    return Graph.of(
        Node(name, kind, {key: link(value) for key, value in inputs.items()}) for name, (kind, inputs) in nodes.items()
    )


def link(value: object) -> object:
    """`"a:0"` as a link, anything else as it is."""
    if isinstance(value, str) and value.count(":") == 1:
        node, _, output = value.partition(":")
        if output.isdigit():
            return Link(node, int(output))
    return value
