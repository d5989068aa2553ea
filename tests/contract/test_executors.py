"""What every executor must do, whether its host is in this process or in one of its own."""

from __future__ import annotations

import asyncio
import math
import sys
from collections.abc import AsyncIterator, Callable, Sequence
from pathlib import Path

import pytest

from limner.engine.ports import (
    Ended,
    Executor,
    HostLost,
    Inquiry,
    Previewed,
    Progressed,
    Report,
    Segment,
    Started,
    Task,
)
from limner.engine.values import Demand, Expansion, Failure, Gathered, Held, Outcome, Values
from limner.executors.local import LocalExecutor
from limner.executors.process import ProcessExecutor
from limner.graph import Lane, Link
from tests.support import host_nodes

COMMAND = [sys.executable, "-m", "tests.support.host_nodes"]


@pytest.fixture(params=["local", "process", "process over tcp"])
async def executor(request: pytest.FixtureRequest) -> AsyncIterator[Executor]:
    if request.param == "local":
        local = LocalExecutor(host_nodes.core(device_thread=True))
        yield local
        local.close()
        return
    process = ProcessExecutor(COMMAND, inherit=request.param == "process")
    await process.start()
    yield process
    await process.close()


def task(node: str, node_type: str, lane: Lane = Lane.DEVICE, missing: Sequence[str] = (), **inputs: object) -> Task:
    return Task(node, node, node_type, f"f-{node}", inputs, tuple(missing), lane)


def of(node: str, output: int = 0) -> Held:
    return Held(f"f-{node}", output)


class Reports(list[Report]):
    """What was reported, and the outcome of each node."""

    def take(self, batch: Sequence[Report]) -> None:
        self.extend(batch)

    def outcome(self, node: str) -> Outcome | Failure | None:
        ended = [report.result for report in self if isinstance(report, Ended) and report.node == node]
        assert len(ended) <= 1, f"{node} ended {len(ended)} times"
        return ended[0] if ended else None

    def values(self, node: str) -> Values:
        outcome = self.outcome(node)
        assert isinstance(outcome, Values), outcome
        return outcome

    def failure(self, node: str) -> Failure:
        outcome = self.outcome(node)
        assert isinstance(outcome, Failure), outcome
        return outcome

    def shown(self, node: str) -> list[object]:
        ui = self.values(node).ui
        assert ui is not None
        values = ui["value"]
        assert isinstance(values, list)
        return values


async def run(executor: Executor, *tasks: Task, run: str = "run") -> Reports:
    reports = Reports()
    await executor.run(Segment(run, tasks, {"prompt": {"1": {}}}), reports.take)
    return reports


async def until(condition: Callable[[], bool], seconds: float = 20) -> None:
    async with asyncio.timeout(seconds):
        while not condition():
            await asyncio.sleep(0.01)


async def test_it_says_which_nodes_it_has(executor: Executor) -> None:
    types = {schema.type: schema for schema in await executor.schemas()}
    assert types["Add"] == host_nodes.add.schema
    assert types["Switch"].inputs[1].lazy
    assert len(types) == len(host_nodes.library())


async def test_a_chain_runs_in_one_segment(executor: Executor) -> None:
    chain = [task(str(n), "Add", a=of(str(n - 1)) if n else 1, b=1) for n in range(500)]
    reports = await run(executor, *chain, task("show", "Show", value=of("499")))
    assert reports.shown("show") == [501]
    ended = [report.node for report in reports if isinstance(report, Ended)]
    assert ended == [*map(str, range(500)), "show"]


async def test_values_stay_for_later_segments_until_released(executor: Executor) -> None:
    await run(executor, task("1", "Divide", a=17, b=5))
    later = await run(executor, task("2", "Show", value=of("1", 1)), run="another")
    assert later.shown("2") == [2]
    await executor.release(["f-1"])
    with pytest.raises(HostLost):
        await run(executor, task("3", "Show", value=of("1", 0)))


async def test_live_objects_flow_inside_the_host(executor: Executor) -> None:
    reports = await run(executor, task("1", "MakeThing", value=7), task("2", "OpenThing", thing=of("1")))
    show = await run(executor, task("3", "Show", value=of("2")))
    assert show.shown("3") == [7]
    assert [handle.length for handle in reports.values("1").handles] == [1]


async def test_lists_call_a_node_once_per_item(executor: Executor) -> None:
    reports = await run(
        executor,
        task("range", "Range", n=3),
        task("add", "Add", a=of("range"), b=10),
        task("sum", "Sum", values=Gathered((of("add"), of("range")))),
        task("show", "Show", value=of("add")),
        task("total", "Show", value=of("sum")),
    )
    assert reports.values("add").handles[0].length == 3
    assert reports.shown("show") == [10, 11, 12]
    assert reports.shown("total") == [10 + 11 + 12 + 0 + 1 + 2]


