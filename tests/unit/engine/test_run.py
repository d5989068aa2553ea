"""What a run does, in named graphs: what is shown, what was called, what was remembered."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

import pytest

from limner.engine import Engine, RunRequest
from limner.engine.events import RunFinished, RunStarted, StepFailed, StepFinished, StepPreview, StepProgress
from limner.engine.ports import Ended, Reporter, Said, Segment, Started
from limner.engine.values import Values
from limner.graph import Graph
from limner.stores import MemoryCache
from tests.support import nodes
from tests.support.fake_executor import fake
from tests.support.graphs import graph
from tests.support.running import Bench


@dataclass(frozen=True)
class Case:
    graph: Graph
    shown: dict[str, list[object]]
    called: list[str]


CASES = {
    "one node": Case(graph(s=("Sink", {"a": 5})), {"s": [5]}, ["s"]),
    "a chain": Case(
        graph(s=("Sink", {"a": "y:0"}), y=("Add", {"a": "x:0", "b": 1}), x=("Add", {"a": 1, "b": 2})),
        {"s": [4]},
        ["x", "y", "s"],
    ),
    "a diamond runs its top once": Case(
        graph(
            a=("Add", {"a": 1, "b": 1}),
            b=("Add", {"a": "a:0", "b": 1}),
            c=("Add", {"a": "a:0", "b": 2}),
            s=("Sink", {"a": "d:0"}),
            d=("Add", {"a": "b:0", "b": "c:0"}),
        ),
        {"s": [7]},
        ["a", "b", "c", "d", "s"],
    ),
    "one output is finished before the next is begun": Case(
        graph(
            a=("Add", {"a": 1, "b": 1}),
            b=("Add", {"a": 2, "b": 2}),
            s=("Sink", {"a": "a:0"}),
            t=("Sink", {"a": "b:0"}),
        ),
        {"s": [2], "t": [4]},
        ["a", "s", "b", "t"],
    ),
    "what no output needs does not run": Case(
        graph(a=("Add", {"a": 1, "b": 1}), b=("Fail", {"a": "a:0"}), s=("Sink", {"a": "a:0"})), {"s": [2]}, ["a", "s"]
    ),
    "equal nodes run once": Case(
        graph(
            a=("Add", {"a": 1, "b": 1}),
            b=("Add", {"b": 1, "a": 1}),
            c=("Add", {"a": "a:0", "b": "b:0"}),
            s=("Sink", {"a": "c:0"}),
        ),
        {"s": [4]},
        ["a", "c", "s"],
    ),
    "equal output nodes both show": Case(
        graph(a=("Add", {"a": 1, "b": 1}), s=("Sink", {"a": "a:0"}), t=("Sink", {"a": "a:0"})),
        {"s": [2], "t": [2]},
        ["a", "s"],
    ),
    "a lazy node takes one side": Case(
        graph(
            y=("Add", {"a": 1, "b": 1}),
            n=("Add", {"a": 2, "b": 2}),
            c=("Choose", {"which": False, "yes": "y:0", "no": "n:0"}),
            s=("Sink", {"a": "c:0"}),
        ),
        {"s": [4]},
        ["n", "c", "s"],
    ),
    "lazy in lazy": Case(
        graph(
            n=("Add", {"a": 2, "b": 2}),
            m=("Add", {"a": "n:0", "b": 2}),
            c=("Choose", {"which": True, "yes": "d:0", "no": "m:0"}),
            d=("Choose", {"which": False, "yes": "m:0", "no": "n:0"}),
            s=("Sink", {"a": "c:0"}),
        ),
        {"s": [4]},
        ["n", "d", "c", "s"],
    ),
    "a list is called item by item": Case(
        graph(l=("Numbers", {"count": 3}), a=("Add", {"a": "l:0", "b": 10}), s=("Sink", {"a": "a:0"})),
        {"s": [10, 11, 12]},
        ["l", "a", "s"],
    ),
    "a list-wise node gets the whole list": Case(
        graph(l=("Numbers", {"count": 4}), a=("Sum", {"a": "l:0"}), s=("Sink", {"a": "a:0"})),
        {"s": [6]},
        ["l", "a", "s"],
    ),
    "an empty list calls nothing": Case(
        graph(l=("Numbers", {"count": 0}), a=("Add", {"a": "l:0", "b": 1}), s=("Sink", {"a": "a:0"})),
        {},
        ["l", "a", "s"],
    ),
    "a loop by expansion": Case(
        graph(x=("Loop", {"a": 1, "step": 2, "times": 3, "unique": "x"}), s=("Sink", {"a": "x:0"})),
        {"s": [7]},
        ["x", "x.3.add", "x.3.rest", ".2.add", ".2.rest", ".1.add", ".1.rest", "s"],
    ),
    "a blocked output shows nothing": Case(
        graph(b=("Block", {"a": 1, "when": True}), s=("Sink", {"a": "b:0"}), t=("Sink", {"a": 2})),
        {"t": [2]},
        ["b", "s", "t"],
    ),
}


@pytest.mark.parametrize("name", CASES)
async def test_named_graphs(name: str) -> None:
    case, bench = CASES[name], Bench(nodes.executor())
    result = await bench.run(case.graph)
    assert (result.status, result.failure) == ("done", None)
    assert {node: ui["value"] for node, ui in result.outputs.items()} == case.shown
    assert bench.executor.calls == case.called


@pytest.mark.parametrize("name", CASES)
async def test_the_second_time_nothing_is_called(name: str) -> None:
    case, bench = CASES[name], Bench(nodes.executor())
    first = await bench.run(case.graph)
    again = await bench.run(case.graph)
    assert (again.status, again.outputs) == ("done", first.outputs)
    assert bench.executor.calls == []
    assert again.ran == 0


@pytest.mark.parametrize("name", CASES)
async def test_the_same_without_a_cache(name: str) -> None:
    case, bench = CASES[name], Bench(nodes.executor())
    bench.cache._budget = 0
    bench.cache._limit = 0
    first = await bench.run(case.graph)
    again = await bench.run(case.graph)
    assert again.outputs == first.outputs
    assert bench.executor.calls == case.called
    assert bench.executor.values == {}, "every value was released"


async def test_an_edit_runs_what_depends_on_it() -> None:
    bench = Bench(nodes.executor())
    before = graph(a=("Add", {"a": 1, "b": 1}), b=("Add", {"a": "a:0", "b": 1}), s=("Sink", {"a": "b:0"}))
    after = graph(a=("Add", {"a": 1, "b": 1}), b=("Add", {"a": "a:0", "b": 5}), s=("Sink", {"a": "b:0"}))
    await bench.run(before)
    result = await bench.run(after)
    assert bench.executor.calls == ["b", "s"]
    assert bench.cached == ["a"]
    assert result.outputs == {"s": {"value": [7]}}


async def test_only_the_targets_that_are_asked_for() -> None:
    bench = Bench(nodes.executor())
    two = graph(
        a=("Add", {"a": 1, "b": 1}), b=("Add", {"a": 2, "b": 1}), s=("Sink", {"a": "a:0"}), t=("Sink", {"a": "b:0"})
    )
    result = await bench.run(two, targets=["t"])
    assert bench.executor.calls == ["b", "t"]
    assert result.outputs == {"t": {"value": [3]}}


async def test_events_tell_the_run_in_order() -> None:
    bench = Bench(nodes.executor())
    await bench.run(graph(a=("Add", {"a": 1, "b": 1}), s=("Sink", {"a": "a:0"})))
    kinds = [type(event).__name__ for event in bench.events]
    assert kinds == [
        "RunStarted",
        "StepsCached",
        "StepStarted",
        "StepFinished",
        "StepStarted",
        "StepProgress",
        "StepPreview",
        "StepFinished",
        "RunFinished",
    ]
    assert [event.sequence for event in bench.events] == list(range(1, 10))
    started, progress = bench.events[0], bench.events[5]
    assert isinstance(started, RunStarted) and started.nodes == ("a", "s")
    assert isinstance(progress, StepProgress) and (progress.node, progress.value) == ("s", 1)
    assert isinstance(bench.events[6], StepPreview) and bench.events[6].image == b"x"
    assert isinstance(bench.events[7], StepFinished) and bench.events[7].ui == {"value": [2]}


async def test_a_chain_crosses_to_the_host_at_once() -> None:
    bench = Bench(nodes.executor())
    chain = {"n0": ("Add", {"a": 0, "b": 1})} | {f"n{i}": ("Add", {"a": f"n{i - 1}:0", "b": 1}) for i in range(1, 50)}
    await bench.run(graph(**chain, s=("Sink", {"a": "n49:0"})))
    assert bench.executor.segments == [[*(f"n{i}" for i in range(50)), "s"]]
    assert bench.executor.hidden == [{"prompt": {}}]


async def test_a_failure_names_its_node_and_stops_the_run() -> None:
    bench = Bench(nodes.executor())
    result = await bench.run(
        graph(f=("Fail", {"a": 3}), x=("Add", {"a": "f:0", "b": 1}), s=("Sink", {"a": "x:0"}), t=("Sink", {"a": 1}))
    )
    assert result.status == "failed"
    assert result.failure is not None
    assert (result.failure.node, result.failure.kind, result.failure.message) == ("f", "ValueError", "cannot take 3")
    failed = [event for event in bench.events if isinstance(event, StepFailed)]
    assert [(event.node, event.type) for event in failed] == [("f", "Fail")]
    assert "x" not in bench.executor.calls


async def test_what_succeeded_before_a_failure_is_remembered() -> None:
    bench = Bench(nodes.executor())
    broken = graph(a=("Add", {"a": 1, "b": 1}), f=("Fail", {"a": "a:0"}), s=("Sink", {"a": "f:0"}))
    await bench.run(broken)
    again = await bench.run(broken)
    assert again.status == "failed"
    assert bench.executor.calls == ["f"]


async def test_a_blocker_with_a_message_is_told_and_the_rest_runs() -> None:
    bench = Bench(nodes.executor())
    result = await bench.run(
        graph(
            b=("Block", {"a": 1, "when": True, "message": "no entry"}),
            x=("Add", {"a": "b:0", "b": 1}),
            s=("Sink", {"a": "x:0"}),
            t=("Sink", {"a": 2}),
        )
    )
    failed = [event for event in bench.events if isinstance(event, StepFailed)]
    assert [(event.node, event.failure.kind, event.failure.message) for event in failed] == [
        ("x", "ExecutionBlocked", "Execution Blocked: no entry")
    ]
    assert result.status == "done"
    assert result.outputs == {"t": {"value": [2]}}


async def test_independent_steps_of_other_lanes_overlap() -> None:
    running, most = 0, 0

    async def call(a: int) -> int:
        nonlocal running, most
        running += 1
        most = max(most, running)
        await asyncio.sleep(0.02)
        running -= 1
        return a

    overlapping = fake("Overlap", call, {"a": "INT"}, lane="async")
    bench = Bench(nodes.executor(overlapping))
    parts = {f"w{i}": ("Overlap", {"a": i}) for i in range(6)} | {f"s{i}": ("Sink", {"a": f"w{i}:0"}) for i in range(6)}
    result = await bench.run(graph(**parts))
    assert result.outputs == {f"s{i}": {"value": [i]} for i in range(6)}
    assert most == 6


async def test_volatile_nodes_and_what_follows_run_every_time() -> None:
    counter = iter(range(100))
    dice = fake("Dice", lambda: next(counter), {}, volatile=True)
    bench = Bench(nodes.executor(dice))
    rolled = graph(d=("Dice", {}), e=("Dice", {}), x=("Add", {"a": "d:0", "b": "e:0"}), s=("Sink", {"a": "x:0"}))
    assert (await bench.run(rolled)).outputs == {"s": {"value": [1]}}
    assert (await bench.run(rolled)).outputs == {"s": {"value": [5]}}
    assert bench.executor.calls == ["d", "e", "x", "s"]
    assert bench.executor.released, "values of no further use are released"


async def test_a_change_token_reruns_its_node_when_it_changes() -> None:
    token: list[object] = ["one"]
    watch = fake("Watch", lambda a: a, {"a": "INT"}, token=lambda a: token[0])
    bench = Bench(nodes.executor(watch))
    watched = graph(a=("Add", {"a": 1, "b": 1}), w=("Watch", {"a": "a:0"}), s=("Sink", {"a": "w:0"}))
    called = []
    for value in ["one", "one", "two", float("nan"), float("nan")]:
        token[0] = value
        await bench.run(watched)
        called.append(list(bench.executor.calls))
    assert called == [["a", "w", "s"], [], ["w", "s"], ["w", "s"], ["w", "s"]]


async def test_unshared_nodes_are_cached_by_their_id() -> None:
    counter = iter(range(100))
    bench = Bench(nodes.executor(fake("Draw", lambda: next(counter), {}, unshared=True)))
    drawn = graph(d=("Draw", {}), e=("Draw", {}), x=("Add", {"a": "d:0", "b": "e:0"}), s=("Sink", {"a": "x:0"}))
    assert (await bench.run(drawn)).outputs == {"s": {"value": [1]}}
    await bench.run(drawn)
    assert bench.executor.calls == []


async def test_interrupt_ends_the_run_as_cancelled() -> None:
    bench = Bench(nodes.executor())
    slow = graph(w=("Sleep", {"a": 1, "ms": 30}), x=("Add", {"a": "w:0", "b": 1}), s=("Sink", {"a": "x:0"}))
    task = asyncio.ensure_future(bench.run(slow, run="slow"))
    await asyncio.sleep(0.005)
    assert await bench.engine.interrupt("slow")
    result = await task
    assert result.status == "cancelled"
    assert result.failure is not None and result.failure.interrupted
    assert "x" not in bench.executor.calls
    assert not await bench.engine.interrupt("slow")
    assert bench.executor.finished == ["slow"]


async def test_a_cancelled_caller_cancels_its_run() -> None:
    bench = Bench(nodes.executor())
    task = asyncio.ensure_future(bench.run(graph(w=("Sleep", {"a": 1, "ms": 10_000}), s=("Sink", {"a": "w:0"}))))
    await asyncio.sleep(0.005)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert bench.executor.interrupted == {"run1"}
    assert isinstance(bench.events[-1], RunFinished) and bench.events[-1].status == "cancelled"
    assert bench.engine.running == ()


async def test_runs_may_overlap_but_not_under_one_id() -> None:
    bench = Bench(nodes.executor())
    one = graph(w=("Sleep", {"a": 1, "ms": 20}), s=("Sink", {"a": "w:0"}))
    task = asyncio.ensure_future(bench.run(one, run="x"))
    await asyncio.sleep(0.005)
    with pytest.raises(ValueError, match="in progress"):
        await bench.run(one, run="x")
    assert (await bench.run(graph(s=("Sink", {"a": 9})), run="y")).status == "done"
    assert (await task).status == "done"


async def test_an_executor_that_breaks_fails_the_run_and_not_the_engine() -> None:
    bench = Bench(nodes.executor())

    async def broken(segment: object, report: object) -> None:
        raise ConnectionError("the pipe is closed")

    bench.executor.run = broken  # type: ignore[method-assign]
    result = await bench.run(graph(s=("Sink", {"a": 1})))
    assert result.status == "failed"
    assert result.failure is not None and result.failure.message == "the pipe is closed"


async def test_what_packs_say_is_heard() -> None:
    heard: list[Said] = []
    executor = nodes.executor()
    engine = Engine(executor, MemoryCache(), hear=heard.append)
    run = executor.run

    async def talking(segment: Segment, report: Reporter) -> None:
        report([Said("pack.hello", {"x": 1})])
        await run(segment, report)

    executor.run = talking  # type: ignore[method-assign]
    await engine.run(RunRequest("r", graph(s=("Sink", {"a": 1})), ["s"], executor.catalog))
    assert heard == [Said("pack.hello", {"x": 1})]


async def test_a_listener_that_fails_does_not_stop_the_run(caplog: pytest.LogCaptureFixture) -> None:
    executor = nodes.executor()

    def broken(events: object) -> None:
        raise RuntimeError("no room")

    request = RunRequest("r", graph(s=("Sink", {"a": 1})), ["s"], executor.catalog)
    result = await Engine(executor, MemoryCache()).run(request, broken)
    assert result.status == "done"
    assert "no room" in caplog.text


async def test_reports_of_strangers_are_passed_over() -> None:
    executor = nodes.executor()
    run = executor.run

    async def confused(segment: Segment, report: Reporter) -> None:
        report([Started("stranger"), Ended("stranger", Values(()))])
        await run(segment, report)

    executor.run = confused  # type: ignore[method-assign]
    request = RunRequest("r", graph(s=("Sink", {"a": 1})), ["s"], executor.catalog)
    assert (await Engine(executor, MemoryCache()).run(request)).status == "done"


async def test_a_host_that_never_runs_a_step_fails_it() -> None:
    executor = nodes.executor()

    async def idle(segment: Segment, report: Reporter) -> None:
        await asyncio.sleep(0)

    executor.run = idle  # type: ignore[method-assign]
    result = await Engine(executor, MemoryCache()).run(
        RunRequest("r", graph(s=("Sink", {"a": 1})), ["s"], executor.catalog)
    )
    assert result.failure is not None
    assert (result.failure.kind, result.failure.node) == ("NotRun", "s")
