"""Walks over graphs, against a plain definition of who depends on whom."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from limner.graph import Graph, Link, Node
from limner.graph.reach import dependents, knots, walk


@st.composite
def graphs(draw: st.DrawFn) -> Graph:
    """Any graph, cycles included."""
    names = [f"n{number}" for number in range(draw(st.integers(1, 8)))]
    sources = st.lists(st.sampled_from(names), max_size=3)
    return Graph.of(
        Node(name, "T", {str(index): Link(source, 0) for index, source in enumerate(draw(sources))}) for name in names
    )


def upstream(graph: Graph, node: str) -> set[str]:
    seen = {node}
    while True:
        more = {link.node for name in seen for _, link in graph.nodes[name].links()} | seen
        if more == seen:
            return seen
        seen = more


@given(graphs(), st.data())
def test_a_walk_meets_all_that_the_targets_need_once(graph: Graph, data: st.DataObject) -> None:
    targets = data.draw(st.lists(st.sampled_from(sorted(graph.nodes)), unique=True, max_size=3))
    order, _ = walk(graph, targets)
    assert len(order) == len(set(order))
    assert set(order) == set().union(*(upstream(graph, target) for target in targets))


@given(graphs())
def test_each_knot_is_a_cycle_and_without_knots_sources_come_first(graph: Graph) -> None:
    order, cyclic = walk(graph, list(graph.nodes))
    found = knots(graph, order)
    assert cyclic == bool(found)
    for knot in found:
        for node, source in zip(knot, [*knot[1:], knot[0]], strict=True):
            assert source in {link.node for _, link in graph.nodes[node].links()}
    for node in graph.nodes:
        behind = {link.node for _, link in graph.nodes[node].links()}
        cyclic = any(node in upstream(graph, source) for source in behind)
        if cyclic:
            assert any(set(knot) & upstream(graph, node) for knot in found)
    if not found:
        position = {node: index for index, node in enumerate(order)}
        for node in order:
            assert all(position[link.node] < position[node] for _, link in graph.nodes[node].links())


@given(graphs())
def test_dependents_are_the_targets_downstream(graph: Graph) -> None:
    targets = list(graph.nodes)
    found = dependents(graph, walk(graph, targets)[0], targets, set(graph.nodes))
    for node in graph.nodes:
        assert set(found[node]) == {target for target in targets if node in upstream(graph, target)}
