"""Takes jobs from the queue, runs them, and sees to it that everyone hears of it.

A job may be paused, and a job of a higher priority takes the place of a running one of a lower: what runs is stopped
at its next check, and goes on from there when it is taken again.

The order at the end of a run is fixed: the history, its last event, then the queue; so that a client that hears of the
end finds the run in the history. A durable history takes the job out of the queue on the disk in the same moment.

A job whose graph cannot be made, or that the engine fails on, ends as failed, and the next one is taken: nothing that a
job does stops the consumer.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Sequence

from limner.database import DatabaseProblem
from limner.engine import Engine, RunRequest
from limner.engine.events import Event, RunFinished, RunStarted
from limner.engine.values import Failure
from limner.graph import InvalidGraph
from limner.queue import Job, JobQueue, State
from limner.telemetry.context import in_run

from .bus import Bus
from .entry import Entry
from .history import History
from .message import JobTaken
from .queue_news import QueueNews
from .scribe import Scribe
from .turns import Source, Taken, Turns

log = logging.getLogger(__name__)

MOST_NOTED = 1_000
UNREADABLE_SECONDS = 2.0
"""How long is waited before a queue that could not be read is read again."""


class Consumer:
    """Runs queued jobs, `concurrency` at a time, and besides those of which only the last files are being written."""

    def __init__(
        self,
        queue: JobQueue,
        engine: Engine,
        prepare: Callable[[Job], Awaitable[RunRequest]],
        history: History,
        bus: Bus,
        *,
        concurrency: int = 1,
        free: Callable[[], Awaitable[None]] | None = None,
        source: Source | None = None,
    ) -> None:
        """`prepare` makes a job's graph; it may raise `InvalidGraph`. `free` frees a device that a job has to leave.

        `source` chooses the jobs; without it they come in the queue's order.
        """
        self._queue = queue
        self._engine = engine
        self._prepare = prepare
        self._history = history
        self._bus = bus
        self._news = QueueNews(bus, lambda: len(queue))
        self._source = source or Turns(queue, concurrency)
        self._free = free
        self._running: dict[str, asyncio.Event] = {}
        self._leaving: dict[str, bool] = {}
        """Jobs that stop for a while: whether they are paused then, or wait again."""
        self._orders: set[asyncio.Task[bool]] = set()

    @property
    def running(self) -> tuple[str, ...]:
        """The ids of the jobs in progress."""
        return tuple(self._running)

    async def serve(self) -> None:
        """Run jobs until cancelled; jobs in progress are cancelled then, and stay in a durable queue."""
        stop = self._queue.watch(self._queue_changed)
        try:
            async with asyncio.TaskGroup() as group:
                while True:
                    taken = await self._next()
                    self._running[taken.job.id] = asyncio.Event()  # at once: it does not wait in the queue any more
                    group.create_task(self._take_on(taken))
        finally:
            stop()
            self._news.close()

    async def pause(self, job: str) -> bool:
        """Keep a running or waiting job until `resume`; whether there was one."""
        return await self._stop(job, paused=True) or await self._queue.pause(job)

    async def resume(self, job: str) -> bool:
        """Let a paused job go on, when it is its turn; whether it was paused, or about to be."""
        if self._leaving.get(job):
            self._leaving[job] = False
            return True
        return await self._queue.resume(job)

    async def cancel(self, jobs: Sequence[str]) -> Sequence[str]:
        """End these jobs, whether they wait, are paused or run; the ids of those that there were.

        Those that did not run are in the history then. Of thousands at once only the first `MOST_NOTED` are, so that
        they leave room for what has run.
        """
        named = list(dict.fromkeys(jobs))
        noted = {name: job for name in named[:MOST_NOTED] if (job := self._queue.find(name)) is not None}
        removed = await self._queue.delete(named)
        await asyncio.gather(*(self._history.record(_withdrawn(noted[name])) for name in removed if name in noted))
        self.gone(removed)
        return [*removed, *[name for name in named if name not in removed and await self.interrupt(name)]]

    def gone(self, jobs: Sequence[str]) -> None:
        """Tell those that follow one of these jobs that it is taken out of the queue.

        Its client is not told: it knows, and an editor would take it for the end of what it shows.
        """
        for name in jobs:
            if self._bus.followed(name):
                self._bus.tell([_withdrawal(name)], name, None)

    async def _stop(self, job: str, *, paused: bool) -> bool:
        """Stop a running job, to go on another time; whether it was running."""
        stopping = self._running.get(job)
        if stopping is None:
            return False
        self._leaving[job] = paused
        stopping.set()
        await self._engine.interrupt(job, keep=True)
        return True

    def _preempt(self) -> None:
        """Where a job waits whose priority is higher than that of one that runs, that one has to leave."""
        running = [place for place in self._queue.places(State.RUNNING) if place.id in self._running]
        waiting = self._queue.next()
        if not running or waiting is None or self._leaving:
            return
        victim = self._source.victim(waiting, running)
        if victim is not None:
            order = asyncio.ensure_future(self._stop(victim.id, paused=False))
            self._orders.add(order)
            order.add_done_callback(self._orders.discard)

    async def interrupt(self, run: str | None = None) -> bool:
        """Stop this run, or every run in progress; whether there was one."""
        chosen = [name for name in self._running if run is None or name == run]
        for name in chosen:
            self._leaving.pop(name, None)
            self._running[name].set()
            await self._engine.interrupt(name)
        return bool(chosen)

    async def _next(self) -> Taken:
        while True:
            try:
                return await self._source.next()
            except DatabaseProblem as error:
                log.error("the queue cannot be read: %s", error)
                await asyncio.sleep(UNREADABLE_SECONDS)

    async def _take_on(self, taken: Taken) -> None:
        """Run the job, and see to its place in the queue."""
        try:
            await self._see_to(taken.job, taken.give)
        finally:
            taken.end()

    async def _see_to(self, job: Job, give_turn: Callable[[], None]) -> None:
        self._bus.tell([JobTaken(job.added, job.attempts)], job.id, job.client)
        kept = None
        try:
            with in_run(job.id):
                kept = await self._run(job, give_turn)
        finally:
            del self._running[job.id]
            paused = self._leaving.pop(job.id, False)
        if kept is None:
            await self._make_room()
            await self._queue.put_back(job.id, paused=paused)
        else:
            await self._queue.done(job.id, on_disk=kept)

    async def _make_room(self) -> None:
        """A host that cannot be asked has nothing on its device."""
        if self._free is not None:
            try:
                await self._free()
            except Exception as error:
                log.warning("the device was not freed: %s", error)

    async def _run(self, job: Job, give_turn: Callable[[], None]) -> bool | None:
        """Run the job; whether its end is kept for good, or None where it stopped to go on another time."""
        end = _End(self._history, Scribe(job))

        def sink(events: Sequence[Event]) -> None:
            self._publish(job, end.hear(events))

        async def ended() -> None:
            if not end.cancelled or job.id not in self._leaving:
                await end.note()

        try:
            request = await self._prepare(job)
            if self._running[job.id].is_set():
                sink(_stopped(job.id))
            else:
                await self._engine.run(request, sink, give_turn, ended)
        except InvalidGraph as error:
            end.refused(error, _refusal(job.id, error))
        except Exception as error:
            log.exception("job %s", job.id)
            end.hear([RunFinished(job.id, 1, "failed", failure=Failure(type(error).__name__, str(error)))])
        await ended()
        self._publish(job, end.untold)
        return end.kept

    def _publish(self, job: Job, events: Sequence[Event]) -> None:
        if events:
            self._bus.tell(events, job.id, job.client)

    def _queue_changed(self) -> None:
        self._preempt()
        self._news.changed()


class _End:
    """What is to be noted of one run: its entry in the history, once, and its last event, which is told after that."""

    def __init__(self, history: History, scribe: Scribe) -> None:
        self._history, self._scribe = history, scribe
        self._last: RunFinished | None = None
        self.kept: bool | None = None
        """Whether the entry is where the history keeps its entries; None before it was given to it."""

    @property
    def cancelled(self) -> bool:
        return self._last is not None and self._last.status == "cancelled"

    @property
    def untold(self) -> Sequence[Event]:
        return [] if self._last is None or self.kept is None else [self._last]

    def hear(self, events: Sequence[Event]) -> Sequence[Event]:
        """Returns those that are told at once."""
        self._scribe.hear(events)
        if isinstance(events[-1], RunFinished):
            self._last = events[-1]
            return events[:-1]
        return events

    def refused(self, error: InvalidGraph, last: RunFinished) -> None:
        self._scribe.refused(error)
        self._last = last

    async def note(self) -> None:
        if self.kept is None:
            self.kept = await self._history.record(self._scribe.entry())


def _stopped(run: str) -> Sequence[Event]:
    """An interruption that came before the run had begun."""
    failure = Failure("Interrupted", "The run was interrupted before it began", interrupted=True)
    return [RunStarted(run, 1), RunFinished(run, 2, "cancelled", failure=failure)]


def _withdrawal(run: str) -> RunFinished:
    failure = Failure("Interrupted", "The job was taken out of the queue", interrupted=True)
    return RunFinished(run, 1, "cancelled", failure=failure)


def _withdrawn(job: Job) -> Entry:
    """What is remembered of a job that was taken out of the queue."""
    scribe = Scribe(job)
    scribe.hear([_withdrawal(job.id)])
    return scribe.entry()


def _refusal(run: str, error: InvalidGraph) -> RunFinished:
    first = error.problems[0] if error.problems else None
    failure = Failure(
        "InvalidGraph",
        str(error),
        remedy=first.remedy if first is not None else "",
        node=first.node if first is not None else "",
    )
    return RunFinished(run, 1, "failed", failure=failure)
