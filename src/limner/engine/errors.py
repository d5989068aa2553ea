"""What goes wrong in the engine itself, as opposed to in a node.

EngineError                 node: where, remedy: what to do
├── DependencyCycle         the running graph bites its tail (through an expansion)
├── BrokenLink              a link names a node or an output that is not there
├── UnknownNodeType         an expansion uses a node type that is not in the catalog
├── DuplicateNode           an expansion reuses the id of a node that exists
├── EndlessExpansion        expansions nest deeper, or grow larger, than the limits
├── BadDemand               a lazy node asked for an input that is not linked
└── NotRun                  a host keeps giving a step back without running it
"""

from __future__ import annotations

from .values import Failure


class EngineError(Exception):
    """The run cannot go on at `node`."""

    remedy = ""

    def __init__(self, node: str, message: str) -> None:
        self.node = node
        super().__init__(message)

    def failure(self, node: str = "") -> Failure:
        """As a step's failure; `node` is the node of the user's graph to blame."""
        return Failure(type(self).__name__, str(self), remedy=self.remedy, node=node or self.node)


class DependencyCycle(EngineError):
    """Nodes depend on each other in a circle."""

    remedy = "Remove one of the links of the circle"

    def __init__(self, nodes: list[str]) -> None:
        self.nodes = nodes
        super().__init__(nodes[0], f"Dependency cycle detected: {' -> '.join([*nodes, nodes[0]])}")


class BrokenLink(EngineError):
    """A link names a node or an output that is not there."""

    remedy = "Link the input to an output that exists"


class UnknownNodeType(EngineError):
    """An expansion uses a node type that nothing provides."""

    remedy = "Install the node pack that provides it"


class DuplicateNode(EngineError):
    """An expansion reuses the id of a node that exists."""

    remedy = "The node must give the nodes of its expansion ids of their own (GraphBuilder does)"


class EndlessExpansion(EngineError):
    """Expansions nest deeper, or grow larger, than the limits."""

    remedy = "Check the condition that ends the loop or the recursion"


class BadDemand(EngineError):
    """A lazy node asked for an input that it cannot have."""

    remedy = "The node's check_lazy_status must name linked inputs only"


class NotRun(EngineError):
    """A host keeps giving a step back without running it."""

    remedy = "Restart the host; if it happens again, report it with the workflow"
