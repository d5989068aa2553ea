"""A graph of nodes: WHAT to compute, as pure data.

Rules, stated once for the whole package:

- A `Node` belongs to exactly one `Graph` and is addressed by its id, a string.
- An input is either a `Link` to another node's output or a literal (any JSON value). There is nothing in between: a
  JSON list such as ``["4", 0]`` becomes a `Link` where the workflow is read, and nowhere later.
- All traversals are iterative: a chain of 10,000 nodes is an ordinary graph.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import TypeAlias

NodeId: TypeAlias = str
Literal: TypeAlias = object
"""A JSON value: None, bool, int, float, str, or lists and dicts of these."""


@dataclass(frozen=True, slots=True)
class Link:
    """Output number `output` (from 0) of the node `node`."""

    node: NodeId
    output: int


InputValue: TypeAlias = Link | Literal


@dataclass(frozen=True, slots=True)
class Node:
    """One node: its type names a schema in the catalog; `title` is what the user called it, for messages only.

    `display` is the node of the user's graph that a node of an expansion is shown on, where the expansion says so.
    """

    id: NodeId
    type: str
    inputs: Mapping[str, InputValue] = field(default_factory=dict)
    title: str = ""
    display: NodeId = ""

    def links(self) -> Iterator[tuple[str, Link]]:
        """The linked inputs, as (input name, link), in the order of the inputs."""
        for name, value in self.inputs.items():
            if isinstance(value, Link):
                yield name, value


@dataclass(frozen=True, slots=True)
class Graph:
    """Nodes by id. The order of `nodes` is the order of the workflow, and breaks ties between independent nodes."""

    nodes: Mapping[NodeId, Node]

    @classmethod
    def of(cls, nodes: Iterable[Node]) -> Graph:
        return cls(MappingProxyType({node.id: node for node in nodes}))

    def __contains__(self, node: NodeId) -> bool:
        return node in self.nodes

    def __len__(self) -> int:
        return len(self.nodes)

    def upstream(self, targets: Iterable[NodeId]) -> set[NodeId]:
        """The targets and every node that they depend on, through links to nodes of this graph."""
        seen: set[NodeId] = set()
        waiting = deque(target for target in targets if target in self.nodes)
        while waiting:
            node = waiting.popleft()
            if node in seen:
                continue
            seen.add(node)
            waiting.extend(link.node for _, link in self.nodes[node].links() if link.node in self.nodes)
        return seen
