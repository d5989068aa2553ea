"""What a server has of an agent: a host among others.

It keeps a session with the agent as long as that answers, and opens the next one when it ends. Each session is another
place: what was held before is told by the agent, and the server's cache is told of it (`Callbacks.held`).
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import secrets
import time
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TypeVar

from limner.engine.ports import Answer, Ended, HostLost, HostUnavailable, Inquiry, Reporter, Said, Segment, ValuesLost
from limner.engine.values import DISK, Failure, Fingerprint, Values
from limner.graph import NodeSchema
from limner.plugins import protocol as p
from limner.plugins.client import HostClient
from limner.plugins.codec import decode_from_host, read_reports
from limner.plugins.errors import HostRefused

from ..exchange import EARLIER
from .calls import AgentCalls, AgentGone, Fetched, Given, Greeting, Held, Reference

log = logging.getLogger(__name__)

Answered = TypeVar("Answered")

BREATH = 1.0
"""Seconds that an agent waits for something to say before it says that there is nothing."""
SILENCE = 10.0
"""Seconds without a word after which an agent is taken to be cut off."""
AGAIN = 2.0
"""Seconds between a lost session and the next attempt."""
CLOCKS_APART = 300.0
"""Seconds that the clocks of two machines may differ."""


class Depot:
    """References to values that are on their way between agents, by name. All hosts of a fleet share one."""

    def __init__(self) -> None:
        self._there: dict[str, Reference] = {}

    def leave(self, data: Reference) -> str:
        name = secrets.token_hex(8)
        self._there[name] = data
        return name

    def find(self, name: str) -> Reference:
        return self._there[name]

    def drop(self, names: Iterable[str]) -> None:
        for name in names:
            self._there.pop(name, None)


def ignore(*told: object) -> None:
    """Nobody listens."""


@dataclass(frozen=True, slots=True)
class Callbacks:
    """Who hears of what happens: all in the server's loop.

    `ready`: a session has begun (greeting); `lost`: it has ended (place, reason, whether the agent may come back);
    `refused`: the agent cannot be used (reason); `draining`: it takes nothing more; `held`: a value that was there
    before; `said`: a pack's message.
    """

    ready: Callable[[Greeting], None] = ignore
    lost: Callable[[str, str, bool], None] = ignore
    refused: Callable[[str], None] = ignore
    draining: Callable[[], None] = ignore
    held: Callable[[Fingerprint, Values], None] = ignore
    said: Callable[[Said], None] = ignore


@dataclass(slots=True)
class Patience:
    """How long is waited for agents, in seconds."""

    breath: float = BREATH
    silence: float = SILENCE
    again: float = AGAIN
    clocks: float = field(default=CLOCKS_APART)


class RemoteHost:
    """A `limner.executors.exchange.Host` over an agent. `version` is the server's."""

    def __init__(
        self,
        name: str,
        agent: AgentCalls,
        depot: Depot,
        *,
        version: str,
        callbacks: Callbacks | None = None,
        patience: Patience | None = None,
    ) -> None:
        self.name = name
        self._agent, self._depot, self._version = agent, depot, version
        self._callbacks, self._patience = callbacks or Callbacks(), patience or Patience()
        self._client: asyncio.Future[HostClient] | None = None
        self._session, self._number = "", 0
        self._life = secrets.token_hex(4)
        self._connection: _Connection | None = None
        self._supervisor: asyncio.Task[None] | None = None
        self._loaded: Sequence[NodeSchema] = ()

    @property
    def realm(self) -> str:
        return "agents"

    @property
    def place(self) -> str:
        return f"{self.name}#{self._life}-{self._number}"

    def lives(self, place: str) -> bool:
        return place.removesuffix(EARLIER) == self.place

    @property
    def ready(self) -> bool:
        client = self._client
        return client is not None and client.done() and not client.cancelled() and client.exception() is None

    async def start(self) -> None:
        """Begin to look for the agent; returns at once."""
        if self._supervisor is None:
            self._client = asyncio.get_running_loop().create_future()
            self._supervisor = asyncio.create_task(self._supervise(), name=f"worker {self.name}")

    async def close(self) -> None:
        supervisor, self._supervisor = self._supervisor, None
        if supervisor is not None:
            supervisor.cancel()
            await asyncio.wait({supervisor})
            self._lose("the server leaves it", back=False)

    async def _supervise(self) -> None:
        while True:
            reason, blameless = "", True
            try:
                reason, blameless = await self._live()
            except AgentGone as error:
                reason = str(error)
            except _Unusable as error:
                self._callbacks.refused(str(error))
                log.warning("worker %s is not used: %s", self.name, error)
                await asyncio.sleep(max(30.0, self._patience.again))
                continue
            except Exception as error:
                log.exception("worker %s", self.name)
                reason = f"{type(error).__name__}: {error}"
            self._lose(f"worker {self.name}: {reason}", blameless=blameless)
            await asyncio.sleep(self._patience.again)

    async def _live(self) -> tuple[str, bool]:
        """One session: why it ended, and whether by no fault of a step. Raises AgentGone, _Unusable."""
        greeting = await self._heard(self._agent.hello())
        self._check(greeting)
        self._number += 1
        self._session = session = secrets.token_hex(8)
        while (held := await self._heard(self._agent.open(session))) is None:
            await asyncio.sleep(self._patience.again / 4)  # its hosts still load
        greeting = await self._heard(self._agent.hello())
        connection = _Connection(self._agent, session, self._patience, self._callbacks.draining)
        client = HostClient(connection, self.place, self._callbacks.said)
        self._connection = connection
        pumping, listening = asyncio.create_task(connection.pump()), asyncio.create_task(client.listen())
        try:
            loaded = await self._heard(asyncio.shield(client.loaded))
            self._loaded = loaded.schemas
            self._announce(client, greeting)
            for one in held:
                self._tell_held(one)
            await listening
        finally:
            self._connection = None
            for task in (pumping, listening):
                task.cancel()
            await asyncio.wait({pumping, listening})
        return connection.ended, connection.blameless

    def _announce(self, client: HostClient, greeting: Greeting) -> None:
        assert self._client is not None
        if self._client.done():
            self._client = asyncio.get_running_loop().create_future()
        self._client.set_result(client)
        self._callbacks.ready(greeting)

    def _check(self, greeting: Greeting) -> None:
        """Raises _Unusable."""
        if (greeting.version, greeting.protocol) != (self._version, p.VERSION):
            raise _Unusable(f"it runs Limner {greeting.version}, and the server {self._version}: install the same")
        apart = greeting.time - time.time()
        if abs(apart) > self._patience.clocks:
            raise _Unusable(f"its clock is {apart:+.0f} s off the server's: set it (by NTP)")

    def _tell_held(self, held: Held) -> None:
        message = decode_from_host(held.report)
        if not isinstance(message, p.Reports):
            return
        node = getattr(message.reports[0], "node", "")
        (report,) = read_reports(message.reports, {node: held.fingerprint}, self.place + EARLIER)
        if isinstance(report, Ended) and isinstance(report.result, Values):
            self._callbacks.held(held.fingerprint, report.result)

    async def _heard(self, call: Awaitable[Answered]) -> Answered:
        try:
            return await asyncio.wait_for(call, self._patience.silence)
        except TimeoutError:
            raise AgentGone(f"nothing was heard for {self._patience.silence:g} s") from None

    def _lose(self, reason: str, *, back: bool = True, blameless: bool = True) -> None:
        client, place = self._client, self.place
        self._client = asyncio.get_running_loop().create_future() if back else None
        if client is not None and client.done() and not client.exception():
            log.warning("%s", reason)
            client.result().lose(reason, blameless=blameless)
            self._callbacks.lost(place, reason, back)
        elif client is not None and not client.done():
            if back:
                self._client = client  # those who wait for it go on waiting
            else:
                client.set_exception(HostLost(place, reason, blameless=True))
                client.exception()

    async def _ready(self) -> HostClient:
        if self._client is None:
            raise HostLost(self.place, f"worker {self.name} is not there", blameless=True)
        if not self._client.done():
            raise HostLost(self.place, f"worker {self.name} is not there just now", blameless=True)
        return self._client.result()

    async def schemas(self) -> Sequence[NodeSchema]:
        return self._loaded

    async def inquire(self, run: str, inquiries: Sequence[Inquiry]) -> Sequence[Answer]:
        return await (await self._ready()).inquire(run, inquiries)

    async def run(self, segment: Segment, report: Reporter) -> None:
        client = await self._ready()
        try:
            await client.run(segment, report)
        except HostRefused as error:
            if error.kind == "HostUnavailable":
                raise HostUnavailable(str(error), "See the log of that worker") from error
            node = segment.tasks[0].node
            report([Ended(node, Failure(error.kind, f"worker {self.name} could not run it: {error}", node=node))])

    async def interrupt(self, run: str) -> None:
        self._tell(p.Interrupt(run))

    async def release(self, fingerprints: Sequence[Fingerprint]) -> None:
        if fingerprints:
            self._tell(p.Release(list(fingerprints)))

    async def finish(self, run: str, *, keep: bool = False) -> None:
        self._tell(p.Finish(run, keep))

    def _tell(self, message: p.Interrupt | p.Release | p.Finish) -> None:
        if self.ready and self._client is not None:
            self._client.result().tell(message)

    async def ask(self, topic: str, data: object = None) -> object:
        return await (await self._ready()).ask(topic, data)

    async def greet(self) -> Greeting | None:
        """What the agent says of itself now; None where it cannot be asked."""
        with contextlib.suppress(AgentGone):
            return await self._heard(self._agent.hello())
        return None

    async def fetch(self, fingerprint: Fingerprint, output: int, *, shared: bool = False) -> p.Parcel:
        """By name in the depot for another agent; its bytes for a host of this machine."""
        await self._ready()
        place = self.place
        try:
            fetched = await self._agent.fetch(self._session, fingerprint, output)
            _check(fetched)
            if shared:
                return p.Parcel(b"", self._depot.leave(fetched.data), fetched.size)
            return p.Parcel(await self._agent.get(fetched.data), "", fetched.size)
        except AgentGone as error:
            raise self._gone(place, error) from error

    async def store(self, fingerprint: Fingerprint, outputs: Mapping[int, p.Parcel]) -> None:
        await self._ready()
        place = self.place
        try:
            for output, parcel in outputs.items():
                data = self._depot.find(parcel.slab) if parcel.slab else await self._agent.put(parcel.data)
                _check(await self._agent.store(self._session, fingerprint, output, data))
        except AgentGone as error:
            raise self._gone(place, error) from error

    def _gone(self, place: str, error: AgentGone) -> HostLost:
        """What did not come through ends the session: the next call would fare no better."""
        if self._connection is not None and place == self.place:
            self._connection.end(str(error), blameless=True)
        return HostLost(place, str(error), blameless=True)

    def arrived(self, parcels: Iterable[p.Parcel]) -> None:
        self._depot.drop(parcel.slab for parcel in parcels if parcel.slab)


