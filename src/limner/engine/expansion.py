"""Splices the subgraphs that steps return into the running graph.

A node of an expansion is shown on the node of the user's graph that it stands for: the one that the expansion names
(`Node.display`), or else the one that its parent is shown on. Its id must be new, or be one that the same step gave in
an earlier attempt. Expansions nest at most `MAX_DEPTH` deep and hold at most `MAX_STEPS` steps a run together.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from limner.graph import Link, Node, NodeId

from .errors import BrokenLink, DuplicateNode, EndlessExpansion
from .plan import Planner
from .state import Part, RunState, StepState
from .values import Expansion, Handle

MAX_DEPTH = 10_000
MAX_STEPS = 200_000


@dataclass(frozen=True, slots=True)
class Spliced:
    """An expansion made ready for planning: its nodes in order, what the outputs are made of, and its output nodes."""

    ordered: tuple[Node, ...]
    results: tuple[tuple[Part, ...], ...]
    outputs: tuple[NodeId, ...]


def splice(state: RunState, parent: StepState, expansion: Expansion, planner: Planner) -> Spliced:
    """Check an expansion and put its nodes in order. Raises `EngineError`s at the expanding step."""
    nodes = expansion.graph.nodes
    node = parent.step.node
    _limit(state, parent, len(nodes))
    for new in nodes:
        known = state.steps.get(new)
        if known is not None and known.parent is not parent:
            raise DuplicateNode(node, f"The node's expansion has a node {new}, and there is one already")
    results = tuple(_parts(entry, node) for entry in expansion.results)
    outputs = tuple(item.id for item in nodes.values() if planner.profile(item).schema.traits.output)
    sources = dict.fromkeys(part.node for parts in results for part in parts if isinstance(part, Link))
    inner = [source for source in sources if source in nodes]
    ordered = planner.order(expansion.graph, [*inner, *outputs])
    return Spliced(tuple(ordered), results, outputs)


def displays(state: RunState, spliced: Spliced) -> dict[NodeId, NodeId]:
    """Where the nodes that an expansion names for display are shown themselves."""
    named = {node.display for node in spliced.ordered if node.display}
    return {name: state.steps[name].step.display for name in named if name in state.steps}


def _parts(entry: object, node: NodeId) -> tuple[Part, ...]:
    parts: Sequence[object] = entry if isinstance(entry, tuple | list) else (entry,)
    for part in parts:
        if not isinstance(part, Link | Handle):
            raise BrokenLink(node, f"The node's expansion gives {part!r} as an output, which is neither link nor value")
    return tuple(part for part in parts if isinstance(part, Link | Handle))


def _limit(state: RunState, parent: StepState, size: int) -> None:
    depth = parent.depth + 1
    if depth > MAX_DEPTH or len(state.steps) + size > MAX_STEPS:
        what = f"nests {depth} deep" if depth > MAX_DEPTH else f"holds {len(state.steps) + size} nodes"
        raise EndlessExpansion(parent.step.node, f"The expansion of this node never ends: it {what}")
