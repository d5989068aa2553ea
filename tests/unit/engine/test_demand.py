"""Lazy inputs."""

from __future__ import annotations

from limner.engine.values import Demand, Outcome
from tests.support import nodes
from tests.support.fake_executor import FakeExecutor, fake
from tests.support.graphs import graph
from tests.support.running import Bench


async def test_what_is_not_demanded_does_not_run() -> None:
    bench = Bench(nodes.executor())
    result = await bench.run(
        graph(f=("Fail", {"a": 1}), c=("Choose", {"which": True, "yes": 5, "no": "f:0"}), s=("Sink", {"a": "c:0"}))
    )
    assert result.outputs == {"s": {"value": [5]}}
    assert bench.executor.calls == ["c", "s"]


async def test_inputs_may_be_demanded_one_after_the_other() -> None:
    def needs(a: object, b: object) -> list[str]:
        return ["a"] if a is None else ["b"] if b is None and a == 2 else []

    both = fake("Both", lambda a, b: (a, b), {"a": "lazy INT", "b": "lazy INT"}, ("INT", "INT"), needs=needs)
    bench = Bench(nodes.executor(both))
    result = await bench.run(
        graph(
            x=("Add", {"a": 1, "b": 1}),
            y=("Add", {"a": "x:0", "b": 1}),
            l=("Both", {"a": "x:0", "b": "y:0"}),
            s=("Sink", {"a": "l:0"}),
            t=("Sink", {"a": "l:1"}),
        )
    )
    assert result.outputs == {"s": {"value": [2]}, "t": {"value": [3]}}
    assert bench.executor.calls == ["x", "y", "l", "s", "t"]
    assert bench.started.count("l") == 1


async def test_a_lazy_input_that_is_there_anyway_is_given() -> None:
    bench = Bench(nodes.executor())
    shared = graph(
        x=("Add", {"a": 1, "b": 1}), c=("Choose", {"which": True, "yes": "x:0", "no": "x:0"}), s=("Sink", {"a": "c:0"})
    )
    await bench.run(graph(x=("Add", {"a": 1, "b": 1}), s=("Sink", {"a": "x:0"})))
    assert (await bench.run(shared)).outputs == {"s": {"value": [2]}}


async def test_a_lazy_input_whose_source_is_needed_anyway_is_given() -> None:
    both = fake("Both", lambda a, b: (a, b), {"a": "lazy INT", "b": "INT"}, ("INT", "INT"), needs=lambda a, b: [])
    bench = Bench(nodes.executor(both))
    result = await bench.run(
        graph(x=("Add", {"a": 1, "b": 1}), l=("Both", {"a": "x:0", "b": "x:0"}), s=("Sink", {"a": "l:0"}))
    )
    assert result.outputs == {"s": {"value": [2]}}


async def test_a_demand_for_what_cannot_be_had_fails_at_its_node() -> None:
    class Greedy(FakeExecutor):
        async def _run_task(self, task, run, batch) -> Outcome:  # type: ignore[no-untyped-def]
            return Demand(("nothing",))

    bench = Bench(Greedy(nodes.executor().nodes))
    result = await bench.run(graph(c=("Choose", {"which": True, "yes": 1, "no": 2}), s=("Sink", {"a": "c:0"})))
    assert result.failure is not None
    assert (result.failure.node, result.failure.kind) == ("c", "BadDemand")
