"""The server's end of the protocol: one connection to one host process, for as long as that lives."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import msgspec

from limner.engine.ports import Answer, HostLost, Inquiry, Reporter, Said, Segment, ValuesLost
from limner.engine.values import DISK, Fingerprint
from limner.graph import NodeSchema

from . import protocol as p
from .codec import decode_from_host, encode, read_reports, wire_inquiries, wire_segment
from .errors import HostRefused, LoadError, UnknownTopic
from .transport import Frames

log = logging.getLogger(__name__)

Listener = Callable[[Said], None]


@dataclass(frozen=True, slots=True)
class Loaded:
    """What a host can run, and (source, message) of what it could not load."""

    schemas: Sequence[NodeSchema]
    problems: Sequence[tuple[str, str]]


@dataclass(frozen=True, slots=True)
class _Pending:
    """A request that waits; of a segment, how its reports are read."""

    answer: asyncio.Future[object]
    reporter: Reporter | None = None
    fingerprints: Mapping[str, Fingerprint] | None = None


class HostClient:
    """Requests to a host. When the connection ends, every request that waits raises HostLost."""

    def __init__(self, connection: Frames, place: str, listener: Listener) -> None:
        self.place = place
        self._connection, self._listener = connection, listener
        self._numbers = itertools.count(1)
        self._pending: dict[int, _Pending] = {}
        self._lost: str | None = None
        self._blameless = False
        self.loading = ""
        """The part of its library that the host imports, or imported last."""
        self.loaded: asyncio.Future[Loaded] = asyncio.get_running_loop().create_future()
        self.changed: Callable[[Loaded], None] = lambda loaded: None
        """Called when the host has another library than that which it loaded."""

    async def listen(self) -> None:
        """Take what the host says, until it closes the connection. Raises ValueError where it talks nonsense."""
        while (frame := await self._connection.receive()) is not None:
            try:
                self._take(decode_from_host(frame))
            except msgspec.MsgspecError as error:
                raise ValueError(f"the host sent what is no message: {error}") from error

    def lose(self, reason: str, *, blameless: bool = False) -> None:
        """The host is gone; `blameless`: not by what it ran."""
        self._lost, self._blameless = reason, blameless
        if not self.loaded.done():
            self.loaded.set_exception(HostLost(self.place, reason, blameless=blameless))
            self.loaded.exception()  # nobody need have waited for it
        for pending in self._pending.values():
            if not pending.answer.done():
                pending.answer.set_exception(HostLost(self.place, reason, blameless=blameless))
                pending.answer.exception()
        self._pending.clear()

    async def run(self, segment: Segment, reporter: Reporter) -> None:
        number = next(self._numbers)
        fingerprints = {task.node: task.fingerprint for task in segment.tasks}
        await self._request(number, wire_segment(number, segment), reporter, fingerprints)

    async def inquire(self, run: str, inquiries: Sequence[Inquiry]) -> Sequence[Answer]:
        number = next(self._numbers)
        answers = await self._request(number, p.Inquire(number, run, wire_inquiries(inquiries)))
        assert isinstance(answers, list)
        return answers

    async def ask(self, topic: str, data: object) -> object:
        number = next(self._numbers)
        return await self._request(number, p.Ask(number, topic, data))

    async def fetch(self, fingerprint: Fingerprint, output: int, *, shared: bool) -> p.Parcel:
        number = next(self._numbers)
        parcel = await self._request(number, p.Fetch(number, fingerprint, output, shared))
        assert isinstance(parcel, p.Parcel)
        return parcel

    async def store(self, fingerprint: Fingerprint, outputs: Mapping[int, p.Parcel]) -> None:
        number = next(self._numbers)
        await self._request(number, p.Store(number, fingerprint, dict(outputs)))

    def tell(self, message: p.Interrupt | p.Release | p.Finish | p.Quit | p.Arrived) -> None:
        """Say what needs no answer; a host that is gone need not hear it."""
        try:
            self._connection.send(encode(message))
        except ConnectionError:
            log.debug("host %s is gone and was not told %s", self.place, type(message).__name__)

    async def close(self) -> None:
        await self._connection.close()

    async def _request(
        self,
        number: int,
        message: p.ToHost,
        reporter: Reporter | None = None,
        fingerprints: Mapping[str, Fingerprint] | None = None,
    ) -> object:
        if self._lost is not None:
            raise HostLost(self.place, self._lost, blameless=self._blameless)
        answer: asyncio.Future[object] = asyncio.get_running_loop().create_future()
        self._pending[number] = _Pending(answer, reporter, fingerprints)
        try:
            # Where the connection is closed, `lose` will tell: not before the next host can be asked, or else a step
            # that is sent again would meet the same dead host, and be taken for what killed it.
            with contextlib.suppress(ConnectionError):
                self._connection.send(encode(message))
            return await answer
        finally:
            self._pending.pop(number, None)

    def _take(self, message: p.FromHost) -> None:
        if isinstance(message, p.Reports):
            self._report(message)
        elif isinstance(message, p.Done):
            self._settle(message.id, None)
        elif isinstance(message, p.Answers):
            self._settle(message.id, message.answers)
        elif isinstance(message, p.Told):
            self._settle(message.id, message.data)
        elif isinstance(message, p.Fetched):
            self._settle(message.id, message.parcel)
        elif isinstance(message, p.Refused):
            self._refuse(message)
        elif isinstance(message, p.Ready):
            self._has_loaded(Loaded(message.schemas, message.problems))
        elif isinstance(message, p.LoadFailed):
            self.loaded.set_exception(LoadError(message.message, message.traceback))
            self.loaded.exception()
        elif isinstance(message, p.Loading):
            self.loading = message.source
        elif isinstance(message, p.Message):
            self._listener(Said(message.event, message.data, message.client))
        elif message.version != p.VERSION:
            raise ValueError(f"the host speaks version {message.version} of the protocol, the server {p.VERSION}")

    def _has_loaded(self, loaded: Loaded) -> None:
        """Its library is there, or there is another."""
        if not self.loaded.done():
            self.loaded.set_result(loaded)
            return
        self.loaded = asyncio.get_running_loop().create_future()
        self.loaded.set_result(loaded)
        self.changed(loaded)

    def _report(self, message: p.Reports) -> None:
        """Reports of a segment; a reporter that raises ends its own segment alone."""
        pending = self._pending.get(message.id)
        if pending is None or pending.reporter is None:
            return
        try:
            pending.reporter(read_reports(message.reports, pending.fingerprints or {}, self.place))
        except Exception as error:
            if not pending.answer.done():
                pending.answer.set_exception(error)

    def _settle(self, number: int, data: object) -> None:
        pending = self._pending.get(number)
        if pending is not None and not pending.answer.done():
            pending.answer.set_result(data)

    def _refuse(self, message: p.Refused) -> None:
        pending = self._pending.get(message.id)
        if pending is None or pending.answer.done():
            return
        if message.kind == "lost":
            # Values stay until they are released: one that is missing was to come from the disk.
            pending.answer.set_exception(ValuesLost(DISK, message.message))
        elif message.kind == "unknown":
            pending.answer.set_exception(UnknownTopic(message.message))
        else:
            pending.answer.set_exception(HostRefused(message.kind, message.message))
