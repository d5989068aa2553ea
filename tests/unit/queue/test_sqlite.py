"""What the durable queue keeps, and what it says when it cannot."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from limner.database import Database, DatabaseDamaged, DatabaseProblem, DatabaseReadOnly
from limner.queue import NewJob, SqliteQueue, State

PROMPT = {"1": {"class_type": "A", "inputs": {"text": "snow ☃", "seed": 2**70}}}
Open = Callable[[], Database]


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Open]:
    """Opens the database; the one before is closed first."""
    opened: list[Database] = []

    def again() -> Database:
        while opened:
            opened.pop().close()
        opened.append(Database(tmp_path / "deep" / "server.sqlite", "server"))
        return opened[0]

    yield again
    while opened:
        opened.pop().close()


def refuse_writes(database: Database) -> None:
    database._writer.submit(lambda file: file.execute("PRAGMA query_only = ON")).result()


def allow_writes(database: Database) -> None:
    database._writer._file.execute("PRAGMA query_only = OFF")


async def test_a_reopened_queue_goes_on_where_it_was(database: Open) -> None:
    queue = SqliteQueue(database())
    for name in "abcd":
        await queue.add(
            NewJob(name, PROMPT, ("1",), {"extra_pnginfo": {"x": 1}}, "me", owner="ann", marked=name == "c"),
            front=name == "d",
        )
    await queue.take()
    await queue.take()
    await queue.done("a")
    await queue.delete(["b"])

    again = SqliteQueue(database())
    assert [job.id for job in again.waiting()] == ["d", "c"]
    assert again.running() == ()
    assert [job.id for job in again.marked()] == ["c"]
    assert [job.lost for job in again.waiting()] == [True, False]
    first = await again.take()
    assert (first.id, first.attempts, first.lost) == ("d", 2, False), "it was running when the queue was closed"
    assert (first.prompt, first.targets, first.extra, first.client, first.owner) == (
        PROMPT,
        ("1",),
        {"extra_pnginfo": {"x": 1}},
        "me",
        "ann",
    )
    assert (await again.add(NewJob("e", {}, ()))).number == 4


async def test_places_priorities_and_pauses_survive(database: Open) -> None:
    queue = SqliteQueue(database())
    for name in "abcdef":
        await queue.add(NewJob(name, {}, ()))
    await queue.pause("b")
    await queue.prioritise("f", 5)
    assert await queue.move("e", before="a")
    assert await queue.move("c", after="e")
    await queue.hold()
    order = [place.id for place in queue.places(State.WAITING)]
    assert order == ["f", "e", "c", "a", "d"]

    again = SqliteQueue(database())
    assert [place.id for place in again.places(State.WAITING)] == order
    assert [place.id for place in again.places(State.PAUSED)] == ["b"]
    assert again.held and again.next() is None
    await again.let_go()
    assert (await again.take()).id == "f"
    assert not SqliteQueue(database()).held


async def test_accepted_jobs_survive_a_killed_process(database: Open, tmp_path: Path) -> None:
    path = tmp_path / "deep" / "server.sqlite"
    script = f"""
import asyncio
from pathlib import Path
from limner.database import Database
from limner.queue import NewJob, SqliteQueue

async def main():
    queue = SqliteQueue(Database(Path({str(path)!r}), "server"))
    await asyncio.gather(*(queue.add(NewJob(str(number), {{}}, ())) for number in range(50)))
    await queue.take()
    print("ready", flush=True)
    await asyncio.sleep(60)

asyncio.run(main())
"""
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    process = subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE, env=environment)
    assert process.stdout is not None
    with process.stdout:
        assert process.stdout.readline() == b"ready\n"
        process.send_signal(signal.SIGKILL)
        process.wait()
    queue = SqliteQueue(database())
    assert [job.id for job in queue.waiting()] == [str(number) for number in range(50)]


async def test_a_job_that_cannot_be_written_is_not_accepted(database: Open) -> None:
    opened = database()
    queue = SqliteQueue(opened)
    await queue.add(NewJob("a", {}, ()))
    refuse_writes(opened)
    with pytest.raises(DatabaseReadOnly, match="cannot be written"):
        await queue.add(NewJob("b", {}, ()))
    assert [job.id for job in queue.waiting()] == ["a"]
    assert (await queue.take()).id == "a", "what was accepted runs on"
    await queue.done("a")
    assert len(queue) == 0


async def test_a_change_that_cannot_be_written_is_not_made(database: Open) -> None:
    opened = database()
    queue = SqliteQueue(opened)
    for name in "abc":
        await queue.add(NewJob(name, {}, ()))
    await queue.pause("c")
    refuse_writes(opened)
    for change in (
        lambda: queue.delete(["a", "c"]),
        queue.clear,
        lambda: queue.pause("a"),
        lambda: queue.resume("c"),
        lambda: queue.move("b", before="a"),
        lambda: queue.prioritise("b", 9),
        queue.hold,
    ):
        with pytest.raises(DatabaseProblem):
            await change()
    assert [place.id for place in queue.places(State.WAITING)] == ["a", "b"]
    assert [place.id for place in queue.places(State.PAUSED)] == ["c"]
    assert not queue.held
    allow_writes(opened)
    assert list(await queue.clear()) == ["a", "b"]


async def test_a_job_whose_end_is_not_written_stays_on_the_disk(database: Open) -> None:
    queue = SqliteQueue(database())
    await queue.add(NewJob("a", {}, ()))
    await queue.take()
    await queue.done("a", on_disk=False)
    assert len(queue) == 0
    assert [job.id for job in SqliteQueue(database()).waiting()] == ["a"]


async def test_work_that_cannot_be_read_harms_its_own_job_alone(database: Open) -> None:
    opened = database()
    queue = SqliteQueue(opened)
    for name in "ab":
        await queue.add(NewJob(name, PROMPT, ("1",)))
    await opened.write(lambda file: file.execute("UPDATE works SET work = '{' WHERE arrival = 1"))
    first, second = await queue.take(), await queue.take()
    assert (first.prompt, second.prompt) == ({}, PROMPT)


async def test_attachments_are_kept_for_as_many_as_memory_is_for(database: Open) -> None:
    queue = SqliteQueue(database())
    for number in range(300):
        await queue.add(NewJob(str(number), {}, (), attachment=object()))
    kept = sum([(await queue.take()).attachment is not None for _ in range(300)])
    assert kept == 256


def test_a_file_that_is_no_queue_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "server.sqlite"
    path.write_bytes(b"this is no database" * 100)
    with pytest.raises(DatabaseDamaged, match=r"cannot be opened.*limner restore"):
        Database(path, "server")
    assert path.read_bytes().startswith(b"this is no database")


async def test_a_probe_changes_nothing_and_says_when_jobs_could_not_be_written(database: Open) -> None:
    opened = database()
    queue = SqliteQueue(opened)
    await queue.add(NewJob("a", PROMPT, ("1",), {}, "me"))
    await queue.probe()
    assert len(queue) == 1
    refuse_writes(opened)
    with pytest.raises(DatabaseReadOnly):
        await queue.probe()
    allow_writes(opened)
    await queue.probe()
    assert (await queue.add(NewJob("b", PROMPT, ("1",), {}, "me"))).number == 1
