"""Whether the server can take jobs: its queue can be written, its disks have room.

Anybody may ask, so an answer is good for `GOOD_FOR` seconds, and names no path; the log has the details, once for each
change.
"""

from __future__ import annotations

import asyncio
import logging
import shutil
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

from limner.database import DatabaseProblem
from limner.queue import JobQueue

log = logging.getLogger(__name__)

GOOD_FOR = 2.0
PATIENCE = 5.0
"""Seconds in which the disk must answer."""
LEAST_FREE = 64 * 2**20
"""Bytes that each disk must have left."""


class Readiness:
    """Asked by calling it: the reasons against, none where the server is ready."""

    def __init__(self, queue: JobQueue, folders: Mapping[str, Path]) -> None:
        """`folders` are those that must have room, by name."""
        self._queue, self._folders = queue, folders
        self.latest: Sequence[str] = ()
        """What was found last."""
        self._asked = -GOOD_FOR
        self._asking: asyncio.Task[Sequence[str]] | None = None

    async def __call__(self) -> Sequence[str]:
        if time.monotonic() - self._asked >= GOOD_FOR:
            if self._asking is None or self._asking.done():
                self._asking = asyncio.create_task(self._look())
            await asyncio.shield(self._asking)
        return self.latest

    async def _look(self) -> Sequence[str]:
        found = [*await self._queue_problem(), *await self._full_disks()]
        if found != list(self.latest):
            log.warning("not ready: %s", "; ".join(found)) if found else log.info("the disks are well again")
        self.latest, self._asked = found, time.monotonic()
        return found

    async def _queue_problem(self) -> Sequence[str]:
        try:
            async with asyncio.timeout(PATIENCE):
                await self._queue.probe()
        except TimeoutError:
            return [f"The queue did not answer within {PATIENCE:.0f} s"]
        except DatabaseProblem as error:
            log.debug("the queue cannot be written: %s", error)
            return ["The queue cannot be written"]
        return []

    async def _full_disks(self) -> Sequence[str]:
        try:
            async with asyncio.timeout(PATIENCE):
                return await asyncio.to_thread(self._full)
        except TimeoutError:
            return [f"The disks did not answer within {PATIENCE:.0f} s"]

    def _full(self) -> Sequence[str]:
        found = []
        for name, folder in self._folders.items():
            try:
                free = shutil.disk_usage(folder).free
            except OSError as error:
                found.append(f"The {name} folder cannot be used: {error.strerror}")
                continue
            if free < LEAST_FREE:
                found.append(f"The disk of the {name} folder is full ({free // 2**20} MB left)")
        return found
