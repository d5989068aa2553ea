"""The bus: order, replay, readers that stall."""

from __future__ import annotations

import asyncio

import pytest

from limner.engine.events import StepPreview
from limner.runs import Bus, Message, Notice, Subscription
from limner.runs.subscription import MOST_WAITING


def publish(bus: Bus, *bodies: object) -> None:
    bus.publish([Notice(body) for body in bodies])


def bodies(batch: tuple[Message, ...]) -> list[object]:
    return [message.body for message in batch]


async def collect(subscription: Subscription, count: int) -> list[object]:
    found: list[object] = []
    async for batch in subscription:
        found.extend(bodies(batch))
        if len(found) >= count:
            return found
    return found


async def test_every_reader_gets_every_message_in_order() -> None:
    bus = Bus()
    readers = [bus.subscribe() for _ in range(3)]
    publish(bus, "a", "b")
    publish(bus, "c")
    for reader in readers:
        assert await collect(reader, 3) == ["a", "b", "c"]
        assert reader.cursor == 3


async def test_a_waiting_reader_is_woken() -> None:
    bus = Bus()
    reading = asyncio.ensure_future(collect(bus.subscribe(), 1))
    await asyncio.sleep(0)
    publish(bus, "a")
    assert await reading == ["a"]


async def test_a_reader_may_begin_in_the_past() -> None:
    bus = Bus()
    publish(bus, *"abcd")
    assert bodies(bus.subscribe(since=2).take()) == ["c", "d"]
    assert bodies(bus.subscribe(since=0).take()) == ["a", "b", "c", "d"]
    assert bus.subscribe().take() == ()
    later = bus.subscribe(since=99)
    publish(bus, "e")
    assert bodies(later.take()) == ["e"]


async def test_a_stalled_reader_blocks_nobody_and_knows_what_it_missed() -> None:
    bus = Bus(size=4)
    slow = bus.subscribe()
    publish(bus, *range(10))
    assert bodies(slow.take()) == [6, 7, 8, 9]
    assert slow.missed == 6
    publish(bus, 10)
    assert bodies(slow.take()) == [10]
    assert slow.missed == 6


async def test_batches_are_bounded() -> None:
    bus = Bus()
    reader = bus.subscribe()
    publish(bus, *range(10))
    assert bodies(reader.take(limit=3)) == [0, 1, 2]
    assert await collect(reader, 7) == [3, 4, 5, 6, 7, 8, 9]


async def test_only_the_latest_pictures_are_kept() -> None:
    bus = Bus(pictures=1)
    pictures = [StepPreview("r", number, "n", "n", b"", "image/png") for number in range(3)]
    publish(bus, "a", *pictures, "b")
    assert bodies(bus.subscribe(since=0).take()) == ["a", pictures[2], "b"]


async def test_closing_ends_the_iteration() -> None:
    bus = Bus()
    subscription = bus.subscribe()
    reading = asyncio.ensure_future(collect(subscription, 1))
    await asyncio.sleep(0)
    subscription.close()
    assert await reading == []


async def test_messages_say_whose_they_are() -> None:
    bus = Bus()
    bus.publish([Notice("a", run="r", client="c")])
    [message] = bus
    assert (message.sequence, message.run, message.client) == (1, "r", "c")
    assert message.time > 0


async def test_a_reader_of_one_client_hears_what_is_for_it_and_for_everyone() -> None:
    bus = Bus()
    reader = bus.subscribe(client="me")
    bus.publish([Notice("all"), Notice("mine", run="r", client="me"), Notice("others", run="s", client="you")])
    bus.publish([Notice("nobody's", run="t"), Notice("to me", client="me"), Notice("to you", client="you")])
    assert bodies(reader.take()) == ["all", "mine", "to me"]
    assert reader.cursor == bus.last


async def test_a_reader_of_one_run_hears_of_nothing_else_and_is_not_woken_by_it() -> None:
    bus = Bus()
    reading = asyncio.ensure_future(collect(bus.subscribe(run="r"), 2))
    bus.tell(["a"], "r", "me")
    await asyncio.sleep(0)
    bus.publish([Notice("all"), Notice("other", run="s")])
    await asyncio.sleep(0)
    assert not reading.done()
    bus.tell(["b"], "r", None)
    assert await reading == ["a", "b"]


async def test_a_reader_of_one_client_may_begin_in_the_past_and_goes_on() -> None:
    bus = Bus()
    bus.publish([Notice(number, run="r", client="me" if number % 2 else "you") for number in range(6)])
    reader = bus.subscribe(since=1, client="me")
    assert bodies(reader.take(limit=3)) == [1, 3]
    assert bodies(reader.take()) == [5]
    bus.publish([Notice("next", run="r", client="me")])
    assert bodies(reader.take()) == ["next"]
    assert reader.take() == ()


@pytest.mark.parametrize("count", [MOST_WAITING, 3 * MOST_WAITING])
async def test_a_reader_of_one_client_that_stalls_misses_nothing_that_the_ring_holds(count: int) -> None:
    bus = Bus()
    reader = bus.subscribe(client="me")
    for number in range(count):
        bus.publish([Notice(number, client="me"), Notice("other", run="s", client="you")])
    assert await collect(reader, count) == list(range(count))
    assert reader.missed == 0
    assert reader.take() == ()
    bus.publish([Notice("next", client="me")])
    assert bodies(reader.take()) == ["next"]


async def test_a_reader_of_one_client_that_the_ring_has_passed_knows_what_it_missed() -> None:
    bus = Bus(size=4)
    reader = bus.subscribe(client="me")
    bus.publish([Notice(number, client="me") for number in range(10)])
    assert bodies(reader.take()) == [6, 7, 8, 9]
    assert reader.missed == 6


async def test_pictures_that_are_stale_are_left_out_for_a_reader_of_one_client() -> None:
    bus = Bus(pictures=1)
    reader = bus.subscribe(client="me")
    pictures = [StepPreview("r", number, "n", "n", b"", "image/png") for number in range(3)]
    bus.tell(["a", *pictures, "b"], "r", "me")
    assert bodies(reader.take()) == ["a", pictures[2], "b"]


async def test_readers_are_counted_while_they_are_open() -> None:
    bus = Bus()
    readers = [bus.subscribe(), bus.subscribe(client="me"), bus.subscribe(client="me"), bus.subscribe(run="r")]
    assert bus.readers == 3
    for reader in readers:
        reader.close()
    assert bus.readers == 0
    bus.publish([Notice("a", run="r", client="me")])


async def test_the_backlog_is_that_of_the_slowest_reader() -> None:
    bus = Bus()
    assert bus.backlog == 0
    slow, quick, own = bus.subscribe(), bus.subscribe(), bus.subscribe(run="r")
    publish(bus, "a", "b", "c")
    bus.tell(["d"], "r", None)
    quick.take()
    assert (slow.behind, quick.behind, own.behind, bus.backlog) == (4, 0, 1, 4)
    slow.take()
    assert bus.backlog == 1
    own.take()
    assert bus.backlog == 0
