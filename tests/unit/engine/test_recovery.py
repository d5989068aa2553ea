"""Hosts that die."""

from __future__ import annotations

import pytest

from limner.engine.ports import HostLost
from limner.engine.values import Values
from limner.graph import Graph, Lane, Link, Node
from tests.support import nodes
from tests.support.fake_executor import Crash, Expand, fake
from tests.support.graphs import graph
from tests.support.running import Bench

CHAIN = graph(
    a=("Add", {"a": 1, "b": 1}),
    b=("Add", {"a": "a:0", "b": 1}),
    c=("Crash", {"a": "b:0"}),
    d=("Add", {"a": "c:0", "b": 1}),
    s=("Sink", {"a": "d:0"}),
)


async def test_a_lost_step_is_tried_again_with_what_it_needs() -> None:
    bench = Bench(nodes.executor(nodes.crash(1)))
    result = await bench.run(CHAIN)
    assert (result.status, result.outputs) == ("done", {"s": {"value": [4]}})
    assert bench.executor.calls == ["a", "b", "c", "a", "b", "c", "d", "s"]


async def test_the_second_loss_at_a_step_is_its_failure() -> None:
    bench = Bench(nodes.executor(nodes.crash(2)))
    result = await bench.run(CHAIN)
    assert result.status == "failed"
    assert result.failure is not None
    assert (result.failure.node, result.failure.kind) == ("c", "HostLost")
    assert "segmentation fault" in result.failure.message
    assert (await bench.run(CHAIN)).outputs == {"s": {"value": [4]}}, "the next run works"


async def test_the_guilty_step_is_named_among_many() -> None:
    bench = Bench(nodes.executor(nodes.crash(9)))
    many = {f"n{i}": ("Add", {"a": i, "b": 1}) for i in range(20)}
    shown = {f"s{i}": ("Sink", {"a": f"n{i}:0"}) for i in range(20)}
    result = await bench.run(graph(**many, **shown, c=("Crash", {"a": "n7:0"}), s=("Sink", {"a": "c:0"})))
    assert result.failure is not None
    assert result.failure.node == "c"


async def test_values_in_other_places_are_kept() -> None:
    """A step whose result is held by a host that lives on does not run again."""
    bench = Bench(nodes.executor(nodes.crash(1)))
    await bench.run(graph(a=("Add", {"a": 1, "b": 1}), s=("Sink", {"a": "a:0"})))
    elsewhere = dict(bench.executor.values)
    for name, values in list(bench.cache._entries.items()):
        moved = tuple(type(part)(part.fingerprint, part.output, "elsewhere") for part in values.handles)
        bench.cache.put(name, Values(moved, values.ui))
    die = bench.executor.die

    def die_here() -> None:
        die()
        bench.executor.values.update(elsewhere)

    bench.executor.die = die_here  # type: ignore[method-assign]
    result = await bench.run(CHAIN)
    assert result.outputs == {"s": {"value": [4]}}
    assert "a" not in bench.executor.calls


async def test_steps_in_several_segments_are_lost_together() -> None:
    left = [1]

    async def call(a: int) -> int:
        if a == 3 and left[0]:
            left[0] = 0
            raise Crash("out of memory")
        return a

    fragile = fake("Fragile", call, {"a": "INT"}, lane=Lane.CPU)
    bench = Bench(nodes.executor(fragile))
    parts = {f"f{i}": ("Fragile", {"a": i}) for i in range(6)} | {f"s{i}": ("Sink", {"a": f"f{i}:0"}) for i in range(6)}
    result = await bench.run(graph(**parts))
    assert result.outputs == {f"s{i}": {"value": [i]} for i in range(6)}


async def test_an_expansion_is_made_again() -> None:
    left = [1]

    def call(a: int) -> int:
        if a == 5 and left[0]:
            left[0] = 0
            raise Crash("gone")
        return a

    bench = Bench(nodes.executor(fake("Fragile", call, {"a": "INT"})))
    looped = graph(
        x=("Loop", {"a": 1, "step": 2, "times": 2, "unique": "x"}),
        f=("Fragile", {"a": "x:0"}),
        s=("Sink", {"a": "f:0"}),
    )
    result = await bench.run(looped)
    assert result.outputs == {"s": {"value": [5]}}
    assert bench.executor.calls.count("x") == 2


async def test_a_host_that_died_between_runs_costs_a_recomputation_only() -> None:
    bench = Bench(nodes.executor())
    first = graph(a=("Add", {"a": 1, "b": 1}), s=("Sink", {"a": "a:0"}))
    await bench.run(first)
    bench.engine.forget(bench.executor.place)
    bench.executor.die()
    result = await bench.run(
        graph(a=("Add", {"a": 1, "b": 1}), b=("Add", {"a": "a:0", "b": 1}), s=("Sink", {"a": "b:0"}))
    )
    assert result.outputs == {"s": {"value": [3]}}
    assert bench.executor.calls == ["a", "b", "s"]


@pytest.mark.parametrize(("deaths", "status"), [(1, "done"), (2, "failed")])
async def test_a_host_that_dies_over_change_tokens_is_asked_once_more(deaths: int, status: str) -> None:
    bench = Bench(nodes.executor(fake("Watch", lambda a: a, {"a": "INT"}, token=lambda a: 1)))
    inquire, left = bench.executor.inquire, [deaths]

    async def fragile(run, inquiries):  # type: ignore[no-untyped-def]
        if left[0]:
            left[0] -= 1
            raise HostLost(bench.executor.place, "killed")
        return await inquire(run, inquiries)

    bench.executor.inquire = fragile  # type: ignore[method-assign]
    result = await bench.run(graph(w=("Watch", {"a": 1}), s=("Sink", {"a": "w:0"})))
    assert result.status == status
    if status == "failed":
        assert result.failure is not None and result.failure.kind == "HostLost"


async def test_a_host_that_dies_over_the_tokens_of_an_expansion() -> None:
    def call(a: int) -> Expand:
        return Expand(Graph.of([Node("e.1", "Watch", {"a": a})]), (Link("e.1", 0),))

    watch = fake("Watch", lambda a: a, {"a": "INT"}, token=lambda a: 1)
    bench = Bench(nodes.executor(watch, fake("Expand", call, {"a": "INT"})))
    inquire, left = bench.executor.inquire, [1]

    async def fragile(run, inquiries):  # type: ignore[no-untyped-def]
        if left[0]:
            left[0] -= 1
            place = bench.executor.place
            bench.executor.die()
            raise HostLost(place, "killed")
        return await inquire(run, inquiries)

    bench.executor.inquire = fragile  # type: ignore[method-assign]
    result = await bench.run(
        graph(
            a=("Add", {"a": 1, "b": 1}), e=("Expand", {"a": "a:0"}), s=("Sink", {"a": "e:0"}), t=("Sink", {"a": "a:0"})
        )
    )
    assert result.outputs == {"s": {"value": [2]}, "t": {"value": [2]}}
