"""Waiting, running and paused jobs in memory: the order of both queues.

A heap of (-priority, number, arrival); removed jobs are left in it and passed over, so that adding and removing cost
O(log n).
"""

from __future__ import annotations

from heapq import heappop, heappush

from .job import Job


class Order:
    """Who is next."""

    def __init__(self) -> None:
        self._heap: list[tuple[int, float, int, str]] = []
        self._waiting: dict[str, tuple[int, Job]] = {}
        self._running: dict[str, Job] = {}
        self._paused: dict[str, Job] = {}
        self._arrivals = 0

    def __len__(self) -> int:
        return len(self._waiting) + len(self._running)

    def __contains__(self, job: str) -> bool:
        return job in self._waiting or job in self._running or job in self._paused

    def push(self, job: Job) -> None:
        self._arrivals += 1
        self._waiting[job.id] = (self._arrivals, job)
        heappush(self._heap, (-job.priority, job.number, self._arrivals, job.id))

    def first(self) -> Job | None:
        """The job that would run next."""
        while self._heap:
            _, _, arrival, job = self._heap[0]
            found = self._waiting.get(job)
            if found is not None and found[0] == arrival:
                return found[1]
            heappop(self._heap)
        return None

    def start(self, job: Job) -> None:
        """The waiting job runs, as this record of it says."""
        del self._waiting[job.id]
        self._running[job.id] = job

    def finish(self, job: str) -> bool:
        """Whether the job was running."""
        return self._running.pop(job, None) is not None

    def put_back(self, job: str) -> bool:
        """The running job waits again, in its place; whether it was running."""
        found = self._running.pop(job, None)
        if found is not None:
            self.push(found)
        return found is not None

    def pause(self, job: str) -> bool:
        """The job, which runs or waits, does not any more; whether there was one."""
        found = self._running.pop(job, None) or self._waiting.pop(job, (0, None))[1]
        if found is not None:
            self._paused[job] = found
        return found is not None

    def resume(self, job: str) -> bool:
        """The paused job waits, in its place; whether it was paused."""
        found = self._paused.pop(job, None)
        if found is not None:
            self.push(found)
        return found is not None

    def remove(self, job: str) -> bool:
        """Whether the job was waiting or paused."""
        return self._waiting.pop(job, None) is not None or self._paused.pop(job, None) is not None

    def paused(self) -> tuple[Job, ...]:
        return tuple(self._paused.values())

    def running(self) -> tuple[Job, ...]:
        return tuple(self._running.values())

    def waiting(self) -> tuple[Job, ...]:
        ordered = sorted(self._waiting.values(), key=lambda item: (-item[1].priority, item[1].number, item[0]))
        return tuple(job for _, job in ordered)
