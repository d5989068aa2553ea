"""Running what is queued, and telling it: the consumer, the event bus, the history.

In short::

    bus = Bus(size=16384)
    bus.publish([Notice(body, run=run_id, client=client_id), ...])   # body: an engine Event, Said, JobTaken, ...
    subscription = bus.subscribe(since=None)     # None: from now on; N: everything kept with a sequence above N
    bus.subscribe(client=...), bus.subscribe(run=...)  # only what is for one client, or happens in one run
    async for batch in subscription: ...         # tuples of Message(sequence, body, run, client, time)
    subscription.missed                          # how many messages were gone before this reader took them
    subscription.close()

    history = MemoryHistory(limit=10_000) or SqliteHistory(database, limit=10_000, days=0)
    history.get(run_id, owner=None), history.entries(limit=None, offset=None, owner=None), history.count(owner=None)
    await history.record(Entry), await history.delete(run_id, owner=None), await history.clear(owner=None)
    Entry(id, number, prompt, targets, extra, client, status, outputs, shown_on, notes, started, finished, owner)

    consumer = Consumer(queue, engine, prepare, history, bus, concurrency=1)
    prepare: async (Job) -> RunRequest; may raise InvalidGraph
    task = asyncio.create_task(consumer.serve())
    await consumer.interrupt(run_id=None)        # one run, or whatever runs
    consumer.running                             # ids of the runs in progress

The bus never blocks: every reader has a place in one ring, so one that stalls misses messages and knows how many. With
`Bus(log=EventLog(database))` it reads on in the log instead, and numbers go on over restarts.
"""

from .adoption import adopt_history
from .bus import Bus
from .consumer import Consumer
from .entry import Entry, Note
from .eventlog import EventLog
from .history import History, MemoryHistory
from .message import JobTaken, Message, Notice, QueueChanged
from .sqlite import SqliteHistory
from .subscription import Subscription

__all__ = [
    "Bus",
    "Consumer",
    "Entry",
    "EventLog",
    "History",
    "JobTaken",
    "MemoryHistory",
    "Message",
    "Note",
    "Notice",
    "QueueChanged",
    "SqliteHistory",
    "Subscription",
    "adopt_history",
]
