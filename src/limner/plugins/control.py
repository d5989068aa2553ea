"""The host's end of the protocol: messages in, calls of the host core, answers out. One event loop, no blocking."""

from __future__ import annotations

import asyncio
import signal
import threading
from collections import Counter
from collections.abc import Coroutine, Sequence
from pathlib import Path
from typing import Any

from limner.engine.ports import Report, Said

from . import crossing
from . import protocol as p
from .codec import encode, read_inquiries, read_segment, wire_reports
from .errors import UnknownTopic
from .host import HostCore
from .shared import SharedPool
from .transport import Connection
from .values import LostValue

JOLT_AFTER = 1.0
"""Seconds that an interrupted node is given to look up before the thread that it blocks is sent a signal."""


class Control:
    """Takes the server's messages; those that come before `begin` wait for it."""

    def __init__(self, connection: Connection, shared: Path | None = None) -> None:
        """`shared`: the folder of the shared memory, if there is one."""
        self._connection = connection
        self._folder = shared
        self._pool = SharedPool(shared) if shared is not None else None
        self.core: HostCore | None = None
        self._waiting: list[p.ToHost] = []
        self._tasks: set[asyncio.Task[None]] = set()
        self._segments: Counter[str] = Counter()

    def begin(self, core: HostCore) -> None:
        """The library is there: say what it holds, and answer what was asked meanwhile."""
        loop = asyncio.get_running_loop()

        def listen(said: Said) -> None:
            loop.call_soon_threadsafe(self._say, said)

        core.listener = listen

        def changed() -> None:
            loop.call_soon_threadsafe(self._tell_library, core)

        core.changed = changed
        self.core = core
        self._tell_library(core)
        waiting, self._waiting = self._waiting, []
        for message in waiting:
            self.take(message)

    def take(self, message: p.ToHost) -> None:
        core = self.core
        if core is None:
            self._waiting.append(message)
        elif isinstance(message, p.Run):
            self._start(message.id, self._run(core, message))
        elif isinstance(message, p.Inquire):
            self._start(message.id, self._inquire(core, message))
        elif isinstance(message, p.Interrupt):
            core.interrupt(message.run)
            asyncio.get_running_loop().call_later(JOLT_AFTER, self._jolt, message.run)
        elif isinstance(message, p.Release):
            core.release(message.fingerprints)
        elif isinstance(message, p.Finish):
            core.finish(message.run, keep=message.keep)
        elif isinstance(message, p.Ask):
            self._start(message.id, self._ask(core, message))
        elif isinstance(message, p.Fetch):
            self._start(message.id, self._fetch(core, message))
        elif isinstance(message, p.Store):
            self._start(message.id, self._store(core, message))
        elif isinstance(message, p.Arrived) and self._pool is not None:
            self._pool.ended(message.slabs)

    async def _run(self, core: HostCore, message: p.Run) -> None:
        def report(batch: Sequence[Report]) -> None:
            self._send(p.Reports(message.id, wire_reports(batch)))

        self._segments[message.run] += 1
        try:
            await core.run(read_segment(message), report)
        finally:
            self._segments[message.run] -= 1
            if not self._segments[message.run]:
                del self._segments[message.run]
        self._send(p.Done(message.id))

    async def _inquire(self, core: HostCore, message: p.Inquire) -> None:
        answers = await core.inquire(message.run, read_inquiries(message.inquiries))
        self._send(p.Answers(message.id, answers))

    async def _ask(self, core: HostCore, message: p.Ask) -> None:
        self._send(p.Told(message.id, await core.ask(message.topic, message.data)))

    async def _fetch(self, core: HostCore, message: p.Fetch) -> None:
        items = core.items(message.fingerprint, message.output)
        pool = self._pool if message.shared else None
        parcel = await asyncio.get_running_loop().run_in_executor(None, crossing.pack, items, pool)
        self._send(p.Fetched(message.id, parcel))

    async def _store(self, core: HostCore, message: p.Store) -> None:
        def unpack() -> dict[int, list[object]]:
            return {number: crossing.unpack(parcel, self._folder) for number, parcel in message.outputs.items()}

        core.values.add(message.fingerprint, await asyncio.get_running_loop().run_in_executor(None, unpack))
        self._send(p.Told(message.id))

    def _start(self, number: int, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.get_running_loop().create_task(self._answered(number, work))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _answered(self, number: int, work: Coroutine[Any, Any, None]) -> None:
        """Whatever goes wrong, the request is answered."""
        try:
            await work
        except LostValue as error:
            self._send(p.Refused(number, "lost", str(error)))
        except UnknownTopic as error:
            self._send(p.Refused(number, "unknown", str(error)))
        except Exception as error:
            self._send(p.Refused(number, type(error).__name__, str(error)))

    def _tell_library(self, core: HostCore) -> None:
        problems = [(problem.source, problem.message) for problem in core.library.problems]
        self._send(p.Ready(core.schemas(), problems))

    def _say(self, said: Said) -> None:
        self._send(p.Message(said.event, said.data, said.client))

    def _send(self, message: p.FromHost) -> None:
        try:
            self._connection.send(encode(message))
        except ConnectionError:
            return  # the server is gone; the end of the connection ends this process

    def _jolt(self, run: str) -> None:
        """The run is still busy: get the main thread out of what it waits for, and look again."""
        if run not in self._segments or not hasattr(signal, "SIGUSR1"):
            return
        signal.pthread_kill(threading.main_thread().ident or 0, signal.SIGUSR1)
        asyncio.get_running_loop().call_later(JOLT_AFTER, self._jolt, run)
