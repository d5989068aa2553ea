"""Workflows as Python objects, run node by node in this process.

A connection feeds output number `source_output` (or the output of that name) of one node to an input of another. What
a node gave is a tuple with one entry an output.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from .errors import ComfyUIError
from .handlers import get_node_handler
from .order import dependencies_first


class Node:
    """A node: `inputs` are its constant inputs by name (or only names, for inputs that are all connected), `outputs`
    the names of its outputs (may be empty)."""

    def __init__(
        self,
        node_id: str,
        node_type: str,
        inputs: Mapping[str, Any] | Sequence[str] | None = None,
        outputs: Sequence[str] | None = None,
    ) -> None:
        self.id = node_id
        self.type = node_type
        self.inputs = inputs if inputs is not None else {}
        self.outputs = outputs if outputs is not None else ()

    def execute(self, input_data: Mapping[str, Any]) -> Any:
        """Run the node on these inputs; gives a tuple with one entry an output."""
        return get_node_handler(self.type)(input_data)

    def validate(self) -> bool:
        """True if the node's type exists and takes its constant inputs; raises ComfyUIError otherwise."""
        get_node_handler(self.type).check(_constants(self))
        return True


class Workflow:
    """Nodes by id, and the connections between them."""

    def __init__(self) -> None:
        self.nodes: dict[str, Node] = {}
        self.connections: list[dict[str, tuple[str, Any]]] = []

    def add_node(self, node: Node) -> None:
        self.nodes[node.id] = node

    def connect(
        self, source_node: str | Node, source_output: int | str, target_node: str | Node, target_input: str
    ) -> None:
        """Feed an output to an input. Nodes may be given by id or as objects."""
        self.connections.append(
            {"source": (_id(source_node), source_output), "target": (_id(target_node), target_input)}
        )

    def execute(self) -> dict[str, Any]:
        """Run every node, in dependency order; gives node id -> what the node gave."""
        execution_graph = self.build_execution_graph()
        results: dict[str, Any] = {}
        for node_id in self.topological_sort(execution_graph):
            node = self.nodes[node_id]
            results[node_id] = node.execute(self.collect_inputs(node, results))
        return results

    def build_execution_graph(self) -> dict[str, list[str]]:
        """Node id -> the ids of the nodes that it needs. Raises ComfyUIError for connections to nowhere."""
        needs: dict[str, list[str]] = {node_id: [] for node_id in self.nodes}
        for connection in self.connections:
            source, target = connection["source"][0], connection["target"][0]
            for node_id in (source, target):
                if node_id not in self.nodes:
                    raise ComfyUIError(f"a connection names node {node_id!r}, which the workflow does not have")
            needs[target].append(source)
        return needs

    def topological_sort(self, execution_graph: Mapping[str, Iterable[str]]) -> list[str]:
        """The node ids, each after those that it needs. Raises ComfyUIError for a cycle."""
        return dependencies_first(execution_graph)

    def collect_inputs(self, node: Node, results: Mapping[str, Any]) -> dict[str, Any]:
        """A node's inputs: its constants, and the connected outputs among `results`."""
        collected = _constants(node)
        for connection in self.connections:
            if connection["target"][0] == node.id:
                source, output = connection["source"]
                collected[connection["target"][1]] = self._output(source, output, results[source])
        return collected

    def to_prompt(self) -> dict[str, Any]:
        """The workflow in API format, for a server."""
        prompt: dict[str, Any] = {
            node.id: {"class_type": node.type, "inputs": _constants(node)} for node in self.nodes.values()
        }
        self.build_execution_graph()
        for connection in self.connections:
            source, output = connection["source"]
            target, name = connection["target"]
            prompt[target]["inputs"][name] = [source, self._number(source, output)]
        return prompt

    def _output(self, source: str, output: int | str, given: Any) -> Any:
        number = self._number(source, output)
        if not isinstance(given, list | tuple):
            given = (given,)
        if not 0 <= number < len(given):
            raise ComfyUIError(f"node {source!r} has no output {number}; it gave {len(given)}")
        return given[number]

    def _number(self, source: str, output: int | str) -> int:
        if isinstance(output, int):
            return output
        names = self.nodes[source].outputs or get_node_handler(self.nodes[source].type).outputs
        if output not in names:
            raise ComfyUIError(f"node {source!r} has no output {output!r}; it has {', '.join(map(str, names))}")
        return list(names).index(output)


def _constants(node: Node) -> dict[str, Any]:
    return dict(node.inputs) if isinstance(node.inputs, Mapping) else {}


def _id(node: str | Node) -> str:
    return str(getattr(node, "id", node))
