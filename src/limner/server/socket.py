"""The WebSocket: every client has its own place in the bus, so that none waits for another.

Rules:

- A client that gives no `clientId` gets one. Until it shows itself to be an editor (by announcing its features), it
  observes every run, in JSON frames only; all others get the frames of their own runs, and what concerns everyone.
- `?since=N` replays the frames with a sequence above N as far as they are kept. A client that comes back under its id
  gets what it missed without asking; so does one that connects only after it has queued a job.
- Binary frames (previews, texts of progress) go to the client whose run it is.
- A client whose login ends is told so, and closed.
- A client that does not read is dropped when its own buffer stays full; nothing waits for it.
- What is there for a client at a time goes out in one piece: with a thousand clients, each call of the system counts.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import struct
import uuid
from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from aiohttp import WSCloseCode, WSMsgType, web

from limner.comfy.frames import Frame, json_frame, status_frame
from limner.engine.events import RunStarted, StepsCached, StepStarted
from limner.runs import JobTaken, Message

from .answers import ApiError, whole_number
from .auth import identity, unknown
from .services import LogLine, Reader, Services, services
from .translation import Translator

log = logging.getLogger(__name__)
REMEMBERED_CLIENTS = 4096
LONGEST_MESSAGE = 2**20
SEND_TIMEOUT = 60.0
"""Seconds in which a client must take what waits for it."""
MOST_UNSENT = 2**16
"""Bytes that wait for a client before nothing more is made for it."""
FIRST_LOOK, LONGEST_LOOK = 0.001, 0.25
"""Seconds between two looks at whether a slow client has taken something."""
HEAD_START = 0.003
"""Seconds that the answer to a request has before its client's socket is told what of the job is remembered, or that it
has ended: a client that reads both in different threads knows the job by then. What a host has yet to run comes later
by itself."""
MOST_LINES = 256
"""Log lines on their way at once."""


def features(services: Services) -> Mapping[str, Any]:
    """What the server can do, as clients ask for it."""
    return {
        "supports_preview_metadata": True,
        "supports_progress_text_metadata": True,
        "max_upload_size": services.settings.max_upload_bytes,
    }


class Client:
    """One connected socket."""

    def __init__(
        self, socket: web.WebSocketResponse, transport: asyncio.Transport, sid: str, user: str, observes: bool
    ) -> None:
        self.socket = socket
        self._transport = transport
        self.user = user
        self.sid = sid
        self.observes = observes
        self.announced = False
        self.features: Mapping[str, Any] = {}

    def wants(self, message: Message) -> bool:
        if message.run is None:
            return message.client is None or message.client == self.sid
        return self.observes or message.client == self.sid

    async def send(self, frame: Frame, own: bool) -> None:
        """Send one frame. Raises ConnectionError, TimeoutError."""
        await self.write([self.form(frame, own)])

    def form(self, frame: Frame, own: bool) -> bytes:
        """A frame in the form that this client takes; nothing where it takes none."""
        if frame.binary is None:
            return framed(frame.encoded, WSMsgType.TEXT)
        if not own or self.observes:
            return b""
        described = frame.described is not None and self.features.get(frame.feature) is True
        data = frame.described if described else frame.binary
        assert data is not None
        return framed(data, WSMsgType.BINARY)

    async def write(self, pieces: Sequence[bytes]) -> None:
        """Send these frames, and wait while too much waits for the client. Raises ConnectionError, TimeoutError."""
        transport = self._transport
        if self.socket.closed or transport.is_closing():
            raise ConnectionResetError("the client is gone")
        transport.write(b"".join(pieces))
        pause, waited = FIRST_LOOK, 0.0
        while transport.get_write_buffer_size() > MOST_UNSENT:
            if waited > SEND_TIMEOUT:
                raise TimeoutError
            await asyncio.sleep(pause)
            waited, pause = waited + pause, min(2 * pause, LONGEST_LOOK)

    def drop(self) -> None:
        """Close without a word: one that reads nothing would not read that, either."""
        self._transport.abort()


def framed(data: bytes, kind: WSMsgType) -> bytes:
    """A whole message of a server as one frame of RFC 6455, section 5.2: unmasked, not compressed."""
    size = len(data)
    first = 0x80 | kind
    if size < 126:
        return bytes((first, size)) + data
    if size < 2**16:
        return struct.pack("!BBH", first, 126, size) + data
    return struct.pack("!BBQ", first, 127, size) + data


class Sockets:
    """All connected clients."""

    def __init__(self, services: Services) -> None:
        self._services = services
        self.translator = Translator()
        self._clients: dict[str, Client] = {}
        self._delivered: OrderedDict[str, int] = OrderedDict()
        self._answered: OrderedDict[str, float] = OrderedDict()
        """When jobs were queued whose clients have not heard of them yet."""
        self._log_readers: dict[str, Callable[[], None]] = {}
        self._telling: set[asyncio.Task[None]] = set()

    async def serve(self, request: web.Request) -> web.WebSocketResponse:
        """Handle one connection from its opening to its end."""
        named = request.query.get("clientId", "")
        since = whole_number(request, "since")
        user = identity(request).user
        known = self._clients.get(named)
        if known is not None and known.user != user:
            raise ApiError(409, "client_taken", "Another user has this clientId", "Use a clientId of your own")
        socket = web.WebSocketResponse(heartbeat=30.0, max_msg_size=LONGEST_MESSAGE, compress=False)
        await socket.prepare(request)
        transport = request.transport
        if transport is None:
            return socket  # it is gone already
        client = Client(socket, transport, named or uuid.uuid4().hex, user, observes=not named)
        if since is None and named:
            since = self._delivered.get(named)
        subscription = services(request).bus.subscribe(since=since, client=named or None)
        previous, self._clients[client.sid] = self._clients.get(client.sid), client
        if previous is not None:
            await previous.socket.close()
        tasks = [asyncio.create_task(self._write(client, subscription)), asyncio.create_task(_watch(request, client))]
        try:
            await self._read(client)
        finally:
            for task in tasks:
                task.cancel()
                with contextlib.suppress(asyncio.CancelledError):
                    await task
            subscription.close()
            if self._clients.get(client.sid) is client:
                del self._clients[client.sid]
                self.follow_logs(client.sid, False)
        return socket

    def expect(self, sid: str, since: int) -> None:
        """A client that is not here yet is to hear of what comes after this message, as one that was here before."""
        if sid not in self._clients and sid not in self._delivered:
            self._remember(sid, since)

    def answered(self, run: str) -> None:
        """A job is queued, and its client is about to be told its id."""
        self._answered[run] = asyncio.get_running_loop().time()
        while len(self._answered) > REMEMBERED_CLIENTS:
            self._answered.popitem(last=False)

    async def _let_answer_pass(self, message: Message) -> None:
        """Wait until the answer with a job's id is there, before the first frames that could overtake it."""
        body = message.body
        if isinstance(body, RunStarted | JobTaken) or (isinstance(body, StepsCached) and not body.ui):
            return
        queued = self._answered.pop(message.run or "", None)
        if queued is not None and not isinstance(body, StepStarted):  # what has to run takes longer than an answer
            await asyncio.sleep(queued + HEAD_START - asyncio.get_running_loop().time())

    async def close(self) -> None:
        """Tell all clients that the server goes."""
        for client in list(self._clients.values()):
            await client.socket.close(code=1001, message=b"The server is shutting down")

    def follow_logs(self, sid: str, wanted: bool) -> None:
        """Send a client each new log line, or stop that."""
        stop = self._log_readers.pop(sid, None)
        if stop is not None:
            stop()
        client = self._clients.get(sid)
        if wanted and client is not None:
            loop = asyncio.get_running_loop()

            def tell(line: LogLine) -> None:
                loop.call_soon_threadsafe(self._tell_log, client, line)  # lines are logged in any thread

            self._log_readers[sid] = self._services.logs.watch(tell)

    def _tell_log(self, client: Client, line: LogLine) -> None:
        if len(self._telling) >= MOST_LINES:  # the client does not read; what it misses is in /internal/logs
            return
        entry = {"t": line.time, "m": line.text + "\n"}
        frame = json_frame("logs", {"entries": [entry], "size": None}, 0)
        task = asyncio.get_running_loop().create_task(client.send(frame, own=True))
        self._telling.add(task)
        task.add_done_callback(self._told)

    def _told(self, task: asyncio.Task[None]) -> None:
        self._telling.discard(task)
        if not task.cancelled():
            task.exception()  # a client that is gone need not be told

    async def _write(self, client: Client, subscription: Reader) -> None:
        try:
            await client.send(status_frame(len(self._services.queue), 0, client.sid), own=True)
            missed = 0
            async for batch in subscription:
                # Too slow for the ring: at least the queue's length is right again.
                if subscription.missed > missed:
                    missed = subscription.missed
                    await client.send(status_frame(len(self._services.queue), subscription.cursor), own=True)
                await self._write_batch(client, batch)
        except TimeoutError:
            log.info("the client %s does not read, and is dropped", client.sid)
            client.drop()
        except (ConnectionError, RuntimeError) as error:
            log.debug("client %s is gone: %s", client.sid, error)
            await client.socket.close()

    async def _write_batch(self, client: Client, batch: Sequence[Message]) -> None:
        pieces: list[bytes] = []
        size, latest = 0, 0
        for message, frame in self.translator.batch(filter(client.wants, batch)):
            own = message.client == client.sid
            if own and message.run in self._answered:
                await self._let_answer_pass(message)
            pieces.append(client.form(frame, own))
            size, latest = size + len(pieces[-1]), message.sequence
            if size > MOST_UNSENT:
                await client.write(pieces)
                self._remember(client.sid, latest)
                pieces, size = [], 0
        if pieces:
            await client.write(pieces)
            self._remember(client.sid, latest)

    def _remember(self, sid: str, sequence: int) -> None:
        self._delivered[sid] = sequence
        self._delivered.move_to_end(sid)
        while len(self._delivered) > REMEMBERED_CLIENTS:
            self._delivered.popitem(last=False)

    async def _read(self, client: Client) -> None:
        async for message in client.socket:
            if message.type is not WSMsgType.TEXT:
                continue
            try:
                data = json.loads(message.data)
            except (ValueError, RecursionError):
                log.debug("client %s sent what is not JSON", client.sid)
                continue
            if isinstance(data, dict) and data.get("type") == "feature_flags" and not client.announced:
                given = data.get("data")
                client.features = given if isinstance(given, dict) else {}
                client.announced, client.observes = True, False
                await client.send(json_frame("feature_flags", features(self._services), 0), own=True)


async def _watch(request: web.Request, client: Client) -> None:
    """Close the socket when its login or token is worth nothing any more."""
    await unknown(request)
    await client.socket.close(code=WSCloseCode.POLICY_VIOLATION, message=b"The login is over")


SOCKETS = web.AppKey("sockets", Sockets)
