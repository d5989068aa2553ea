"""Node ids that are unique in the whole document.

Files may number the nodes of each subgraph from 1. The editor renumbers what collides with the root's nodes or with an
earlier subgraph's, upwards from the highest id in use, and its prompts show the new numbers; so does this.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from .document import Definition, Document, Node


def with_unique_ids(document: Document) -> Document:
    """The document with every node of every subgraph under an id of its own."""
    used = {node.id for node in document.root.nodes}
    last = document.last_node_id
    renamed: dict[str, dict[str, str]] = {}
    subgraphs: dict[str, Definition] = {}
    for definition in document.subgraphs.values():
        names: dict[str, str] = {}
        for node in definition.nodes:
            if node.id in used:
                last += 1
                while str(last) in used:
                    last += 1
                names[node.id] = str(last)
                used.add(str(last))
            else:
                used.add(node.id)
                if node.id.isdecimal():
                    last = max(last, int(node.id))
        renamed[definition.id] = names
        subgraphs[definition.id] = renumber(definition, names) if names else definition
    if not any(renamed.values()):
        return document
    return replace(
        document,
        root=_patch_promotions(document.root, renamed),
        subgraphs={name: _patch_promotions(definition, renamed) for name, definition in subgraphs.items()},
        last_node_id=last,
    )


def highest_id(document: Document) -> int:
    """The highest number that is or was a node's id."""
    sheets = (document.root, *document.subgraphs.values())
    numbers = (int(node.id) for sheet in sheets for node in sheet.nodes if node.id.isdecimal())
    return max(document.last_node_id, *numbers, 0)


def renumber(definition: Definition, names: Mapping[str, str]) -> Definition:
    """The sheet with its nodes under other ids."""
    return replace(
        definition,
        nodes=tuple(replace(node, id=names.get(node.id, node.id)) for node in definition.nodes),
        links={
            link.id: replace(
                link, origin=names.get(link.origin, link.origin), target=names.get(link.target, link.target)
            )
            for link in definition.links.values()
        },
    )


def _patch_promotions(definition: Definition, renamed: Mapping[str, Mapping[str, str]]) -> Definition:
    """Instances of renumbered subgraphs name inner nodes in their `proxyWidgets`."""
    return replace(
        definition,
        nodes=tuple(_patch_node(node, renamed.get(node.type, {})) for node in definition.nodes),
    )


def _patch_node(node: Node, names: Mapping[str, str]) -> Node:
    entries = node.properties.get("proxyWidgets")
    if not names or not isinstance(entries, list):
        return node
    patched: list[Any] = [
        [names.get(str(entry[0]), entry[0]), *entry[1:]] if isinstance(entry, list) and entry else entry
        for entry in entries
    ]
    return replace(node, properties={**node.properties, "proxyWidgets": patched})
