"""How long the queue is: told at once, and then the less often the more there are to tell, but always at last."""

from __future__ import annotations

import asyncio

import pytest

from limner.runs import Bus, QueueChanged, queue_news
from limner.runs.queue_news import QueueNews


def told(bus: Bus) -> list[int]:
    return [message.body.remaining for message in bus if isinstance(message.body, QueueChanged)]


async def test_without_readers_every_change_is_told() -> None:
    bus, lengths = Bus(), iter(range(1, 4))
    news = QueueNews(bus, lambda: next(lengths))
    for _ in range(3):
        news.changed()
    assert told(bus) == [1, 2, 3]


async def test_for_many_readers_changes_are_told_together_and_the_last_one_surely(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(queue_news, "PAUSE", 0.01)
    bus, length = Bus(), [0]
    bus.subscribe()
    news = QueueNews(bus, lambda: length[0])
    for number in range(1, 100):
        length[0] = number
        news.changed()
    assert told(bus) == [1]
    async with asyncio.timeout(5):
        while len(told(bus)) < 2:
            await asyncio.sleep(0.001)
    assert told(bus) == [1, 99]


async def test_nothing_is_told_after_the_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(queue_news, "PAUSE", 0.001)
    bus = Bus()
    bus.subscribe()
    news = QueueNews(bus, lambda: 1)
    news.changed()
    news.changed()
    news.close()
    await asyncio.sleep(0.01)
    assert told(bus) == [1]
