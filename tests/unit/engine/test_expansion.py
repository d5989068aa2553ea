"""Subgraphs that steps return."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from limner.engine import expansion
from limner.engine.events import StepFinished, StepStarted
from limner.graph import Graph, Link, Node, Output
from tests.support import nodes
from tests.support.fake_executor import Expand, fake
from tests.support.graphs import graph
from tests.support.running import Bench


def expanding(call: Callable[..., object], **traits: object) -> Bench:
    return Bench(nodes.executor(fake("Expand", call, {"a": "INT"}, **traits)))  # type: ignore[arg-type]


ONE = graph(e=("Expand", {"a": 1}), s=("Sink", {"a": "e:0"}))


def subgraph(*items: Node) -> Graph:
    return Graph.of(items)


async def test_progress_of_inner_nodes_is_shown_on_the_outer_one() -> None:
    bench = expanding(lambda a: Expand(subgraph(Node("e.1", "Add", {"a": a, "b": 1})), (Link("e.1", 0),)))
    result = await bench.run(ONE)
    assert result.outputs == {"s": {"value": [2]}}
    shown = [(event.node, event.inner) for event in bench.events if isinstance(event, StepStarted)]
    assert shown == [("e", "e"), ("e", "e.1"), ("s", "s")]
    finished = [event.inner for event in bench.events if isinstance(event, StepFinished)]
    assert finished == ["e.1", "e", "s"]


async def test_an_expansion_may_name_another_node_to_be_shown_on() -> None:
    def call(a: int) -> Expand:
        return Expand(subgraph(Node("e.1", "Add", {"a": a, "b": 1}, display="x")), (Link("e.1", 0),))

    bench = expanding(call)
    await bench.run(graph(x=("Add", {"a": 5, "b": 5}), e=("Expand", {"a": "x:0"}), s=("Sink", {"a": "e:0"})))
    shown = [(event.node, event.inner) for event in bench.events if isinstance(event, StepStarted)]
    assert ("x", "e.1") in shown


async def test_inner_nodes_may_link_to_outer_ones() -> None:
    def call(a: int) -> Expand:
        return Expand(subgraph(Node("e.1", "Add", {"a": Link("x", 0), "b": a})), (Link("e.1", 0),))

    bench = expanding(call)
    outer = graph(x=("Add", {"a": 5, "b": 5}), e=("Expand", {"a": "x:0"}), s=("Sink", {"a": "e:0"}))
    assert (await bench.run(outer)).outputs == {"s": {"value": [20]}}


async def test_a_result_may_be_an_outer_node() -> None:
    bench = expanding(lambda a: Expand(subgraph(), (Link("x", 0),)))
    outer = graph(x=("Add", {"a": 5, "b": 5}), e=("Expand", {"a": "x:0"}), s=("Sink", {"a": "e:0"}))
    assert (await bench.run(outer)).outputs == {"s": {"value": [10]}}


async def test_results_of_several_calls_are_put_together() -> None:
    def call(a: int) -> Expand:
        inner = subgraph(Node("e.1", "Add", {"a": a, "b": 1}), Node("e.2", "Numbers", {"count": 3}))
        return Expand(inner, ((Link("e.1", 0), Link("e.2", 0)),))

    bench = expanding(call)
    expected = {"s": {"value": [2, 0, 1, 2]}}
    assert (await bench.run(ONE)).outputs == expected
    edited = graph(e=("Expand", {"a": 1}), s=("Sink", {"a": "x:0"}), x=("Add", {"a": "e:0", "b": 0}))
    assert (await bench.run(edited)).outputs == expected
    assert bench.executor.calls == ["x", "s"]


async def test_results_that_are_put_together_may_be_so_inside_too() -> None:
    """Every part is a value that a host holds, however deep it lies."""

    def outer(a: int) -> Expand:
        return Expand(
            subgraph(Node("o.1", "Inner", {"a": a}), Node("o.2", "Add", {"a": 40, "b": 2})),
            ((Link("o.1", 0), Link("o.2", 0)),),
        )

    def inner(a: int) -> Expand:
        parts = subgraph(Node("i.1", "Add", {"a": a, "b": 1}), Node("i.2", "Numbers", {"count": 2}))
        return Expand(parts, ((Link("i.1", 0), Link("i.2", 0)),))

    bench = Bench(nodes.executor(fake("Expand", outer, {"a": "INT"}), fake("Inner", inner, {"a": "INT"})))
    expected = {"s": {"value": [2, 0, 1, 42]}}
    assert (await bench.run(ONE)).outputs == expected
    again = graph(e=("Expand", {"a": 1}), s=("Sink", {"a": "x:0"}), x=("Add", {"a": "e:0", "b": 0}))
    assert (await bench.run(again)).outputs == expected
    assert bench.executor.calls == ["x", "s"]


@pytest.mark.parametrize(("inside", "expected"), [(False, [5, 6]), (True, [[5, 6]])])
async def test_a_list_that_is_one_value_inside_is_the_items_of_a_list_output(inside: bool, expected: object) -> None:
    """Unless it is an item of a list output inside, too."""
    pair = fake("Pair", lambda: ([[5, 6]] if inside else [5, 6],), (), (Output("pair", "*", is_list=inside),))
    outer = fake(
        "Expand",
        lambda a: Expand(subgraph(Node("e.1", "Pair", {})), (Link("e.1", 0),)),
        {"a": "INT"},
        (Output("items", "*", is_list=True),),
    )
    bench = Bench(nodes.executor(pair, outer))
    assert (await bench.run(ONE)).outputs == {"s": {"value": expected}}


async def test_an_output_node_inside_is_shown_although_it_is_remembered() -> None:
    def call(a: int) -> Expand:
        inner = subgraph(Node("e.s", "Sink", {"a": 3}), Node("e.1", "Add", {"a": 5, "b": 5}))
        return Expand(inner, (Link("e.1", 0),))

    bench = expanding(call)
    for number in (1, 2):
        outer = graph(e=("Expand", {"a": number}), s=("Sink", {"a": "e:0"}))
        assert (await bench.run(outer)).outputs == {"e.s": {"value": [3]}, "s": {"value": [10]}}
        assert bench.finished.count("e.s") == 1
    assert bench.executor.calls == ["e", "s"]


async def test_what_an_expansion_held_is_released_when_the_run_fails() -> None:
    def call(a: int) -> Expand:
        return Expand(subgraph(Node("e.1", "Fail", {"a": a})), (Link("e.1", 0),))

    bench = expanding(call)
    result = await bench.run(ONE)
    assert result.status == "failed"
    record = bench.engine._ledger.get("run1")
    assert record is not None
    expanded = record.state.steps["e"].step.fingerprint
    assert expanded in bench.executor.released, "live values among the literals are held under its name"


async def test_output_nodes_inside_run_too() -> None:
    def call(a: int) -> Expand:
        return Expand(subgraph(Node("e.s", "Sink", {"a": a}), Node("e.no", "Fail", {"a": a})), (Link("x", 0),))

    bench = expanding(call)
    outer = graph(x=("Add", {"a": 5, "b": 5}), e=("Expand", {"a": "x:0"}), s=("Sink", {"a": "e:0"}))
    assert (await bench.run(outer)).outputs == {"e.s": {"value": [10]}, "s": {"value": [10]}}


async def test_an_expanded_result_is_cached_as_a_whole_even_when_its_parts_are_evicted() -> None:
    bench = expanding(lambda a: Expand(subgraph(Node("e.1", "Add", {"a": a, "b": 1})), (Link("e.1", 0),)))
    await bench.run(ONE)
    entries = bench.cache._entries.items()
    inner = next(name for name, values in entries if values.handles and values.handles[0].fingerprint == name)
    assert inner not in bench.cache._remove(inner), "the outer step's entry still refers to its value"
    edited = graph(e=("Expand", {"a": 1}), s=("Sink", {"a": "x:0"}), x=("Add", {"a": "e:0", "b": 1}))
    assert (await bench.run(edited)).outputs == {"s": {"value": [3]}}
    assert bench.executor.calls == ["x", "s"]


async def test_a_loop_of_a_thousand_turns() -> None:
    bench = Bench(nodes.executor())
    result = await bench.run(graph(x=("Loop", {"a": 1, "step": 2, "times": 1000}), s=("Sink", {"a": "x:0"})))
    assert result.outputs == {"s": {"value": [2001]}}


def _cyclic(a: int) -> Expand:
    one = Node("e.1", "Add", {"a": Link("e.2", 0), "b": 1})
    return Expand(subgraph(one, Node("e.2", "Add", {"a": Link("e.1", 0), "b": 1})), (Link("e.2", 0),))


def _around(a: int) -> Expand:
    return Expand(subgraph(Node("e.1", "Add", {"a": Link("e", 0), "b": 1})), (Link("e.1", 0),))


def _lost(a: int) -> Expand:
    return Expand(subgraph(Node("e.1", "Add", {"a": Link("nowhere", 0), "b": 1})), (Link("e.1", 0),))


def _missing(a: int) -> Expand:
    return Expand(subgraph(), (Link("nowhere", 0),))


def _taken(a: int) -> Expand:
    return Expand(subgraph(Node("s", "Add", {"a": 1, "b": 1})), (Link("s", 0),))


def _unknown(a: int) -> Expand:
    return Expand(subgraph(Node("e.1", "Nonsense", {})), (Link("e.1", 0),))


def _plain(a: int) -> Expand:
    return Expand(subgraph(), (5,))


def _no_such_output(a: int) -> Expand:
    return Expand(subgraph(Node("e.1", "Add", {"a": 1, "b": 1})), (Link("e.1", 3),))


BAD = {
    "a cycle inside": (_cyclic, "DependencyCycle"),
    "a cycle through the outer node": (_around, "DependencyCycle"),
    "a link to nothing": (_lost, "BrokenLink"),
    "a result that is nothing": (_missing, "BrokenLink"),
    "an id that is taken": (_taken, "DuplicateNode"),
    "an unknown node type": (_unknown, "UnknownNodeType"),
    "a result that is no link": (_plain, "BrokenLink"),
    "an output that does not exist": (_no_such_output, "BrokenLink"),
}


@pytest.mark.parametrize("name", BAD)
async def test_a_bad_expansion_fails_at_the_node_that_returned_it(name: str) -> None:
    call, kind = BAD[name]
    bench = expanding(call)
    result = await bench.run(ONE)
    assert result.status == "failed"
    assert result.failure is not None
    assert (result.failure.node, result.failure.kind) == ("e", kind)
    assert result.failure.remedy
    assert (await bench.run(graph(s=("Sink", {"a": 1})))).status == "done"


async def test_an_expansion_that_never_ends_fails(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(expansion, "MAX_DEPTH", 50)
    counter = iter(range(10**6))

    def call(a: int) -> Expand:
        inner = f"n{next(counter)}"
        return Expand(subgraph(Node(inner, "Expand", {"a": a + 1})), (Link(inner, 0),))

    bench = expanding(call)
    result = await bench.run(ONE)
    assert result.failure is not None
    assert (result.failure.node, result.failure.kind) == ("e", "EndlessExpansion")


async def test_change_tokens_of_inner_nodes_are_asked_for() -> None:
    token = ["one"]
    watch = fake("Watch", lambda a: a, {"a": "INT"}, token=lambda a: token[0])
    outer = fake("Expand", lambda a: Expand(subgraph(Node("e.1", "Watch", {"a": a})), (Link("e.1", 0),)), {"a": "INT"})
    bench = Bench(nodes.executor(watch, outer))
    assert (await bench.run(ONE)).outputs == {"s": {"value": [1]}}
