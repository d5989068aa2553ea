"""ComfyUI's `comfy_execution.graph_utils`: graphs that nodes return, and outputs that block."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from itertools import count
from typing import Any

from limner.comfy.shims.bridge import bridge_of

bridge = bridge_of(__name__)


def is_link(obj: object) -> bool:
    """Whether a value is a link, as `["4", 0]`."""
    return isinstance(obj, list) and len(obj) == 2 and isinstance(obj[0], str) and isinstance(obj[1], int | float)


class ExecutionBlocker:
    """In place of an output: what depends on it does not run; with a message, that is an error."""

    def __init__(self, message: str | None) -> None:
        self.message = message


class Node:
    """A node of a graph that is being built."""

    def __init__(self, id: str, class_type: str, inputs: dict[str, Any]) -> None:
        self.id, self.class_type, self.inputs = id, class_type, inputs
        self.override_display_id: str | None = None

    def out(self, index: int) -> list[Any]:
        """A link to an output."""
        return [self.id, index]

    def set_input(self, key: str, value: Any) -> None:
        """Set an input; None takes it away."""
        if value is None:
            self.inputs.pop(key, None)
        else:
            self.inputs[key] = value

    def get_input(self, key: str) -> Any:
        return self.inputs.get(key)

    def set_override_display_id(self, override_display_id: str) -> None:
        self.override_display_id = override_display_id

    def serialize(self) -> dict[str, Any]:
        made: dict[str, Any] = {"class_type": self.class_type, "inputs": self.inputs}
        return made if self.override_display_id is None else {**made, "override_display_id": self.override_display_id}


class GraphBuilder:
    """Builds a graph whose ids begin with a prefix, so that they meet no other's."""

    _root, _call, _graph = "", 0, 0

    def __init__(self, prefix: str | None = None) -> None:
        self.prefix = self.alloc_prefix() if prefix is None else prefix
        self.nodes: dict[str, Node] = {}
        self._ids = count(1)

    @classmethod
    def set_default_prefix(cls, prefix_root: str, call_index: int, graph_index: int = 0) -> None:
        cls._root, cls._call, cls._graph = prefix_root, call_index, graph_index

    @classmethod
    def alloc_prefix(
        cls, root: str | None = None, call_index: int | None = None, graph_index: int | None = None
    ) -> str:
        """The node that is running, its call, and the number of the graph in it; numbers start anew in each call."""
        call = bridge.call()
        if call is not None and root is None and call_index is None and graph_index is None:
            index = bridge.index()
            return f"{call.node}.{index}.{call.count(f'graph {index}')}."
        number = cls._graph if graph_index is None else graph_index
        cls._graph += 1
        return f"{cls._root if root is None else root}.{cls._call if call_index is None else call_index}.{number}."

    def node(self, class_type: str, id: str | None = None, **kwargs: Any) -> Node:
        """A new node, or the one that has this id."""
        full = self.prefix + (str(next(self._ids)) if id is None else id)
        return self.nodes.setdefault(full, Node(full, class_type, kwargs))

    def lookup_node(self, id: str) -> Node | None:
        return self.nodes.get(self.prefix + id)

    def finalize(self) -> dict[str, dict[str, Any]]:
        """The graph, as a node returns it in `expand`."""
        return {id: node.serialize() for id, node in self.nodes.items()}

    def replace_node_output(self, node_id: str, index: int, new_value: Any) -> None:
        """Put a value in place of every link to an output; None takes those inputs away."""
        gone = [self.prefix + node_id, index]
        for node in self.nodes.values():
            for key in [key for key, value in node.inputs.items() if is_link(value) and value == gone]:
                node.set_input(key, new_value)

    def remove_node(self, id: str) -> None:
        del self.nodes[self.prefix + id]


def add_graph_prefix(
    graph: Mapping[str, Mapping[str, Any]], outputs: Iterable[Any], prefix: str
) -> tuple[dict[str, dict[str, Any]], tuple[Any, ...]]:
    """The graph and its outputs with a prefix before every id."""

    def moved(value: Any) -> Any:
        return [prefix + value[0], value[1]] if is_link(value) else value

    nodes = {
        prefix + id: {
            "class_type": node["class_type"],
            "inputs": {name: moved(value) for name, value in node.get("inputs", {}).items()},
        }
        for id, node in graph.items()
    }
    return nodes, tuple(moved(output) for output in outputs)