async def test_an_empty_list_means_no_calls(executor: Executor) -> None:
    reports = await run(executor, task("range", "Range", n=0), task("add", "Add", a=of("range"), b=10))
    assert reports.values("add").handles[0].length == 0


@pytest.mark.parametrize(("message", "told"), [("", ()), ("not now", ("not now",))])
async def test_a_blocker_keeps_its_consumers_from_running(
    executor: Executor, message: str, told: tuple[str, ...]
) -> None:
    reports = await run(
        executor,
        task("block", "Block", message=message),
        task("add", "Add", a=of("block"), b=1),
        task("next", "Add", a=of("add"), b=1),
    )
    assert reports.values("block").handles[0].blocked == message
    assert reports.values("add").handles[0].blocked == ""
    assert reports.values("add").blocked == told
    assert reports.values("next").blocked == ()


async def test_a_lazy_node_asks_for_what_it_needs(executor: Executor) -> None:
    asked = await run(executor, task("1", "Switch", missing=("a", "b"), first=False))
    assert asked.outcome("1") == Demand(("b",))
    answered = await run(
        executor,
        task("b", "Add", a=1, b=2),
        task("1", "Switch", missing=("a",), first=False, b=of("b")),
        task("2", "Show", value=of("1")),
    )
    assert answered.shown("2") == [3]


async def test_a_node_expands_into_a_graph_with_live_literals(executor: Executor) -> None:
    reports = await run(executor, task("e", "Expand", n=5), task("after", "Add", a=of("e"), b=1))
    expansion = reports.outcome("e")
    assert isinstance(expansion, Expansion)
    assert reports.outcome("after") is None, "its input did not come to be"
    assert expansion.graph.nodes["e.sum"].inputs == {"a": 5, "b": 1}
    assert expansion.graph.nodes["e.open"].display == "shown"
    assert expansion.results[0] == Link("e.sum", 0)
    thing = expansion.graph.nodes["e.open"].inputs["thing"]
    assert isinstance(thing, Held)
    handle = expansion.results[1]
    held = Held(handle.fingerprint, handle.output)  # type: ignore[attr-defined]
    opened = await run(
        executor,
        task("1", "OpenThing", thing=thing),
        task("2", "OpenThing", thing=held),
        task("3", "Show", value=of("1")),
        task("4", "Show", value=of("2")),
    )
    assert (opened.shown("3"), opened.shown("4")) == ([5], [5])


async def test_progress_and_previews(executor: Executor) -> None:
    reports = await run(executor, task("1", "Steps", n=4, seconds=0.0))
    progress = [report for report in reports if isinstance(report, Progressed)]
    assert progress[-1] == Progressed("1", 4, 4, "")
    assert Previewed("1", b"picture", "image/jpeg") in reports
    assert isinstance(reports[-1], Ended)


async def test_a_failure_says_what_and_where(executor: Executor) -> None:
    reports = await run(
        executor,
        task("1", "Divide", a=[1, 2], b=0),
        task("2", "Add", a=of("1"), b=1),
    )
    failure = reports.failure("1")
    assert failure.kind == "TypeError"
    assert "unsupported operand" in failure.message
    assert failure.inputs == {"a": ["[1, 2]"], "b": [0]}
    assert "in divide" in "".join(failure.traceback)
    assert not failure.interrupted
    assert reports.outcome("2") is None
    assert (await run(executor, task("3", "Show", value=1))).shown("3") == [1], "the next run works"


@pytest.mark.parametrize(
    ("node_type", "lane", "kind", "says"),
    [
        ("SysExit", Lane.DEVICE, "SystemExit", "5"),
        ("FailAsync", Lane.ASYNC, "ValueError", "async trouble"),
        ("WrongCount", Lane.DEVICE, "limner.plugins.calls.WrongResult", "gave 1 values; its schema has 2 outputs"),
        ("NoSuchNode", Lane.DEVICE, "LookupError", "NoSuchNode"),
    ],
)
async def test_bad_nodes_fail_by_name(executor: Executor, node_type: str, lane: Lane, kind: str, says: str) -> None:
    reports = await run(executor, task("1", node_type, lane=lane))
    failure = reports.failure("1")
    assert (failure.kind, failure.node) == (kind, "1")
    assert says in failure.message


async def test_a_node_that_cancels_is_interrupted_not_failed(executor: Executor) -> None:
    assert (await run(executor, task("1", "Stop"))).failure("1").interrupted


async def test_interrupt_ends_a_node_at_its_next_step(executor: Executor) -> None:
    reports = Reports()
    segment = Segment("long", (task("1", "Steps", n=10_000, seconds=0.005), task("2", "Add", a=of("1"), b=1)), {})
    running = asyncio.create_task(executor.run(segment, reports.take))
    await until(lambda: any(isinstance(report, Progressed) for report in reports))
    await executor.interrupt("long")
    async with asyncio.timeout(10):
        await running
    assert reports.failure("1").interrupted
    assert reports.outcome("2") is None
    await executor.finish("long")
    assert (await run(executor, task("3", "Show", value=1), run="long")).shown("3") == [1], "the name is free again"