def _check(answered: Fetched) -> None:
    """Raises ValuesLost, HostRefused for what could not be fetched or stored."""
    if answered.kind == "lost":
        raise ValuesLost(DISK, answered.message)
    if answered.kind:
        raise HostRefused(answered.kind, answered.message)


class _Unusable(Exception):
    """The agent is there and must not be used."""


class _Connection:
    """Frames over an agent's calls, as `limner.plugins.transport.Connection` has them over a socket."""

    def __init__(self, agent: AgentCalls, session: str, patience: Patience, draining: Callable[[], None]) -> None:
        self._agent, self._session, self._patience = agent, session, patience
        self._draining: Callable[[], None] | None = draining
        self._out: list[bytes] = []
        self._sending: asyncio.Task[None] | None = None
        self._in: asyncio.Queue[bytes | None] = asyncio.Queue()
        self.ended, self.blameless = "", True

    def send(self, frame: bytes) -> None:
        if self.ended:
            raise ConnectionResetError(self.ended)
        self._out.append(frame)
        if self._sending is None or self._sending.done():
            self._sending = asyncio.get_running_loop().create_task(self._send())

    async def _send(self) -> None:
        while self._out:
            frames, self._out = self._out, []
            try:
                async with asyncio.timeout(self._patience.silence):
                    await self._agent.take(self._session, frames)
            except Exception as error:  # whatever it is, who waits must not wait for ever
                self.end(str(error) or "it does not answer", blameless=True)
                return

    async def receive(self) -> bytes | None:
        return await self._in.get()

    async def pump(self) -> None:
        """Take what the agent gives, until the session ends."""
        while not self.ended:
            try:
                async with asyncio.timeout(self._patience.breath + self._patience.silence):
                    given: Given = await self._agent.give(self._session, self._patience.breath)
            except TimeoutError:
                self.end(f"nothing was heard for {self._patience.silence:g} s", blameless=True)
                return
            except Exception as error:  # whatever it is, who waits must not wait for ever
                self.end(str(error), blameless=True)
                return
            for frame in given.frames:
                self._in.put_nowait(frame)
            if given.draining and self._draining is not None:
                self._draining()
                self._draining = None
            if given.ended:
                self.end(given.ended, blameless=given.blameless)

    def end(self, reason: str, *, blameless: bool) -> None:
        if not self.ended:
            self.ended, self.blameless = reason, blameless
            self._in.put_nowait(None)

    async def close(self) -> None:
        self.end("it was closed", blameless=True)
