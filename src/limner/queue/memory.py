"""Jobs that live as long as the process."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Sequence

from .job import Job, NewJob
from .order import Order


class MemoryQueue:
    """`JobQueue` without a file. Also the base of the durable one, which writes each change before it is made."""

    def __init__(self) -> None:
        self._order = Order()
        self._next = 0.0
        self._more = asyncio.Event()
        self._changing = asyncio.Lock()
        self._watchers: dict[int, Callable[[], None]] = {}
        self._watched = 0

    async def add(self, new: NewJob, *, front: bool = False, number: float | None = None) -> Job:
        async with self._changing:
            if new.id in self._order:
                raise ValueError(f"a job {new.id} is in the queue already")
            if number is None:
                number = -self._next if front else self._next
                self._next += 1
            job = Job(
                new.id,
                number,
                new.prompt,
                new.targets,
                new.extra,
                new.client,
                time.time(),
                attachment=new.attachment,
                priority=new.priority,
            )
            await self._write_added(job)
            self._order.push(job)
            self._more.set()
        self._changed()
        return job

    async def take(self) -> Job:
        while True:
            async with self._changing:
                job = self._order.first()
                if job is not None:
                    job = job.taken()
                    await self._write_taken(job)
                    self._order.start(job)
                    break
                self._more.clear()
            await self._more.wait()
        self._changed()
        return job

    async def done(self, job: str) -> None:
        async with self._changing:
            if self._order.finish(job):
                await self._write_removed([job])
        self._changed()

    async def put_back(self, job: str) -> bool:
        async with self._changing:
            found = self._order.put_back(job)
            self._more.set()
        self._changed()
        return found

    async def pause(self, job: str) -> bool:
        async with self._changing:
            found = self._order.pause(job)
            if found:
                await self._write_paused(job, True)
        self._changed()
        return found

    async def resume(self, job: str) -> bool:
        async with self._changing:
            found = self._order.resume(job)
            if found:
                await self._write_paused(job, False)
            self._more.set()
        self._changed()
        return found

    async def delete(self, jobs: Sequence[str]) -> Sequence[str]:
        async with self._changing:
            removed = [job for job in jobs if self._order.remove(job)]
            await self._write_removed(removed)
        if removed:
            self._changed()
        return removed

    async def clear(self) -> Sequence[str]:
        return await self.delete([job.id for job in self._order.waiting()])

    def running(self) -> tuple[Job, ...]:
        return self._order.running()

    def waiting(self) -> tuple[Job, ...]:
        return self._order.waiting()

    def next(self) -> Job | None:
        return self._order.first()

    def paused(self) -> tuple[Job, ...]:
        return self._order.paused()

    def __len__(self) -> int:
        return len(self._order)

    def watch(self, changed: Callable[[], None]) -> Callable[[], None]:
        self._watched += 1
        key = self._watched
        self._watchers[key] = changed

        def stop() -> None:
            self._watchers.pop(key, None)

        return stop

    async def close(self) -> None:
        self._watchers.clear()

    def _changed(self) -> None:
        for changed in list(self._watchers.values()):
            changed()

    async def _write_added(self, job: Job) -> None:
        """Called before the job is accepted."""

    async def _write_taken(self, job: Job) -> None:
        """Called before the job is handed out."""

    async def _write_paused(self, job: str, paused: bool) -> None:
        """Called as a job is paused or resumed."""

    async def _write_removed(self, jobs: Sequence[str]) -> None:
        """Called as the jobs leave the queue."""