async def test_interrupt_ends_a_coroutine_that_waits(executor: Executor) -> None:
    reports = Reports()
    segment = Segment("wait", (task("1", "SleepAsync", Lane.ASYNC, value=1, seconds=60.0),), {})
    running = asyncio.create_task(executor.run(segment, reports.take))
    await until(lambda: Started("1") in reports)
    await executor.interrupt("wait")
    async with asyncio.timeout(10):
        await running
    assert reports.failure("1").interrupted


async def test_interrupt_leaves_other_runs_alone(executor: Executor) -> None:
    other = asyncio.create_task(run(executor, task("1", "SleepCpu", Lane.CPU, value=1, seconds=0.3), run="other"))
    await asyncio.sleep(0.05)
    await executor.interrupt("some run")
    assert (await other).values("1")


async def test_independent_steps_of_a_segment_overlap(executor: Executor, tmp_path: Path) -> None:
    reports = await run(
        executor,
        task("1", "Meet", Lane.CPU, folder=str(tmp_path), name="a", other="b"),
        task("2", "Meet", Lane.CPU, folder=str(tmp_path), name="b", other="a"),
        task("3", "Show", value=of("1")),
    )
    assert reports.shown("3") == ["a"]


async def test_segments_of_pool_lanes_overlap(executor: Executor, tmp_path: Path) -> None:
    first = run(executor, task("1", "Meet", Lane.CPU, folder=str(tmp_path), name="a", other="b"), run="x")
    second = run(executor, task("2", "Meet", Lane.CPU, folder=str(tmp_path), name="b", other="a"), run="y")
    one, two = await asyncio.gather(first, second)
    assert one.values("1") and two.values("2")


async def test_lanes_mix_in_a_segment(executor: Executor) -> None:
    reports = await run(
        executor,
        task("d1", "Add", a=1, b=1),
        task("a1", "SleepAsync", Lane.ASYNC, value=of("d1"), seconds=0.01),
        task("c1", "SleepCpu", Lane.CPU, value=of("a1"), seconds=0.01),
        task("d2", "Add", a=of("c1"), b=of("d1")),
        task("d3", "Add", a=of("d2"), b=1),
        task("s", "Show", value=of("d3")),
    )
    assert reports.shown("s") == [5]


async def test_hidden_values_are_those_of_the_run(executor: Executor) -> None:
    reports = await run(executor, task("1", "Show", value=1))
    assert reports.values("1").ui == {"value": [1], "hidden": [{"prompt": {"1": {}}}]}
    again = Reports()
    await executor.run(Segment("run", (task("2", "Show", value=2),), None), again.take)
    assert again.values("2").ui == {"value": [2], "hidden": [{"prompt": {"1": {}}}]}


async def test_odd_literals_arrive_unchanged(executor: Executor) -> None:
    odd = [2**70, -(2**65), None, 1.5, "ünï", {"a": [True, {"b": 2**64}]}, []]
    assert (await run(executor, task("1", "Show", value=odd))).shown("1") == [odd]


async def test_unknown_inputs_are_left_out(executor: Executor) -> None:
    reports = await run(executor, task("1", "Add", a=1, b=2, extra=3), task("2", "Show", value=of("1")))
    assert reports.shown("2") == [3]


async def test_services_and_temporary_folders(executor: Executor) -> None:
    reports = await run(
        executor,
        task("1", "Tell"),
        task("2", "Tell"),
        task("3", "Show", value=of("2")),
        task("4", "Folder"),
        task("5", "Show", value=of("4")),
    )
    assert reports.shown("3") == [2]
    assert not Path(str(reports.shown("5")[0])).exists()


async def test_inquiries_are_answered_in_order(executor: Executor) -> None:
    answers = await executor.inquire(
        "run",
        [
            Inquiry("1", "Checked", {"value": -1}, validate=True),
            Inquiry("2", "Checked", {"value": 4}, validate=True, token=True),
            Inquiry("3", "BadToken", {"value": 0}, token=True),
        ],
    )
    assert [answer.node for answer in answers] == ["1", "2", "3"]
    assert answers[0].complaint == "-1 is not above 0"
    assert (answers[1].complaint, answers[1].token) == (None, 8)
    assert isinstance(answers[2].token, float) and math.isnan(answers[2].token)


async def test_questions_that_are_not_about_steps(executor: Executor) -> None:
    assert isinstance(executor, LocalExecutor | ProcessExecutor)
    assert await executor.ask("double", 21) == 42
    with pytest.raises(LookupError, match="weather"):
        await executor.ask("weather")
    with pytest.raises((ZeroDivisionError, RuntimeError), match="division"):
        await executor.ask("fail")
