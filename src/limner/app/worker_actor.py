"""A worker as a Ray actor: its calls, as `limner.executors.remote.ray` makes them.

Ray makes the object in a process of its own, on the machine and with the devices that it was asked for. It needs
nothing of Ray's itself.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from limner.executors.remote.calls import Fetched, Given, Held
from limner.settings import resolve
from limner.telemetry import logs

from .worker import Worker, own_settings


class WorkerActor:
    """`flags` are settings as `limner.settings.as_flags` gives them, `environment` the variables of `limner worker`.

    All methods are called by Ray, in one loop.
    """

    def __init__(self, name: str, flags: Mapping[str, Any], environment: Mapping[str, str]) -> None:
        os.environ.update({key: value for key, value in environment.items() if not _of_ray(key)})
        self._name, self._settings = name, own_settings(resolve(flags, {}), name)
        self._lines: asyncio.Queue[str] = asyncio.Queue(maxsize=10_000)
        self._worker: Worker | None = None

    async def start(self) -> None:
        """Raises whatever keeps it from starting."""
        logs.configure(self._settings.verbose)
        logging.getLogger().addHandler(_Lines(self._lines, asyncio.get_running_loop()))
        self._worker = Worker(self._name, self._settings)
        await self._worker.start()

    @property
    def _agent(self) -> Any:
        if self._worker is None:
            raise RuntimeError("the worker has not started")
        return self._worker.agent

    async def hello(self) -> bytes:
        return msgspec.json.encode(await self._agent.hello())

    async def open(self, session: str) -> Sequence[Held] | None:
        held: Sequence[Held] | None = await self._agent.open(session)
        return held

    async def take(self, session: str, frames: Sequence[bytes]) -> None:
        await self._agent.take(session, frames)

    async def give(self, session: str, seconds: float) -> Given:
        given: Given = await self._agent.give(session, seconds)
        return given

    async def fetch(self, session: str, fingerprint: str, output: int) -> tuple[Fetched, bytes]:
        fetched: tuple[Fetched, bytes] = await self._agent.fetch(session, fingerprint, output)
        return fetched

    async def store(self, session: str, fingerprint: str, output: int, data: bytes) -> Fetched:
        stored: Fetched = await self._agent.store(session, fingerprint, output, data)
        return stored

    async def lines(self, seconds: float) -> Sequence[str]:
        """What it has logged since the last call; waits so long for the first line."""
        found = []
        with contextlib.suppress(TimeoutError):
            found.append(await asyncio.wait_for(self._lines.get(), seconds))
        while not self._lines.empty():
            found.append(self._lines.get_nowait())
        return found

    async def drain(self) -> bool:
        """Take nothing more; whether it is done with what it had."""
        self._agent.drain()
        return not self._agent.busy

    async def stop(self) -> None:
        if self._worker is not None:
            await self._worker.close()


def _of_ray(variable: str) -> bool:
    """Whether Ray sets it for this process itself: which devices it has, among others."""
    return variable.startswith("RAY_") or variable.endswith("_VISIBLE_DEVICES")


class _Lines(logging.Handler):
    """Gives lines to whoever asks for them."""

    def __init__(self, lines: asyncio.Queue[str], loop: asyncio.AbstractEventLoop) -> None:
        super().__init__()
        self._queue, self._loop = lines, loop

    def emit(self, record: logging.LogRecord) -> None:
        text = f"{record.levelname.lower()} {record.getMessage()}"
        if record.exc_info and record.exc_info[1] is not None:
            text += f": {type(record.exc_info[1]).__name__}: {record.exc_info[1]}"
        with contextlib.suppress(RuntimeError):  # the loop has ended
            self._loop.call_soon_threadsafe(self._put, text)

    def _put(self, text: str) -> None:
        with contextlib.suppress(asyncio.QueueFull):
            self._queue.put_nowait(text)
