"""API-form prompts: `{"3": {"class_type": ..., "inputs": {"model": ["4", 0], ...}, "_meta": {"title": ...}}, ...}`.

Rules: an input that is a list of a node's id and a whole number is a link, and every other value a literal; a list that
is meant as a value comes wrapped, `{"__value__": [...]}`, and stays so. All problems of a prompt are gathered, then
raised once. What the nodes are, and whether the links lead anywhere, is validation's business.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from limner.graph import Graph, InputValue, InvalidGraph, Link, Node, Problem

API_FORM = "Send the workflow in API form: an object of nodes by id (in the editor: File, Export (API))"


def read_prompt(data: object) -> Graph:
    """The prompt as a graph. Raises `InvalidGraph`."""
    if not isinstance(data, Mapping):
        raise InvalidGraph([Problem("invalid_prompt", "The prompt is not an object", remedy=API_FORM)])
    problems: list[Problem] = []
    nodes: list[Node] = []
    for key, entry in data.items():
        node = _read_node(str(key), entry, problems)
        if node is not None:
            nodes.append(node)
    if problems:
        raise InvalidGraph(problems)
    return Graph.of(nodes)


def _read_node(name: str, entry: object, problems: list[Problem]) -> Node | None:
    def refuse(message: str, remedy: str) -> None:
        problems.append(Problem("invalid_prompt", message, remedy=remedy, node=name, detail=f"Node ID '#{name}'"))

    if not isinstance(entry, Mapping):
        refuse("Cannot execute because a node is not an object.", API_FORM)
        return None
    kind = entry.get("class_type")
    if kind is None:
        refuse("Cannot execute because a node is missing the class_type property.", "Give the node a class_type")
        return None
    if not isinstance(kind, str) or not kind:
        refuse("Cannot execute because a node's class_type is not text.", "Give the name of a node type as class_type")
        return None
    inputs = entry.get("inputs", {})
    if not isinstance(inputs, Mapping):
        refuse("Cannot execute because a node's inputs are not an object.", "Give its inputs by name, or {}")
        return None
    meta = entry.get("_meta")
    title = meta.get("title") if isinstance(meta, Mapping) else None
    values = {str(key): _read_input(value) for key, value in inputs.items()}
    return Node(name, kind, values, title if isinstance(title, str) else "")


def _read_input(value: object) -> InputValue:
    if isinstance(value, list) and len(value) == 2:
        node, output = value
        plain = isinstance(node, (str, int)) and not isinstance(node, bool)
        number = isinstance(output, (int, float)) and not isinstance(output, bool) and output == output // 1
        if plain and number:
            return Link(str(node), int(output))
    return value


def write_prompt(graph: Graph) -> dict[str, Any]:
    """The graph as a prompt; `read_prompt` gives the same graph again."""
    return {node.id: _write_node(node) for node in graph.nodes.values()}


def _write_node(node: Node) -> dict[str, Any]:
    inputs = {
        name: [value.node, value.output] if isinstance(value, Link) else value for name, value in node.inputs.items()
    }
    entry: dict[str, Any] = {"inputs": inputs, "class_type": node.type}
    if node.title:
        entry["_meta"] = {"title": node.title}
    return entry
