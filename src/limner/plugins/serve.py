"""The host process: the library is imported and nodes run in the main thread; a second thread talks to the server.

    def build(loading: Callable[[str], None]) -> HostCore:
        loading("some_pack")                                    # said before each part that may end this process
        return HostCore(library, services, lanes=Lanes(guard=torch.inference_mode, device_thread=False))

    sys.exit(serve(build))

The host answers before it has imported anything heavy: `build` runs when the server has been greeted. It ends with the
server, however that ends.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import signal
import socket
import sys
import threading
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import TypeAlias

import msgspec

from . import protocol as p
from .codec import decode_to_host, encode
from .context import CURRENT
from .control import Control
from .forks import close_in_copies
from .host import HostCore
from .shared import FOLDER_VARIABLE
from .transport import ADDRESS_VARIABLE, Connection, connection_of, end_at

log = logging.getLogger(__name__)

Build: TypeAlias = Callable[[Callable[[str], None]], HostCore]

LOAD_FAILED = 3
"""Exit status of a host whose library could not be built."""
GRACE = 4.0
"""Seconds that running nodes are given to stop when the host must end."""


def serve(build: Build, address: str | None = None) -> int:
    """Serve until the server closes the connection or says quit; returns the exit status. Call it in the main thread.

    `address` is that of the environment (`LIMNER_HOST_ADDRESS`) where it is not given.
    """
    end = end_at(address or os.environ.pop(ADDRESS_VARIABLE, ""))
    end.set_inheritable(False)
    close_in_copies(end.fileno())
    _listen_to_jolts()
    talk = _Talk(end)
    talk.start()
    try:
        core = build(talk.say_loading)
    except (Exception, SystemExit) as error:
        log.exception("the node library could not be loaded")
        talk.say_failed(f"{type(error).__name__}: {error}", traceback.format_exc())
        return LOAD_FAILED
    talk.say_loaded(core)
    core.lanes.device.serve()
    talk.over.wait()
    core.close()
    with contextlib.suppress(OSError, ValueError):
        sys.stdout.flush()
    return 0


def _listen_to_jolts() -> None:
    """A signal that gets the main thread out of a wait: it raises in a call whose run was interrupted, only there."""
    if not hasattr(signal, "SIGUSR1"):
        return

    def jolt(number: int, frame: object) -> None:
        call = CURRENT.get()
        if call is not None:
            call.jolt()

    signal.signal(signal.SIGUSR1, jolt)


class _Talk(threading.Thread):
    """The thread that talks to the server."""

    def __init__(self, end: socket.socket) -> None:
        super().__init__(name="limner-control", daemon=True)
        self._end = end
        self._loop = asyncio.new_event_loop()
        self._control: Control | None = None
        self._connection: Connection | None = None
        self._greeted = threading.Event()
        self.over = threading.Event()

    def start(self) -> None:
        """Returns when the server has been greeted."""
        super().start()
        self._greeted.wait()

    def run(self) -> None:
        asyncio.set_event_loop(self._loop)
        try:
            self._loop.run_until_complete(self._talk())
        except (OSError, ValueError, msgspec.MsgspecError):
            log.exception("the connection to the server broke")
        finally:
            self._greeted.set()
            self._finish()

    async def _talk(self) -> None:
        self._connection = connection = await connection_of(self._end)
        shared = os.environ.get(FOLDER_VARIABLE)
        self._control = control = Control(connection, Path(shared) if shared else None)
        connection.send(encode(p.Hello(p.VERSION, os.getpid())))
        self._greeted.set()
        while (frame := await connection.receive()) is not None:
            message = decode_to_host(frame)
            if isinstance(message, p.Quit):
                return
            control.take(message)

    def say_loaded(self, core: HostCore) -> None:
        def begin() -> None:
            if self._control is not None:
                self._control.begin(core)

        self._loop.call_soon_threadsafe(begin)

    def say_loading(self, source: str) -> None:
        """Returns when it has been sent."""
        self._say_now(p.Loading(source))

    def say_failed(self, message: str, trace: str) -> None:
        """Returns when it has been sent."""
        self._say_now(p.LoadFailed(message, trace))

    def _say_now(self, message: p.FromHost) -> None:
        async def say() -> None:
            if self._connection is not None:
                self._connection.send(encode(message))
                await self._connection.drain()

        with contextlib.suppress(ConnectionError, TimeoutError):
            asyncio.run_coroutine_threadsafe(say(), self._loop).result(timeout=GRACE)

    def _finish(self) -> None:
        """The server is gone or wants no more: stop what runs, and end the process whatever it does."""
        core = self._control.core if self._control is not None else None
        if core is None:
            os._exit(0)
        timer = threading.Timer(GRACE, os._exit, (0,))
        timer.daemon = True
        timer.start()
        core.interrupt_all()
        core.lanes.device.stop()
        self.over.set()
