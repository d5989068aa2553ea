"""Who depends on whom: iterative walks over a graph that may have cycles and broken links."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence

from .graph import Graph, Link, NodeId


def _sources(graph: Graph, node: NodeId) -> Iterator[NodeId]:
    nodes = graph.nodes
    return iter([value.node for value in nodes[node].inputs.values() if type(value) is Link and value.node in nodes])


def walk(graph: Graph, targets: Sequence[NodeId]) -> tuple[list[NodeId], bool]:
    """The targets and all that they depend on, sources first; and whether there are cycles, which break that order."""
    done: list[NodeId] = []
    seen: set[NodeId] = set()
    finished: set[NodeId] = set()
    cyclic = False
    for target in targets:
        if target in seen:
            continue
        seen.add(target)
        path = [(target, _sources(graph, target))]
        while path:
            node, remaining = path[-1]
            for source in remaining:
                if source not in seen:
                    seen.add(source)
                    path.append((source, _sources(graph, source)))
                    break
                cyclic = cyclic or source not in finished
            else:
                path.pop()
                finished.add(node)
                done.append(node)
    return done, cyclic


def knots(graph: Graph, nodes: Sequence[NodeId]) -> list[list[NodeId]]:
    """One dependency cycle of each group of nodes that depend on each other, in the order of the links."""
    inside = set(nodes)
    found: list[list[NodeId]] = []
    tied: set[NodeId] = set()
    done: set[NodeId] = set()
    for root in nodes:
        if root in done:
            continue
        path: dict[NodeId, Iterator[NodeId]] = {root: _sources(graph, root)}
        while path:
            node, remaining = next(reversed(path.items()))
            source = next(remaining, None)
            if source is None:
                done.add(node)
                del path[node]
            elif source in path:
                if source not in tied and node not in tied:
                    members = list(path)
                    cycle = members[members.index(source) :]
                    found.append(cycle)
                    tied.update(cycle)
            elif source not in done and source in inside:
                path[source] = _sources(graph, source)
    return found


def dependents(
    graph: Graph, order: Sequence[NodeId], targets: Sequence[NodeId], nodes: Collection[NodeId]
) -> dict[NodeId, tuple[NodeId, ...]]:
    """For each of `nodes`, the targets that depend on it, themselves included.

    `order` is that of `walk(graph, targets)`. Sets of targets are bits of one number, and flow against the links until
    nothing changes: one pass where there are no cycles.
    """
    reach = dict.fromkeys(order, 0)
    for bit, target in enumerate(targets):
        reach[target] |= 1 << bit
    changed = True
    while changed:
        changed = False
        settled: set[NodeId] = set()
        for node in reversed(order):
            settled.add(node)
            bits = reach[node]
            for source in _sources(graph, node):
                if bits & ~reach[source]:
                    reach[source] |= bits
                    changed = changed or source in settled
    return {
        node: tuple(target for bit, target in enumerate(targets) if reach[node] >> bit & 1)
        for node in order
        if node in nodes
    }
