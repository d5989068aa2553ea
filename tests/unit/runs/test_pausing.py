"""Jobs that leave their place for a while, and come back."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace

import pytest

from limner.engine.events import RunFinished
from limner.graph import Graph
from limner.queue import NewJob
from tests.support.graphs import graph
from tests.unit.runs.test_consumer import ADD, House


@pytest.fixture
async def house() -> AsyncIterator[House]:
    made = House()
    task = asyncio.ensure_future(made.consumer.serve())
    yield made
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


def slow(value: int) -> Graph:
    return graph(w=("Sleep", {"a": value, "ms": 40}), x=("Sleep", {"a": "w:0", "ms": 40}), s=("Sink", {"a": "x:0"}))


async def add(house: House, name: str, wanted: Graph, priority: int = 0) -> None:
    await house.queue.add(replace(NewJob(name, {}, ("s",), {}, "me", wanted), priority=priority))


async def until_running(house: House, name: str) -> None:
    while not house.executor.calls or name not in house.consumer.running:
        await asyncio.sleep(0.001)


async def test_a_running_job_is_paused_and_goes_on(house: House) -> None:
    await add(house, "one", slow(1))
    await until_running(house, "one")
    assert await house.consumer.pause("one")
    await house.settle()
    assert [job.id for job in house.queue.paused()] == ["one"]
    assert house.history.get("one") is None
    await add(house, "two", ADD)
    await house.settle()
    assert house.history.get("two") is not None
    assert await house.consumer.resume("one")
    await house.settle()
    entry = house.history.get("one")
    assert entry is not None
    assert (entry.status, entry.outputs) == ("done", {"s": {"value": [1]}})


async def test_a_pause_is_no_end(house: House) -> None:
    heard = house.bus.subscribe()
    await add(house, "one", slow(1))
    await until_running(house, "one")
    await house.consumer.pause("one")
    await house.settle()
    assert not [message for message in heard.take() if isinstance(message.body, RunFinished)]


async def test_a_waiting_job_is_paused(house: House) -> None:
    await add(house, "one", slow(1))
    await until_running(house, "one")
    await add(house, "two", ADD)
    assert await house.consumer.pause("two")
    await house.settle()
    assert house.history.get("two") is None
    assert await house.queue.delete(["two"]) == ["two"]


async def test_a_job_is_paused_at_the_moment_when_it_is_taken(house: House) -> None:
    pauses: list[asyncio.Task[bool]] = []

    def pause() -> None:
        if house.queue.running() and not pauses:
            pauses.append(asyncio.ensure_future(house.consumer.pause("one")))

    stop = house.queue.watch(pause)
    await add(house, "one", slow(1))
    await house.settle()
    stop()
    assert await pauses[0]
    assert [job.id for job in house.queue.paused()] == ["one"]
    assert house.executor.calls == []


async def test_what_is_not_there_cannot_be_paused_or_resumed(house: House) -> None:
    assert not await house.consumer.pause("none")
    assert not await house.consumer.resume("none")


async def test_a_higher_priority_takes_the_device_and_hands_it_back(house: House) -> None:
    await add(house, "low", slow(1))
    await until_running(house, "low")
    await add(house, "even", ADD)
    await add(house, "high", slow(2), priority=1)
    await house.settle()
    assert [entry.id for entry in house.history.entries()] == ["high", "low", "even"]
    assert {entry.status for entry in house.history.entries()} == {"done"}


async def test_cancelling_wins_over_pausing(house: House) -> None:
    await add(house, "one", slow(1))
    await until_running(house, "one")
    await house.consumer.pause("one")
    await house.consumer.interrupt("one")
    await house.settle()
    entry = house.history.get("one")
    assert entry is not None
    assert entry.status == "cancelled"
    assert house.queue.paused() == ()
