"""Jobs of a queue for workers: taken, refused with the reason, given back to others."""

from __future__ import annotations

import asyncio

import pytest

from limner.executors.fleet.dispatch import Dispatcher
from limner.executors.fleet.facts import Capabilities, Needs
from limner.executors.fleet.fleet import Fleet
from limner.executors.fleet.matching import Matcher
from limner.graph import InvalidGraph
from limner.queue import MemoryQueue, NewJob, State
from tests.support.fake_executor import FakeExecutor

KIND = frozenset({"Kind"})


class Desk:
    def __init__(self) -> None:
        self.needs: dict[str, Needs] = {}
        self.queue = MemoryQueue()
        self.matcher = Matcher(lambda place: self.needs.get(place.id, Needs(KIND)))
        self.fleet = Fleet(FakeExecutor({}), self.matcher, at_home=lambda schema: False)  # type: ignore[arg-type]
        self.dispatcher = Dispatcher(self.queue, self.fleet)

    def join(self, name: str) -> None:
        self.fleet.joined(name, FakeExecutor({}), Capabilities(KIND))  # type: ignore[arg-type]

    async def add(self, name: str, needs: Needs | None = None, priority: int = 0) -> None:
        self.needs[name] = needs or Needs(KIND)
        await self.queue.add(NewJob(name, {}, (), priority=priority))


@pytest.fixture
async def desk() -> Desk:
    return Desk()


async def soon(desk: Desk) -> str:
    async with asyncio.timeout(5):
        return (await desk.dispatcher.next()).job.id


async def nothing(desk: Desk) -> bool:
    try:
        async with asyncio.timeout(0.1):
            await desk.dispatcher.next()
    except TimeoutError:
        return True
    return False


async def test_a_job_waits_for_a_worker(desk: Desk) -> None:
    await desk.add("a")
    assert await nothing(desk)
    desk.join("w1")
    assert await soon(desk) == "a"
    assert desk.queue.state("a") is State.RUNNING
    assert desk.matcher.workers["w1"].busy == {"a"}


async def test_a_worker_that_is_left_takes_the_next(desk: Desk) -> None:
    desk.join("w1")
    for name in "abc":
        await desk.add(name)
    first = await desk.dispatcher.next()
    assert await nothing(desk)
    first.give()
    assert await soon(desk) == "b"
    first.end()
    first.end()
    assert desk.matcher.workers["w1"].busy == {"b"}


async def test_a_held_queue_gives_nothing(desk: Desk) -> None:
    desk.join("w1")
    await desk.queue.hold()
    await desk.add("a")
    assert await nothing(desk)
    await desk.queue.let_go()
    assert await soon(desk) == "a"


async def test_a_job_that_nobody_can_run_is_given_out_with_the_reason(desk: Desk) -> None:
    desk.join("w1")
    await desk.add("a", Needs(frozenset({"Other"})))
    taken = await desk.dispatcher.next()
    with pytest.raises(InvalidGraph, match="w1: it has no node type Other"):
        desk.dispatcher.check("a")
    assert desk.matcher.workers["w1"].busy == set()
    taken.end()
    desk.dispatcher.check("a")


async def test_a_job_that_is_deleted_while_it_is_matched_leaves_its_worker(desk: Desk) -> None:
    desk.join("w1")
    await desk.add("a")
    real = desk.queue.take

    async def deleted(job: str | None = None):  # type: ignore[no-untyped-def]
        desk.queue.take = real  # type: ignore[method-assign]
        await desk.queue.delete(["a"])
        return await real(job)

    desk.queue.take = deleted  # type: ignore[method-assign]
    assert await nothing(desk)
    await desk.add("b")
    assert await soon(desk) == "b"


async def test_a_run_that_has_claimed_a_worker_gets_it_whoever_looks_first(desk: Desk) -> None:
    desk.join("w1")
    await desk.add("a")
    await desk.dispatcher.next()
    desk.fleet.left("w1", expected=True)
    seat = asyncio.create_task(desk.fleet._seat("a", 0))
    await asyncio.sleep(0)
    await desk.add("b")
    looking = asyncio.create_task(desk.dispatcher.next())
    await asyncio.sleep(0)
    desk.matcher.joined("w2", Capabilities(KIND))  # as if the fleet had answered nobody yet
    desk.fleet._hosts["w2"] = FakeExecutor({})  # type: ignore[assignment]
    desk.fleet.changed()
    async with asyncio.timeout(5):
        assert await seat == "w2"
    assert not looking.done()
    looking.cancel()


async def test_the_job_that_has_to_leave(desk: Desk) -> None:
    desk.join("w1")
    await desk.add("a")
    await desk.dispatcher.next()
    await desk.add("b", priority=3)
    (running,) = desk.queue.places(State.RUNNING)
    (waiting,) = desk.queue.places(State.WAITING)
    assert desk.dispatcher.victim(waiting, [running]) == running
