"""The host process when things go wrong: killed, hanging, dead at its start, talkative, left alone."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from collections.abc import AsyncIterator, Sequence
from pathlib import Path

import psutil
import pytest

from limner.engine.ports import Ended, HostLost, Report, Segment, Started, Task
from limner.engine.values import Failure, Held, Values
from limner.executors.process import Callbacks, ProcessExecutor
from limner.graph import Lane
from limner.plugins.client import Loaded
from limner.plugins.errors import HostRefused

COMMAND = [sys.executable, "-m", "tests.support.host_nodes"]


class Watch:
    """An executor and what it told."""

    def __init__(self, *arguments: str, **options: float) -> None:
        self.lines: list[str] = []
        self.ready: list[Loaded] = []
        self.lost: list[tuple[str, str]] = []
        callbacks = Callbacks(
            line=self.lines.append,
            ready=self.ready.append,
            lost=lambda place, reason: self.lost.append((place, reason)),
        )
        self.executor = ProcessExecutor([*COMMAND, *arguments], callbacks=callbacks, **options)  # type: ignore[arg-type]
        self.reports: list[Report] = []

    async def run(self, *tasks: Task, run: str = "run", hidden: dict[str, object] | None = None) -> None:
        await self.executor.run(Segment(run, tasks, hidden), self.take)

    def take(self, batch: Sequence[Report]) -> None:
        self.reports.extend(batch)

    def outcome(self, node: str) -> object:
        return next(report.result for report in self.reports if isinstance(report, Ended) and report.node == node)

    def shown(self, node: str) -> object:
        outcome = self.outcome(node)
        assert isinstance(outcome, Values) and outcome.ui is not None
        return outcome.ui["value"]

    async def started(self, node: str) -> None:
        await self.until(lambda: Started(node) in self.reports)

    async def until(self, condition: object, seconds: float = 20) -> None:
        async with asyncio.timeout(seconds):
            while not condition():  # type: ignore[operator]
                await asyncio.sleep(0.01)


@pytest.fixture
async def watch() -> AsyncIterator[Watch]:
    watch = Watch(grace=3.0)
    await watch.executor.start()
    yield watch
    await watch.executor.close()


def task(node: str, node_type: str, lane: Lane = Lane.DEVICE, **inputs: object) -> Task:
    return Task(node, node, node_type, f"f-{node}", inputs, lane=lane)


async def test_a_host_killed_in_the_middle_of_a_step_is_replaced(watch: Watch) -> None:
    await watch.run(task("0", "Add", a=1, b=2))
    first, pid = watch.executor.place, watch.executor.pid
    assert pid is not None
    running = asyncio.create_task(watch.run(task("1", "Steps", n=1000, seconds=0.05)))
    other = asyncio.create_task(watch.run(task("2", "SleepAsync", Lane.ASYNC, value=1, seconds=60.0), run="other"))
    await watch.started("1")
    await watch.started("2")
    os.kill(pid, signal.SIGKILL)
    for lost in (running, other):
        with pytest.raises(HostLost, match="SIGKILL") as caught:
            await lost
        assert caught.value.place == first
    await watch.run(task("3", "Show", value=5))
    assert watch.shown("3") == [5]
    assert watch.executor.place != first
    assert [place for place, _ in watch.lost] == [first]
    assert len(watch.ready) == 2


async def test_a_node_that_kills_its_host(watch: Watch) -> None:
    with pytest.raises(HostLost, match="SIGKILL"):
        await watch.run(task("1", "Kill"))
    with pytest.raises(HostLost, match="status 7"):
        await watch.run(task("2", "Leave"))
    await watch.run(task("3", "Show", value=5))
    assert watch.shown("3") == [5]


async def test_values_of_a_host_that_died_are_lost(watch: Watch) -> None:
    await watch.run(task("1", "Add", a=1, b=2))
    with pytest.raises(HostLost):
        await watch.run(task("2", "Kill"))
    with pytest.raises(HostLost):
        await watch.run(task("3", "Show", value=Held("f-1", 0)))


async def test_a_new_host_is_told_the_hidden_values_of_the_run(watch: Watch) -> None:
    await watch.run(task("1", "Add", a=1, b=2), hidden={"prompt": {"1": {}}})
    with pytest.raises(HostLost):
        await watch.run(task("2", "Kill"))
    await watch.run(task("3", "Show", value=5))
    outcome = watch.outcome("3")
    assert isinstance(outcome, Values)
    assert outcome.ui == {"value": [5], "hidden": [{"prompt": {"1": {}}}]}


async def test_a_node_that_never_looks_up_can_be_interrupted(watch: Watch, tmp_path: Path) -> None:
    marker = tmp_path / "hanging"
    running = asyncio.create_task(watch.run(task("1", "Hang", marker=str(marker))))
    await watch.until(marker.exists)
    await watch.executor.interrupt("run")
    async with asyncio.timeout(15):
        await running
    outcome = watch.outcome("1")
    assert isinstance(outcome, Failure) and outcome.interrupted
    assert watch.lost == [], "the host lives on"


async def test_what_nodes_print_is_passed_on_whole(watch: Watch) -> None:
    await watch.run(task("1", "Print", lines=1_900, length=1_000))
    await watch.until(lambda: "from below python" in watch.lines)
    assert [line for line in watch.lines if line.endswith("x")] == [f"{n} {'x' * 1_000}" for n in range(1_900)]


async def test_a_line_without_end_comes_in_parts(watch: Watch) -> None:
    await watch.run(task("1", "Print", lines=1, length=1_000_000))
    await watch.until(lambda: "from below python" in watch.lines)
    whole = [line for line in watch.lines if line.endswith("x")]
    assert len(whole) > 1
    assert sum(line.count("x") for line in whole) == 1_000_000


async def test_a_log_that_fails_does_not_stop_the_host() -> None:
    def full(line: str) -> None:
        raise OSError("no space left")

    executor = ProcessExecutor(COMMAND, callbacks=Callbacks(line=full))
    await executor.start()
    reports: list[Report] = []
    await executor.run(Segment("run", (task("1", "Print", lines=1_000, length=200),)), reports.extend)
    await executor.close()
    assert any(isinstance(report, Ended) for report in reports)


async def test_a_reporter_that_fails_fails_its_own_segment(watch: Watch) -> None:
    def broken(batch: Sequence[Report]) -> None:
        raise ZeroDivisionError("reporter")

    with pytest.raises(ZeroDivisionError):
        await watch.executor.run(Segment("run", (task("1", "Add", a=1, b=2),)), broken)
    await watch.run(task("2", "Show", value=5))
    assert watch.shown("2") == [5]


@pytest.mark.parametrize(("argument", "reason"), [("--broken", "no such library"), ("--dead", "dead on arrival")])
async def test_a_host_that_dies_while_it_starts_is_tried_again_with_pauses(argument: str, reason: str) -> None:
    watch = Watch(argument)
    await watch.executor.start()
    with pytest.raises(HostLost, match=reason):
        await watch.executor.schemas()
    await watch.until(lambda: len(watch.lost) >= 2)
    await watch.executor.close()
    assert len({place for place, _ in watch.lost}) == len(watch.lost), "each attempt is another place"
    assert watch.ready == []


async def test_a_command_that_is_not_there() -> None:
    executor = ProcessExecutor(["/nonexistent/python"])
    await executor.start()
    with pytest.raises(HostLost, match="nonexistent"):
        await executor.schemas()
    await executor.close()


async def test_problems_of_the_library_are_told(watch: Watch) -> None:
    await watch.executor.schemas()
    assert watch.ready[0].problems == [("broken_pack", "it is broken")]


async def test_closing_ends_the_process_and_what_waits(watch: Watch) -> None:
    await watch.executor.schemas()
    pid = watch.executor.pid
    assert pid is not None
    running = asyncio.create_task(watch.run(task("1", "Steps", n=1000, seconds=0.05)))
    await watch.started("1")
    await watch.executor.close()
    with pytest.raises(HostLost):
        await running
    assert not psutil.pid_exists(pid)
    with pytest.raises(HostLost):
        await watch.executor.schemas()


async def test_closing_ends_a_host_that_does_not_listen(tmp_path: Path) -> None:
    watch = Watch(grace=0.3)
    await watch.executor.start()
    marker = tmp_path / "hanging"
    running = asyncio.create_task(watch.run(task("1", "Hang", marker=str(marker))))
    await watch.until(marker.exists)
    pid = watch.executor.pid
    assert pid is not None
    await watch.executor.close()
    assert not psutil.pid_exists(pid)
    with pytest.raises(HostLost):
        await running


async def test_plain_values_can_be_taken_to_another_host(watch: Watch) -> None:
    await watch.run(task("1", "Range", n=3), task("2", "MakeThing", value=1))
    packed = await watch.executor.fetch("f-1", 0)
    other = Watch()
    await other.executor.start()
    await other.executor.store("f-other", {0: packed})
    await other.run(task("3", "Sum", values=Held("f-other", 0)), task("4", "Show", value=Held("f-3", 0)))
    await other.executor.close()
    assert other.shown("4") == [3]
    with pytest.raises(HostRefused, match=r"Thing .* cannot leave"):
        await watch.executor.fetch("f-2", 0)
    with pytest.raises(HostLost):
        await watch.executor.fetch("unknown", 0)


async def test_closing_before_the_host_has_loaded() -> None:
    watch = Watch()
    await watch.executor.start()
    await watch.executor.close()
    assert watch.executor.pid is None


async def test_a_host_ends_with_its_server() -> None:
    """The server is killed: no host stays behind."""
    program = (
        "import asyncio, sys\n"
        "from limner.executors.process import ProcessExecutor\n"
        "async def main():\n"
        f"    executor = ProcessExecutor({COMMAND!r})\n"
        "    await executor.start()\n"
        "    await executor.schemas()\n"
        "    print(executor.pid, flush=True)\n"
        "    await asyncio.sleep(600)\n"
        "asyncio.run(main())\n"
    )
    server = await asyncio.create_subprocess_exec(sys.executable, "-c", program, stdout=asyncio.subprocess.PIPE)
    assert server.stdout is not None
    host = int(await server.stdout.readline())
    assert psutil.pid_exists(host)
    server.kill()
    await server.wait()
    async with asyncio.timeout(20):
        while psutil.pid_exists(host) and psutil.Process(host).status() != psutil.STATUS_ZOMBIE:
            await asyncio.sleep(0.05)
