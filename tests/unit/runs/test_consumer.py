"""From the queue to the history."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field

import pytest

from limner.database import DatabaseDamaged
from limner.engine import Engine, RunRequest
from limner.engine.events import RunFinished
from limner.graph import Graph, InvalidGraph, Problem
from limner.queue import Job, JobQueue, MemoryQueue, NewJob
from limner.runs import Bus, Consumer, MemoryHistory, QueueChanged
from limner.stores import MemoryCache
from tests.support import nodes
from tests.support.fake_executor import FakeExecutor
from tests.support.graphs import graph


@dataclass
class House:
    """Everything between a queued job and its history entry."""

    executor: FakeExecutor = field(default_factory=nodes.executor)
    queue: JobQueue = field(default_factory=MemoryQueue)
    history: MemoryHistory = field(default_factory=MemoryHistory)
    bus: Bus = field(default_factory=Bus)
    prepare: Callable[[Job], RunRequest] | None = None

    def __post_init__(self) -> None:
        self.consumer = Consumer(
            self.queue, Engine(self.executor, MemoryCache()), self._prepare, self.history, self.bus
        )

    async def _prepare(self, job: Job) -> RunRequest:
        if self.prepare is not None:
            return self.prepare(job)
        assert isinstance(job.attachment, Graph)
        return RunRequest(job.id, job.attachment, job.targets, self.executor.catalog, job.extra)

    async def add(self, name: str, wanted: Graph, *targets: str) -> None:
        prompt = {node.id: {"class_type": node.type, "inputs": {}} for node in wanted.nodes.values()}
        extra = {"api_key_comfy_org": "secret", "extra_pnginfo": {}}
        await self.queue.add(NewJob(name, prompt, targets or ("s",), extra, "me", wanted))

    async def settle(self) -> None:
        """Until the queue is empty."""
        while len(self.queue):
            await asyncio.sleep(0.001)


@pytest.fixture
async def house():  # type: ignore[no-untyped-def]
    made = House()
    task = asyncio.ensure_future(made.consumer.serve())
    yield made
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


ADD = graph(a=("Add", {"a": 1, "b": 1}), s=("Sink", {"a": "a:0"}))
FAIL = graph(f=("Fail", {"a": 1}), s=("Sink", {"a": "f:0"}))
SLOW = graph(w=("Sleep", {"a": 1, "ms": 50}), x=("Add", {"a": "w:0", "b": 1}), s=("Sink", {"a": "x:0"}))


async def test_a_job_is_run_told_and_remembered(house: House) -> None:
    heard = house.bus.subscribe()
    await house.add("one", ADD)
    await house.settle()
    entry = house.history.get("one")
    assert entry is not None
    assert (entry.status, entry.outputs) == ("done", {"s": {"value": [2]}})
    assert [note.kind for note in entry.notes] == ["started", "cached", "done"]
    assert "api_key_comfy_org" not in entry.extra
    bodies = [message.body for message in heard.take()]
    assert isinstance(bodies[0], QueueChanged)
    assert [type(body).__name__ for body in bodies if not isinstance(body, QueueChanged)][:3] == [
        "JobTaken",
        "RunStarted",
        "StepsCached",
    ]
    assert isinstance(bodies[-1], QueueChanged) and bodies[-1].remaining == 0
    last = house.bus.subscribe(since=0).take()
    assert {message.run for message in last if message.run} == {"one"}
    assert {message.client for message in last if message.run} == {"me"}


async def test_whoever_hears_of_the_end_finds_the_run_in_the_history(house: House) -> None:
    heard = house.bus.subscribe()
    await house.add("one", ADD)
    async for batch in heard:
        if any(isinstance(message.body, RunFinished) for message in batch):
            break
    assert house.history.get("one") is not None


async def test_a_failed_job_is_remembered_and_the_next_one_runs(house: House) -> None:
    await house.add("bad", FAIL)
    await house.add("good", ADD)
    await house.settle()
    bad, good = house.history.get("bad"), house.history.get("good")
    assert bad is not None and good is not None
    assert (bad.status, good.status) == ("failed", "done")
    failed = bad.notes[-1]
    assert (failed.kind, failed.data["node"], failed.data["type"]) == ("failed", "f", "Fail")
    assert failed.data["failure"]["message"] == "cannot take 1"  # type: ignore[index]


async def test_interrupting_ends_the_running_job_only(house: House) -> None:
    await house.add("slow", SLOW)
    await house.add("good", ADD)
    await asyncio.sleep(0.01)
    assert house.consumer.running == ("slow",)
    assert not await house.consumer.interrupt("good")
    assert await house.consumer.interrupt()
    await house.settle()
    slow, good = house.history.get("slow"), house.history.get("good")
    assert slow is not None and good is not None
    assert (slow.status, good.status) == ("cancelled", "done")
    assert slow.notes[-1].kind == "cancelled"


async def test_a_job_whose_graph_is_refused_fails_with_the_reason(house: House) -> None:
    def refuse(job: Job) -> RunRequest:
        raise InvalidGraph([Problem("value_not_in_list", "Value not in list", "Choose another", node="7", input="x")])

    house.prepare = refuse
    await house.add("bad", ADD)
    await house.settle()
    entry = house.history.get("bad")
    assert entry is not None and entry.status == "failed"
    assert "node 7 input 'x': Value not in list" in entry.notes[-1].data["failure"]["message"]  # type: ignore[index]
    house.prepare = None
    await house.add("good", ADD)
    await house.settle()
    good = house.history.get("good")
    assert good is not None and good.status == "done"


async def test_a_job_that_cannot_be_prepared_fails_alone(house: House) -> None:
    def explode(job: Job) -> RunRequest:
        raise RuntimeError("out of ideas")

    house.prepare = explode
    await house.add("bad", ADD)
    await house.settle()
    entry = house.history.get("bad")
    assert entry is not None and entry.status == "failed"
    assert house.consumer.running == ()


async def test_a_job_in_progress_at_the_end_stays_in_the_queue() -> None:
    house = House()
    task = asyncio.ensure_future(house.consumer.serve())
    await house.add("slow", SLOW)
    await asyncio.sleep(0.01)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert [job.id for job in house.queue.running()] == ["slow"]
    assert house.history.get("slow") is None


async def test_a_blocked_step_is_noted_and_the_job_is_done(house: House) -> None:
    blocked = graph(
        b=("Block", {"a": 1, "when": True, "message": "no entry"}), s=("Sink", {"a": "b:0"}), t=("Sink", {"a": 2})
    )
    await house.add("one", blocked, "s", "t")
    await house.settle()
    entry = house.history.get("one")
    assert entry is not None
    assert (entry.status, entry.outputs) == ("done", {"t": {"value": [2]}})
    assert [note.kind for note in entry.notes] == ["started", "cached", "blocked", "done"]
    assert entry.notes[2].data["node"] == "s"


async def test_the_end_is_in_the_history_before_what_it_would_go_on_from_is_given_up(house: House) -> None:
    known: list[bool] = []
    finish = house.executor.finish

    async def watched(run: str, *, keep: bool = False) -> None:
        known.append(house.history.get(run) is not None)
        await finish(run, keep=keep)

    house.executor.finish = watched  # type: ignore[method-assign]
    await house.add("one", ADD)
    await house.add("bad", FAIL)
    await house.settle()
    assert known == [True, True]


async def test_a_queue_that_cannot_be_read_is_read_again(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("limner.runs.consumer.UNREADABLE_SECONDS", 0.001)
    load, failures = house.queue._load, iter([True, True])  # type: ignore[attr-defined]

    def failing(places: object) -> object:
        if next(failures, False):
            raise DatabaseDamaged("a page cannot be read", "Restore a backup")
        return load(places)

    house.queue._load = failing  # type: ignore[attr-defined]
    await house.add("one", ADD)
    await house.settle()
    assert house.history.get("one") is not None
