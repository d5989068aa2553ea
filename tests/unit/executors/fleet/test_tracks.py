"""Which branches of a graph run on workers of their own."""

from __future__ import annotations

import pytest

from limner.engine.plan import Planner
from limner.executors.fleet.tracks import tracks
from limner.graph import Catalog, Graph, Input, NodeSchema, Output
from tests.support.graphs import graph

TYPES = ("Load", "Sample", "Decode", "Join")
CATALOG = Catalog(
    NodeSchema(kind, (Input("a", "*"), Input("b", "*"), Input("c", "INT")), (Output("out", "*"),)) for kind in TYPES
)
SECONDS = {"Load": 0.2, "Sample": 4.0, "Decode": 0.1, "Join": 0.1}


def placed(workflow: Graph, *targets: str, most: int = 4, seconds: dict[str, float] = SECONDS) -> dict[str, int]:
    planner = Planner(CATALOG, "run")
    plan = planner.plan(planner.order(workflow, targets), targets, {}, {})
    return dict(tracks(plan.steps, lambda kind: seconds.get(kind, 0.0), most))


TWO = graph(
    model=("Load", {"c": 1}),
    one=("Sample", {"a": "model:0", "c": 1}),
    two=("Sample", {"a": "model:0", "c": 2}),
    first=("Decode", {"a": "one:0"}),
    second=("Decode", {"a": "two:0"}),
    join=("Join", {"a": "first:0", "b": "second:0"}),
)


def test_two_long_branches_run_on_two_workers() -> None:
    found = placed(TWO, "join")
    assert found["one"] != found["two"]
    assert found["first"] == found["one"] and found["second"] == found["two"]
    assert set(found.values()) == {0, 1}


@pytest.mark.parametrize(
    ("most", "seconds"), [(1, SECONDS), (4, {"Sample": 0.4}), (4, {}), (4, {"Load": 9.0, "Sample": 0.6})]
)
def test_small_graphs_and_small_gains_are_not_spread(most: int, seconds: dict[str, float]) -> None:
    assert set(placed(TWO, "join", most=most, seconds=seconds).values()) == {0}


def test_a_chain_stays_together() -> None:
    chain = graph(
        a=("Sample", {"c": 1}), b=("Sample", {"a": "a:0"}), c=("Sample", {"a": "b:0"}), d=("Decode", {"a": "c:0"})
    )
    assert set(placed(chain, "d").values()) == {0}


def test_many_branches_share_the_workers_that_there_are() -> None:
    nodes = {f"s{number}": ("Sample", {"c": number}) for number in range(6)}
    found = placed(graph(**nodes), *nodes, most=3)
    assert sorted(list(found.values()).count(track) for track in range(3)) == [2, 2, 2]
