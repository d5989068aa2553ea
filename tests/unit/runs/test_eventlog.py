"""What happened is kept: for readers that come back after a restart, and for those that are far behind."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from limner.database import Database
from limner.engine.events import (
    RunFinished,
    RunStarted,
    StepFailed,
    StepFinished,
    StepPreview,
    StepProgress,
    StepsCached,
    StepStarted,
)
from limner.engine.values import Failure
from limner.runs import Bus, EventLog, Notice, QueueChanged

EVENTS = (
    RunStarted("r", 1, ["1", "2"]),
    StepsCached("r", 2, ["3"], {"3": {"text": ["x"]}}),
    StepStarted("r", 3, "1", "1.1"),
    StepFinished("r", 4, "1", "1.1", {"images": [{"filename": "a.png", "size": 2**70}]}, 0.5),
    StepFailed("r", 5, "2", "2", "Fails", Failure("ValueError", "no", remedy="try", traceback=("a", "b"))),
    RunFinished("r", 6, "failed", {"3": {"text": ["x"]}}, Failure("ValueError", "no"), 1.5),
)


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    opened = Database(tmp_path / "server.sqlite", "server")
    yield opened
    opened.close()


async def flushed(database: Database) -> None:
    await database.write(lambda file: None)


async def test_events_come_back_as_they_were(database: Database) -> None:
    bus = Bus(log=EventLog(database))
    bus.tell(EVENTS, "r", "me")
    await flushed(database)
    later = Bus(log=EventLog(database))
    batch = later.subscribe(since=0).take()
    assert tuple(message.body for message in batch) == EVENTS
    assert [message.sequence for message in batch] == [1, 2, 3, 4, 5, 6]
    assert {(message.run, message.client) for message in batch} == {("r", "me")}


async def test_what_is_soon_stale_is_not_kept(database: Database) -> None:
    bus = Bus(log=EventLog(database))
    stale = (StepProgress("r", 1, "1", "1", 1, 2), StepPreview("r", 2, "1", "1", b"x", "image/png"))
    bus.tell((*stale, RunFinished("r", 3, "done")), "r", None)
    bus.publish([Notice(QueueChanged(1))])
    await flushed(database)
    assert database.rows("SELECT sequence, kind FROM events") == [(3, "RunFinished")]


async def test_numbers_go_on_over_restarts_and_none_comes_again(database: Database) -> None:
    bus = Bus(log=EventLog(database))
    bus.tell((RunStarted("r", 1),), "r", None)
    bus.tell([StepProgress("r", 2, "1", "1", 1, 2)] * 100, "r", None)
    told = bus.last
    await flushed(database)
    later = Bus(log=EventLog(database))
    assert later.last > told
    reader = later.subscribe(since=told)
    later.tell((RunFinished("r", 3, "done"),), "r", None)
    assert [message.body for message in reader.take()] == [RunFinished("r", 3, "done")]
    assert reader.missed == 0


async def test_a_reader_that_is_far_behind_misses_nothing_that_is_kept(database: Database) -> None:
    bus = Bus(size=8, log=EventLog(database))
    slow = bus.subscribe()
    for number in range(100):
        bus.tell((StepStarted("r", number, str(number), ""),), "r", None)
    await flushed(database)
    heard: list[str] = []
    while batch := slow.take(16):
        heard += [message.body.node for message in batch]  # type: ignore[attr-defined]
    assert heard == [str(number) for number in range(100)]
    assert slow.missed == 0


async def test_the_oldest_go_beyond_the_limit(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("limner.runs.eventlog.TRIM_EVERY", 10)
    log = EventLog(database, limit=20)
    bus = Bus(log=log)
    for number in range(100):
        bus.tell((StepStarted("r", number, str(number), ""),), "r", None)
    await flushed(database)
    ((count, latest),) = database.rows("SELECT count(*), max(sequence) FROM events")
    assert 20 <= count <= 30 and latest == 100


async def test_a_log_of_none_keeps_none(database: Database) -> None:
    Bus(log=EventLog(database, limit=0)).tell(EVENTS, "r", None)
    await flushed(database)
    assert database.rows("SELECT * FROM events") == []


async def test_what_a_later_version_wrote_is_passed_over(database: Database) -> None:
    bus = Bus(log=EventLog(database))
    bus.tell(EVENTS[:2], "r", None)
    await database.write(lambda file: file.execute("UPDATE events SET kind = 'RunRenamed' WHERE sequence = 1"))
    await database.write(lambda file: file.execute("UPDATE events SET body = '{' WHERE sequence = 2"))
    assert Bus(log=EventLog(database)).subscribe(since=0).take() == ()


async def test_a_run_is_told_from_its_beginning(database: Database) -> None:
    bus = Bus(size=8, log=EventLog(database))
    for name in ("a", "b", "c"):
        bus.tell([RunStarted(name, 1), *(StepStarted(name, n, str(n), "") for n in range(20))], name, None)
    await flushed(database)
    assert [bus.begin_of(name) for name in ("a", "b", "c", "nobody")] == [0, 21, 42, 63]
    assert bus.subscribe(since=bus.begin_of("b")).take(1)[0].body == RunStarted("b", 1, [])


def test_without_a_log_a_run_begins_where_memory_does() -> None:
    bus = Bus(size=4)
    bus.tell([RunStarted("a", 1), RunFinished("a", 2, "done"), RunStarted("b", 1)], "a", None)
    assert (bus.begin_of("a"), bus.begin_of("nobody")) == (0, 3)
