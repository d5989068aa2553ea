"""Generated graphs: each needed node runs exactly once, after its sources, whatever the cache holds."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from hypothesis import given, settings
from hypothesis import strategies as st

from limner.graph import Graph, Lane, Link, Node
from tests.support.fake_executor import Crash, FakeExecutor, FakeNode, fake
from tests.support.running import Bench

LANES = ["Device", "Pool", "Coroutine"]


def adder(name: str, lane: Lane, log: list[tuple[str, tuple[int, int]]]) -> FakeNode:
    """Adds its label to its sources' values, so that no two nodes are equal."""

    def call(label: int, a: int = 0, b: int = 0) -> int:
        log.append((f"n{label.bit_length() - 1}", (a, b)))
        return label + a + b

    async def slowly(label: int, a: int = 0, b: int = 0) -> int:
        await asyncio.sleep(0)
        return call(label, a, b)

    chosen: Callable[..., object] = call if lane is Lane.DEVICE else slowly
    return fake(name, chosen, {"label": "INT", "a": "INT?", "b": "INT?"}, lane=lane)


def bench(log: list[tuple[str, tuple[int, int]]]) -> Bench:
    lanes = dict(zip(LANES, [Lane.DEVICE, Lane.CPU, Lane.ASYNC], strict=True))
    kinds = [adder(name, lane, log) for name, lane in lanes.items()]
    shown = fake("Sink", lambda a: {"value": [a]}, {"a": "INT"}, (), output=True)
    return Bench(FakeExecutor.of(*kinds, shown))


@st.composite
def dags(draw: st.DrawFn) -> tuple[Graph, list[str]]:
    """A graph whose nodes link to earlier ones, in any order of writing, and the nodes whose values are shown."""
    size = draw(st.integers(1, 14))
    nodes = []
    for index in range(size):
        inputs: dict[str, object] = {"label": 2**index}
        for name in ("a", "b"):
            source = draw(st.none() | st.integers(0, index - 1)) if index else None
            if source is not None:
                inputs[name] = Link(f"n{source}", 0)
        nodes.append(Node(f"n{index}", draw(st.sampled_from(LANES)), inputs))
    shown = draw(st.lists(st.integers(0, size - 1), min_size=1, max_size=4, unique=True))
    sinks = [Node(f"s{index}", "Sink", {"a": Link(f"n{index}", 0)}) for index in shown]
    return Graph.of(draw(st.permutations([*nodes, *sinks]))), [sink.id for sink in sinks]


def expected(graph: Graph, node: str, known: dict[str, int]) -> int:
    if node not in known:
        inputs = graph.nodes[node].inputs
        links = [value.node for value in inputs.values() if isinstance(value, Link)]
        label = inputs["label"]
        assert isinstance(label, int)
        known[node] = label + sum(expected(graph, source, known) for source in links)
    return known[node]


@settings(max_examples=120, deadline=None)
@given(drawn=dags(), first=st.integers(0, 3), evict=st.sets(st.integers(0, 20)), limit=st.none() | st.integers(0, 6))
def test_each_needed_node_runs_once_and_in_order(
    drawn: tuple[Graph, list[str]], first: int, evict: set[int], limit: int | None
) -> None:
    graph, sinks = drawn

    async def scenario() -> None:
        log: list[tuple[str, tuple[int, int]]] = []
        tried = bench(log)
        tried.cache._limit = limit
        if first:
            await tried.run(graph, sinks[:first])
        entries = list(tried.cache._entries)
        dropped = [name for index, name in enumerate(entries) if index in evict]
        await tried.executor.release([gone for name in dropped for gone in tried.cache._remove(name)])
        kept = set(tried.cache._entries)
        log.clear()
        result = await tried.run(graph, sinks)
        assert result.status == "done"
        known: dict[str, int] = {}
        shown = {f"s{sink[1:]}": {"value": [expected(graph, f"n{sink[1:]}", known)]} for sink in sinks}
        assert result.outputs == shown
        ran = [node for node, _ in log]
        assert len(ran) == len(set(ran)), "each node at most once"
        for position, node in enumerate(ran):
            sources = {link.node for _, link in graph.nodes[node].links()}
            assert not sources & set(ran[position:]), "sources first"
        assert set(tried.cached) | set(ran) | set(tried.executor.calls) <= graph.upstream(sinks)
        if not kept:
            assert set(ran) == {node for node in graph.upstream(sinks) if node.startswith("n")}
        assert set(ran).isdisjoint(tried.cached)

    asyncio.run(scenario())


@settings(max_examples=60, deadline=None)
@given(drawn=dags(), victim=st.integers(0, 13))
def test_a_host_that_dies_once_changes_nothing_in_the_results(drawn: tuple[Graph, list[str]], victim: int) -> None:
    graph, sinks = drawn

    async def scenario() -> None:
        log: list[tuple[str, tuple[int, int]]] = []
        tried = bench(log)
        run_task, left = tried.executor._run_task, [1]

        async def fragile(task, run, batch):  # type: ignore[no-untyped-def]
            if task.node == f"n{victim}" and left[0]:
                left[0] = 0
                raise Crash("killed")
            return await run_task(task, run, batch)

        tried.executor._run_task = fragile  # type: ignore[method-assign]
        result = await tried.run(graph, sinks)
        assert (result.status, result.failure) == ("done", None)
        known: dict[str, int] = {}
        assert result.outputs == {s: {"value": [expected(graph, f"n{s[1:]}", known)]} for s in sinks}

    asyncio.run(scenario())
