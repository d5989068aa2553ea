"""What every job queue does."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest

from limner.database import Database
from limner.queue import JobQueue, MemoryQueue, NewJob, SqliteQueue, State


@pytest.fixture(params=["memory", "sqlite"])
async def queue(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[JobQueue]:
    if request.param == "memory":
        yield MemoryQueue()
        return
    database = Database(tmp_path / "server.sqlite", "server")
    yield SqliteQueue(database)
    database.close()


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


async def test_a_job_is_moved_before_and_after_others(queue: JobQueue) -> None:
    await added(queue, *"abcde")
    assert await queue.move("e", before="a")
    assert await queue.move("a", after="d")
    assert await queue.move("b", after="e")
    assert ids(queue.waiting()) == ["e", "b", "c", "d", "a"]
    await added(queue, "f")
    assert ids(queue.waiting())[-1] == "f"
    for move in ({"before": "nobody"}, {"after": "c"}, {"before": "c", "after": None}):
        assert not await queue.move("nobody" if move.get("after") == "c" else "c", **move)


async def test_a_moved_job_takes_the_priority_of_its_neighbour(queue: JobQueue) -> None:
    await added(queue, *"abc")
    assert await queue.prioritise("a", 5)
    assert await queue.move("c", before="a")
    assert await queue.move("a", after="b")
    assert [(place.id, place.priority) for place in queue.places(State.WAITING)] == [("c", 5), ("b", 0), ("a", 0)]


async def test_there_is_always_room_between_two_jobs(queue: JobQueue) -> None:
    await added(queue, *"abcd")
    for _ in range(60):  # more halvings than a float has
        assert await queue.move("d", before="b")
        assert await queue.move("c", before="d")
        assert ids(queue.waiting()) == ["a", "c", "d", "b"]
        assert await queue.move("d", before="c")
        assert ids(queue.waiting()) == ["a", "d", "c", "b"]
    await queue.add(job("e"), number=2.0)
    await queue.add(job("f"), number=2.0)
    where = ids(queue.waiting()).index("f")
    assert await queue.move("a", before="f")
    assert ids(queue.waiting())[where - 1 : where + 1] == ["a", "f"]


async def test_jobs_are_listed_by_page_and_by_owner(queue: JobQueue) -> None:
    for number in range(10):
        await queue.add(NewJob(str(number), {}, (), owner="ann" if number % 2 else ""))
    assert ids(queue.jobs(State.WAITING, None, 2, 3)) == ["2", "3", "4"]
    assert ids(queue.jobs(State.WAITING, "ann", 1, 2)) == ["3", "5"]
    assert ids(queue.jobs(State.WAITING, "", 1, 2)) == ["2", "4"]
    assert ids(queue.jobs(State.WAITING, "bob")) == []
    assert ids(queue.jobs(State.WAITING, None, 99, 3)) == []
    await queue.take()
    await queue.pause("1")
    assert [queue.count(State.WAITING, owner) for owner in (None, "ann", "", "bob")] == [8, 4, 4, 0]
    assert [queue.count(State.RUNNING), queue.count(State.PAUSED, "ann"), queue.count(State.PAUSED, "")] == [1, 1, 0]
    found = queue.find("1")
    assert found is not None and (found.owner, queue.state("1"), queue.state("0"), queue.state("x")) == (
        "ann",
        State.PAUSED,
        State.RUNNING,
        None,
    )


async def test_a_held_queue_gives_nothing_away(queue: JobQueue) -> None:
    await queue.hold()
    await added(queue, "a")
    waiting = asyncio.ensure_future(queue.take())
    await asyncio.sleep(0.02)
    assert (waiting.done(), queue.held, queue.next()) == (False, True, None)
    await queue.let_go()
    assert (await waiting).id == "a"


async def test_a_running_job_is_put_back_or_paused(queue: JobQueue) -> None:
    await added(queue, "a", "b")
    await queue.take()
    assert await queue.put_back("a")
    assert ids(queue.waiting()) == ["a", "b"]
    await queue.take()
    assert await queue.put_back("a", paused=True)
    assert (ids(queue.waiting()), ids(queue.paused())) == (["b"], ["a"])
    assert not await queue.put_back("a")
    assert not await queue.pause("a")
    assert await queue.resume("a")
    assert ids(queue.waiting()) == ["a", "b"]


async def test_marked_jobs_are_found_in_any_state(queue: JobQueue) -> None:
    for name in "abc":
        await queue.add(NewJob(name, {}, (), marked=name != "b"))
    await queue.take()
    assert sorted(ids(queue.marked())) == ["a", "c"]


async def test_a_certain_job_is_taken(queue: JobQueue) -> None:
    for name in "abc":
        await queue.add(job(name))
    assert (await queue.take("b")).id == "b"
    assert [place.id for place in queue.places(State.RUNNING)] == ["b"]
    assert [place.id for place in queue.places(State.WAITING)] == ["a", "c"]
    for gone in ("b", "d"):
        with pytest.raises(LookupError):
            await queue.take(gone)
    assert (await queue.take()).id == "a"


async def test_owners_of_waiting_jobs_are_known(queue: JobQueue) -> None:
    assert queue.owners() == ()
    for name, owner in (("a", "eve"), ("b", ""), ("c", "bob"), ("d", "eve")):
        await queue.add(replace(job(name), owner=owner))
    assert sorted(queue.owners()) == ["", "bob", "eve"]
    await queue.take("b")
    await queue.delete(["c"])
    assert queue.owners() == ("eve",)
