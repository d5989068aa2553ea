"""The host's end of the protocol over an executor: frames in, calls of it, frames out."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Sequence
from typing import Any

from limner.engine.ports import Ended, HostLost, HostUnavailable, Report, Said, ValuesLost
from limner.engine.values import Values
from limner.plugins import protocol as p
from limner.plugins.client import Loaded
from limner.plugins.codec import decode_to_host, encode, read_inquiries, read_segment, wire_reports
from limner.plugins.errors import HostRefused, UnknownTopic

from ..exchange import Host


class Relay:
    """One session. `emit` sends a frame; `lost` is called when the hosts have died (reason)."""

    def __init__(self, host: Host, emit: Callable[[bytes], None], lost: Callable[[str], None]) -> None:
        self._host, self._emit, self._lost = host, emit, lost
        self._tasks: set[asyncio.Task[None]] = set()
        self._runs: set[str] = set()
        self.held: dict[str, p.WireValues] = {}
        """What steps gave, until it is released."""

    @property
    def busy(self) -> bool:
        """Whether there are runs that have not ended."""
        return bool(self._runs)

    def begin(self, loaded: Loaded) -> None:
        """Say what the hosts have."""
        self._send(p.Ready(list(loaded.schemas), list(loaded.problems)))

    def say(self, said: Said) -> None:
        self._send(p.Message(said.event, said.data, said.client))

    def take(self, frame: bytes) -> None:
        """Raises msgspec.MsgspecError for a frame that is no message."""
        message = decode_to_host(frame)
        if isinstance(message, p.Run):
            self._runs.add(message.run)
            self._start(message.id, self._run(message))
        elif isinstance(message, p.Inquire):
            self._start(message.id, self._inquire(message))
        elif isinstance(message, p.Ask):
            self._start(message.id, self._ask(message))
        elif isinstance(message, p.Interrupt):
            self._start(0, self._host.interrupt(message.run))
        elif isinstance(message, p.Release):
            for fingerprint in message.fingerprints:
                self.held.pop(fingerprint, None)
            self._start(0, self._host.release(message.fingerprints))
        elif isinstance(message, p.Finish):
            self._runs.discard(message.run)
            self._start(0, self._host.finish(message.run, keep=message.keep))

    async def end(self) -> None:
        """The session is over: what it had under way is interrupted."""
        for run in list(self._runs):
            await self._host.interrupt(run)
            await self._host.finish(run, keep=True)
        for task in list(self._tasks):
            task.cancel()

    async def _run(self, message: p.Run) -> None:
        segment = read_segment(message)
        fingerprints = {task.node: task.fingerprint for task in segment.tasks}

        def report(batch: Sequence[Report]) -> None:
            wired = wire_reports(batch)
            for item, wire in zip(batch, wired, strict=True):
                if type(item) is Ended and isinstance(item.result, Values) and isinstance(wire, p.WireValues):
                    self.held[fingerprints[item.node]] = wire
            self._send(p.Reports(message.id, wired))

        await self._host.run(segment, report)
        self._send(p.Done(message.id))

    async def _inquire(self, message: p.Inquire) -> None:
        answers = await self._host.inquire(message.run, read_inquiries(message.inquiries))
        self._send(p.Answers(message.id, list(answers)))

    async def _ask(self, message: p.Ask) -> None:
        self._send(p.Told(message.id, await self._host.ask(message.topic, message.data)))

    def _start(self, number: int, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.get_running_loop().create_task(self._answered(number, work))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _answered(self, number: int, work: Coroutine[Any, Any, None]) -> None:
        """Whatever goes wrong, the request is answered; when a host has died, that ends the session."""
        try:
            await work
        except ValuesLost as loss:
            self._refuse(number, "lost", loss.reason)
        except HostLost as loss:
            self._lost(loss.reason)
        except UnknownTopic as error:
            self._refuse(number, "unknown", str(error))
        except HostRefused as error:
            self._refuse(number, error.kind, str(error))
        except HostUnavailable as error:
            self._refuse(number, "HostUnavailable", f"{error}. {error.remedy}")
        except Exception as error:
            self._refuse(number, type(error).__name__, str(error))

    def _refuse(self, number: int, kind: str, message: str) -> None:
        if number:
            self._send(p.Refused(number, kind, message))

    def _send(self, message: p.FromHost) -> None:
        self._emit(encode(message))
