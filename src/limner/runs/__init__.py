"""Running what is queued, and telling it: the consumer, the event bus, the history.

In short::

    bus = Bus(size=16384)
    bus.publish([Notice(body, run=run_id, client=client_id), ...])   # body: an engine Event, Said, QueueChanged, ...
    subscription = bus.subscribe(since=None)     # None: from now on; N: everything kept with a sequence above N
    async for batch in subscription: ...         # tuples of Message(sequence, body, run, client, time)
    subscription.missed                          # how many messages were gone before this reader took them
    subscription.close()

    history = MemoryHistory(limit=10_000) or SqliteHistory(path, limit=10_000)
    history.record(Entry), history.get(run_id), history.entries(limit=None, offset=None), history.delete(run_id),
    history.clear()
    Entry(id, number, prompt, targets, extra, client, status, outputs, shown_on, notes, started, finished)

    consumer = Consumer(queue, engine, prepare, history, bus, concurrency=1)
    prepare: async (Job) -> RunRequest; may raise InvalidGraph
    task = asyncio.create_task(consumer.serve())
    await consumer.interrupt(run_id=None)        # one run, or whatever runs
    consumer.running                             # ids of the runs in progress

The bus never blocks: every reader has a cursor in one ring, so one that stalls misses messages and knows how many.
"""

from .bus import Bus, Message, Notice, QueueChanged, Subscription
from .consumer import Consumer
from .entry import Entry, Note
from .history import History, MemoryHistory, SqliteHistory

__all__ = [
    "Bus",
    "Consumer",
    "Entry",
    "History",
    "MemoryHistory",
    "Message",
    "Note",
    "Notice",
    "QueueChanged",
    "SqliteHistory",
    "Subscription",
]
