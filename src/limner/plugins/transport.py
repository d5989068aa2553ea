"""Frames between two processes: four bytes of length, then the message. Over a socket pair, or loopback TCP.

The address that a host is given is `fd:<number>`, a socket that it inherits, or `tcp:<port>:<token>` where sockets
cannot be inherited (Windows): it connects and says the token first.
"""

from __future__ import annotations

import asyncio
import contextlib
import hmac
import secrets
import socket
import struct
from types import TracebackType
from typing import Protocol

ADDRESS_VARIABLE = "LIMNER_HOST_ADDRESS"
LENGTH = struct.Struct(">I")
LARGEST_FRAME = 2**31
TOKEN_LENGTH = 32
CONNECT_SECONDS = 60.0


class Frames(Protocol):
    """Frames from and to the other side, however they travel."""

    def send(self, frame: bytes) -> None:
        """Raises ConnectionError when it is closed."""
        ...

    async def receive(self) -> bytes | None:
        """The next one, or None when the other side has closed."""
        ...

    async def close(self) -> None: ...


class Connection:
    """A stream of frames. Not for several tasks to receive from at once."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader, self._writer = reader, writer
        self._waiting: list[bytes] = []

    def send(self, frame: bytes) -> None:
        """Put it on its way, with all that is sent until the loop turns. Raises ConnectionError when it is closed."""
        if self._writer.is_closing():
            raise ConnectionResetError("the connection is closed")
        if not self._waiting:
            asyncio.get_running_loop().call_soon(self._flush)
        self._waiting += (LENGTH.pack(len(frame)), frame)

    def _flush(self) -> None:
        waiting, self._waiting = self._waiting, []
        if waiting and not self._writer.is_closing():
            self._writer.writelines(waiting)

    async def drain(self) -> None:
        """Wait until the other side has taken most of what was sent."""
        self._flush()
        await self._writer.drain()

    async def receive(self) -> bytes | None:
        """The next frame, or None when the other side has closed. Raises ValueError for what is no frame."""
        try:
            (length,) = LENGTH.unpack(await self._reader.readexactly(LENGTH.size))
            if length > LARGEST_FRAME:
                raise ValueError(f"a frame of {length} bytes")
            return await self._reader.readexactly(length)
        except (asyncio.IncompleteReadError, ConnectionError):
            return None

    async def close(self) -> None:
        self._flush()
        self._writer.close()
        with contextlib.suppress(OSError):
            await self._writer.wait_closed()


async def connection_of(end: socket.socket) -> Connection:
    end.setblocking(False)
    reader, writer = await asyncio.open_connection(sock=end)
    return Connection(reader, writer)


class Pair:
    """The parent's side: a connected pair of sockets, one of which a child process inherits."""

    def __init__(self) -> None:
        self._ours, self._theirs = socket.socketpair()
        self.address = f"fd:{self._theirs.fileno()}"
        self.inherited: tuple[int, ...] = (self._theirs.fileno(),)

    async def connect(self) -> Connection:
        """Call it when the child has been started."""
        self._theirs.close()
        return await connection_of(self._ours)

    def __enter__(self) -> Pair:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._theirs.close()
        if kind is not None:
            self._ours.close()


class Listener:
    """The parent's side where sockets cannot be inherited: a port of this machine and a token that opens it once."""

    def __init__(self) -> None:
        self._socket = socket.create_server(("127.0.0.1", 0), backlog=4)
        self._socket.setblocking(False)
        self._token = secrets.token_hex(TOKEN_LENGTH // 2)
        self.address = f"tcp:{self._socket.getsockname()[1]}:{self._token}"
        self.inherited: tuple[int, ...] = ()

    async def connect(self) -> Connection:
        """Wait for the child; others who connect are turned away. Raises TimeoutError."""
        loop = asyncio.get_running_loop()
        async with asyncio.timeout(CONNECT_SECONDS):
            while True:
                end, _ = await loop.sock_accept(self._socket)
                end.setblocking(False)
                said = b""
                while len(said) < TOKEN_LENGTH and (part := await loop.sock_recv(end, TOKEN_LENGTH - len(said))):
                    said += part
                if hmac.compare_digest(said, self._token.encode()):
                    return await connection_of(end)
                end.close()

    def __enter__(self) -> Listener:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._socket.close()


def can_inherit() -> bool:
    """Whether a child process can be handed a socket."""
    return hasattr(socket, "AF_UNIX")


def end_at(address: str) -> socket.socket:
    """The child's side. Raises ValueError for what is no address."""
    kind, _, rest = address.partition(":")
    if kind == "fd" and rest.isdigit():
        return socket.socket(fileno=int(rest))
    port, _, token = rest.partition(":")
    if kind == "tcp" and port.isdigit() and token:
        end = socket.create_connection(("127.0.0.1", int(port)))
        end.sendall(token.encode())
        return end
    raise ValueError(f"{address!r} is no address of a host; the server that starts the host gives it")
