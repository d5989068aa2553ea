"""Two jobs of the queue: the second begins when the first has only its last files to write."""

from __future__ import annotations

import asyncio

from limner.engine.events import RunFinished, RunStarted, StepFinished, StepStarted
from limner.graph import Graph, Lane
from limner.queue import MemoryQueue, NewJob
from limner.runs import Bus
from limner.runs.turns import TAILS, Turns
from tests.support import nodes
from tests.support.fake_executor import fake
from tests.support.graphs import graph
from tests.unit.runs.test_consumer import House


async def save(a: int) -> dict[str, list[int]]:
    await asyncio.sleep(0.03)
    return {"saved": [a]}


def sample(a: int) -> Graph:
    return graph(x=("Add", {"a": a, "b": 1}), s=("Save", {"a": "x:0"}))


async def run_all(*jobs: Graph) -> tuple[House, list[str]]:
    """Queue these jobs; returns what happened, such as `1 starts x`."""
    slow = fake("Save", save, {"a": "INT"}, (), output=True, lane=Lane.IO)
    house = House(executor=nodes.executor(slow))
    task = asyncio.ensure_future(house.consumer.serve())
    for number, wanted in enumerate(jobs):
        await house.add(str(number), wanted)
    await house.settle()
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    return house, list(told(house.bus))


def told(bus: Bus) -> list[str]:
    found = []
    for message in bus:
        match message.body:
            case RunStarted():
                found.append(f"{message.run} begins")
            case StepStarted(inner=inner):
                found.append(f"{message.run} starts {inner}")
            case StepFinished(inner=inner):
                found.append(f"{message.run} ends {inner}")
            case RunFinished(status=status):
                found.append(f"{message.run} {status}")
    return found


async def test_the_next_job_samples_while_the_last_picture_is_saved() -> None:
    house, events = await run_all(sample(1), sample(2))
    assert events.index("1 ends x") < events.index("0 ends s"), events
    assert events.index("0 ends x") < events.index("1 begins"), "but not before the device is free"
    for run, saved in (("0", 2), ("1", 3)):
        entry = house.history.get(run)
        assert entry is not None
        assert entry.outputs == {"s": {"saved": [saved]}}


async def test_a_job_that_will_take_the_device_keeps_its_turn() -> None:
    waits = graph(w=("Sleep", {"a": 1, "ms": 30}), x=("Add", {"a": "w:0", "b": 1}), s=("Sink", {"a": "x:0"}))
    _, events = await run_all(waits, sample(2))
    assert events.index("0 done") < events.index("1 begins"), events


async def test_the_events_of_each_job_stay_in_order() -> None:
    _, events = await run_all(*(sample(number) for number in range(6)))
    for run in "012345":
        mine = [event.removeprefix(f"{run} ") for event in events if event.startswith(f"{run} ")]
        assert mine == ["begins", "starts x", "ends x", "starts s", "ends s", "done"]


async def test_turns_are_given_away_once_and_tails_are_limited() -> None:
    queue = MemoryQueue()
    for number in range(6):
        await queue.add(NewJob(str(number), {}, ()))
    turns = Turns(queue, 1)
    first = await turns.next()
    first.give()
    first.give()
    async with asyncio.timeout(1):
        second = await turns.next()
    third = asyncio.ensure_future(turns.next())
    await asyncio.sleep(0)
    assert not third.done(), "one turn was given, not two"
    second.give()
    async with asyncio.timeout(1):
        tail = await third
    tail.give()
    assert [taken.job.id for taken in (first, second, tail)] == ["0", "1", "2"]
    more = asyncio.ensure_future(turns.next())
    await asyncio.sleep(0)
    assert not more.done(), f"at most {TAILS} go on without a turn"
    first.end()
    async with asyncio.timeout(1):
        assert (await more).job.id == "3"
