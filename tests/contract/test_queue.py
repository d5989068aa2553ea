"""What every job queue does."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path

import pytest

from limner.queue import JobQueue, MemoryQueue, NewJob, SqliteQueue

Make = Callable[[], JobQueue]


@pytest.fixture(params=["memory", "sqlite", "sqlite, safe from loss of power"])
def queue(request: pytest.FixtureRequest, tmp_path: Path) -> JobQueue:
    if request.param == "memory":
        return MemoryQueue()
    return SqliteQueue(tmp_path / "queue.db", power_safe="power" in request.param)


def job(name: str, **extra: object) -> NewJob:
    return NewJob(name, {"1": {"class_type": "A", "inputs": {"seed": 2**64 - 1}}}, ("1",), extra, "me")


async def added(queue: JobQueue, *names: str) -> None:
    for name in names:
        await queue.add(job(name))


def ids(jobs: tuple[object, ...]) -> list[str]:
    return [item.id for item in jobs]  # type: ignore[attr-defined]


async def test_jobs_are_taken_in_the_order_in_which_they_came(queue: JobQueue) -> None:
    await added(queue, "a", "b", "c")
    taken = [await queue.take() for _ in range(3)]
    assert [item.id for item in taken] == ["a", "b", "c"]
    assert [item.number for item in taken] == [0, 1, 2]
    assert taken[0].prompt["1"] == {"class_type": "A", "inputs": {"seed": 2**64 - 1}}
    assert (taken[0].targets, taken[0].client, taken[0].attempts) == (("1",), "me", 1)


async def test_the_front_of_the_queue_comes_first(queue: JobQueue) -> None:
    await added(queue, "a", "b")
    front = await queue.add(job("c"), front=True)
    last = await queue.add(job("d"), front=True)
    assert (front.number, last.number) == (-2, -3)
    assert ids(queue.waiting()) == ["d", "c", "a", "b"]


async def test_numbers_may_be_given_and_equal_ones_keep_their_order(queue: JobQueue) -> None:
    for name, number in [("a", 5.0), ("b", 1.5), ("c", 5.0), ("d", -1.0)]:
        await queue.add(job(name), number=number)
    assert ids(queue.waiting()) == ["d", "b", "a", "c"]
    assert (await queue.take()).id == "d"


async def test_taking_waits_for_a_job(queue: JobQueue) -> None:
    waiting = asyncio.ensure_future(queue.take())
    await asyncio.sleep(0.01)
    assert not waiting.done()
    await added(queue, "a")
    assert (await waiting).id == "a"


async def test_two_takers_get_two_jobs(queue: JobQueue) -> None:
    takers = [asyncio.ensure_future(queue.take()) for _ in range(2)]
    await asyncio.sleep(0)
    await added(queue, "a", "b")
    assert {(await taker).id for taker in takers} == {"a", "b"}


async def test_a_taken_job_runs_until_it_is_done(queue: JobQueue) -> None:
    await added(queue, "a", "b")
    await queue.take()
    assert (ids(queue.running()), ids(queue.waiting()), len(queue)) == (["a"], ["b"], 2)
    await queue.done("a")
    assert (ids(queue.running()), len(queue)) == ([], 1)


async def test_only_waiting_jobs_are_deleted(queue: JobQueue) -> None:
    await added(queue, "a", "b", "c")
    await queue.take()
    assert list(await queue.delete(["a", "c", "nobody"])) == ["c"]
    assert (ids(queue.running()), ids(queue.waiting())) == (["a"], ["b"])


async def test_clear_removes_all_that_wait(queue: JobQueue) -> None:
    await added(queue, "a", "b", "c")
    await queue.take()
    assert list(await queue.clear()) == ["b", "c"]
    assert len(queue) == 1


async def test_an_id_is_in_the_queue_once(queue: JobQueue) -> None:
    await added(queue, "a")
    with pytest.raises(ValueError, match="a job a"):
        await added(queue, "a")
    await queue.delete(["a"])
    await added(queue, "a")
    assert ids(queue.waiting()) == ["a"]


async def test_changes_are_told(queue: JobQueue) -> None:
    seen: list[int] = []
    stop = queue.watch(lambda: seen.append(len(queue)))
    await added(queue, "a", "b")
    await queue.take()
    await queue.done("a")
    stop()
    await queue.clear()
    assert seen == [1, 2, 2, 1]


async def test_attachments_ride_along(queue: JobQueue) -> None:
    kept = object()
    await queue.add(NewJob("a", {}, (), attachment=kept))
    assert (await queue.take()).attachment is kept
