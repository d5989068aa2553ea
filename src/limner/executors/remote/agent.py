"""The agent: stands in front of the host processes of its machine, for a server elsewhere.

It outlives servers. What its hosts hold when a server is gone, it tells the next one; what that had under way is
interrupted, and can go on from what the hosts have written down.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from time import monotonic

from limner.engine.ports import HostLost, Said
from limner.plugins import protocol as p
from limner.plugins.client import Loaded
from limner.plugins.codec import encode
from limner.plugins.errors import HostRefused
from limner.plugins.shared import SMALLEST, SharedPool

from ..exchange import Host
from .calls import Fetched, Given, Greeting, Held
from .relay import Relay

log = logging.getLogger(__name__)

LARGEST_READ = 2**30
"""Bytes that the system reads at a time: it stops at 2 GiB."""
UNHEARD = 30.0
"""Seconds after which a server that does not ask for frames is taken to be gone."""
MOST_FRAMES = 256
"""Frames that are given out at a time."""


class _Session:
    def __init__(self, name: str) -> None:
        self.name = name
        self.frames: list[bytes] = []
        self.wake = asyncio.Event()
        self.ended, self.blameless = "", False
        self.relay: Relay | None = None
        self.asked, self.told = monotonic(), False
        """When frames were asked for last; whether it was told that the agent drains."""

    def emit(self, frame: bytes) -> None:
        self.frames.append(frame)
        self.wake.set()

    def end(self, reason: str, *, blameless: bool) -> None:
        if not self.ended:
            self.ended, self.blameless = reason, blameless
            self.wake.set()


class Agent:
    """Answers a server. `loaded` is told by whoever starts the hosts, `lost` when they have died."""

    def __init__(self, host: Host, greet: Callable[[], Awaitable[Greeting]], memory: Path | None) -> None:
        self._host, self._greet = host, greet
        self._memory = memory
        self._pool = SharedPool(memory) if memory is not None else None
        self._session: _Session | None = None
        self._held: dict[str, p.WireValues] = {}
        self._stored: set[str] = set()
        """Of what copies were taken in, for a server that may have gone since."""
        self._loaded: Loaded | None = None
        self._draining = False

    @property
    def busy(self) -> bool:
        """Whether a server has runs here, or may not have heard yet that it shall send none."""
        session = self._session
        if session is None or session.ended or session.relay is None:
            return False
        if monotonic() - session.asked > UNHEARD:
            return False
        return session.relay.busy or (self._draining and not session.told)

    def drain(self) -> None:
        """Finish what there is, and let the server give nothing more."""
        self._draining = True
        if self._session is not None:
            self._session.wake.set()

    def loaded(self, loaded: Loaded) -> None:
        """The hosts have these nodes; where they had others before, a new session says so."""
        before, self._loaded = self._loaded, loaded
        if before is not None and before != loaded and self._session is not None:
            self._session.end("its nodes have changed", blameless=True)

    def lost(self, reason: str, *, reloads: bool = True) -> None:
        """A host is gone, with its values. `reloads`: nothing can be done until the next one has `loaded`."""
        if reloads:
            self._loaded = None
        self._held.clear()
        if self._session is not None:
            self._session.end(reason, blameless=False)

    def said(self, said: Said) -> None:
        if self._session is not None and self._session.relay is not None:
            self._session.relay.say(said)

    # Calls

    async def hello(self) -> Greeting:
        return await self._greet()

    async def open(self, session: str) -> Sequence[Held] | None:
        await self._close("another server has taken over")
        if self._draining or self._loaded is None:
            return None
        stale, self._stored = self._stored - self._held.keys(), set()
        await self._host.release(list(stale))
        opened, loaded = _Session(session), self._loaded
        self._session = opened
        relay = opened.relay = Relay(self._host, opened.emit, lambda reason: opened.end(reason, blameless=False))
        relay.held = self._held
        relay.begin(loaded)
        return [Held(name, encode(p.Reports(0, [values]))) for name, values in self._held.items()]

    async def take(self, session: str, frames: Sequence[bytes]) -> None:
        current = self._session
        if current is not None and current.name == session and current.relay is not None and not current.ended:
            for frame in frames:
                current.relay.take(frame)

    async def give(self, session: str, seconds: float) -> Given:
        current = self._session
        if current is None or current.name != session:
            return Given(ended="the agent knows of no such session", blameless=True)
        current.asked = monotonic()
        if not current.frames and not current.ended:
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(current.wake.wait(), seconds)
        current.wake.clear()
        current.told = current.told or self._draining
        frames, current.frames = current.frames[:MOST_FRAMES], current.frames[MOST_FRAMES:]
        if current.frames:
            current.wake.set()
            return Given(frames, draining=self._draining)
        return Given(frames, current.ended, current.blameless, self._draining)

    async def fetch(self, session: str, fingerprint: str, output: int) -> tuple[Fetched, bytes]:
        """What it is, and its bytes."""
        try:
            parcel = await self._host.fetch(fingerprint, output, shared=self._memory is not None)
        except HostLost as error:  # or its values
            return Fetched(kind="lost", message=error.reason), b""
        except HostRefused as error:
            return Fetched(kind=error.kind, message=str(error)), b""
        try:
            data = await asyncio.to_thread(self._content, parcel)
        finally:
            self._host.arrived([parcel])
        return Fetched(len(data)), data

    def _content(self, parcel: p.Parcel) -> bytes:
        if not parcel.slab:
            return parcel.data
        assert self._memory is not None
        fd = os.open(self._memory / parcel.slab, os.O_RDONLY | os.O_CLOEXEC)
        try:
            data = bytearray(parcel.size)
            view, done = memoryview(data), 0
            while done < parcel.size and (read := os.preadv(fd, [view[done : done + LARGEST_READ]], done)):
                done += read
            return bytes(data)
        finally:
            os.close(fd)

    async def store(self, session: str, fingerprint: str, output: int, data: bytes) -> Fetched:
        try:
            parcel = await asyncio.to_thread(self._parcel, data)
            self._stored.add(fingerprint)
            try:
                await self._host.store(fingerprint, {output: parcel})
            finally:
                if self._pool is not None and parcel.slab:
                    self._pool.ended([parcel.slab])
        except HostLost as error:
            return Fetched(kind="lost", message=error.reason)
        except HostRefused as error:
            return Fetched(kind=error.kind, message=str(error))
        except OSError as error:
            return Fetched(kind="OSError", message=f"a value cannot be taken in: {error}")
        return Fetched(len(data))

    def _parcel(self, data: bytes) -> p.Parcel:
        size = len(data)
        slab = self._pool.write([data], size) if self._pool is not None and size >= SMALLEST else None
        return p.Parcel(b"", slab, size) if slab is not None else p.Parcel(bytes(data), "", size)

    async def close(self) -> None:
        await self._close("the worker ends")
        if self._pool is not None:
            self._pool.close()

    async def _close(self, reason: str) -> None:
        if self._session is not None:
            self._session.end(reason, blameless=True)
            if self._session.relay is not None:
                await self._session.relay.end()
