"""The HTTP routes of packs: served inside the host, where their handlers have the pack's objects, for the server to
pass requests on to.

They are reached by a socket in a folder that only this user may enter, or, where there are no such sockets, by a port
of this machine.
"""

from __future__ import annotations

import asyncio
import atexit
import contextlib
import logging
import re
import shutil
import socket
import tempfile
import threading
from collections.abc import Iterator, Sequence
from pathlib import Path

from aiohttp import web

log = logging.getLogger(__name__)
START_SECONDS = 30.0
SWAP_SECONDS = 10.0
"""Seconds for which an application that was swapped for another is still answered."""


class RouteServer(threading.Thread):
    """A thread that serves an application. `address` is `unix:PATH` or `tcp:PORT` once `begin` has returned."""

    def __init__(self, app: web.Application, loop: asyncio.AbstractEventLoop) -> None:
        super().__init__(name="limner-routes", daemon=True)
        self._app, self.loop = app, loop
        self._begun = threading.Event()
        self._folder: Path | None = None
        self._problem: Exception | None = None
        self._runner: web.AppRunner | None = None
        self._ending: list[tuple[web.AppRunner | None, Path | None]] = []
        self._clearing: asyncio.Task[None] | None = None
        self.address = ""

    def begin(self) -> None:
        """Raises whatever kept the application from starting."""
        self.start()
        atexit.register(self.end)
        self._begun.wait(START_SECONDS)
        if self._problem is not None:
            raise self._problem

    def run(self) -> None:
        asyncio.set_event_loop(self.loop)
        try:
            self.loop.run_until_complete(self._open())
        except Exception as error:
            self._problem = error
            return
        finally:
            self._begun.set()
        self.loop.run_forever()
        for runner, folder in (*self._ending, (self._runner, self._folder)):
            self.loop.run_until_complete(_ended(runner, folder))
        self.loop.close()

    def swap(self, app: web.Application) -> None:
        """Serve another application from now on, at another address. Raises whatever keeps it from starting."""
        asyncio.run_coroutine_threadsafe(self._swap(app), self.loop).result(START_SECONDS)

    async def _swap(self, app: web.Application) -> None:
        old, folder = self._runner, self._folder
        self._app = app
        await self._open()
        if old is not None:
            self._ending.append((old, folder))
            self.loop.call_later(SWAP_SECONDS, self._clear)

    def _clear(self) -> None:
        """End the application that has been swapped longest."""
        if self._ending:
            self._clearing = self.loop.create_task(_ended(*self._ending.pop(0)))

    async def _open(self) -> None:
        runner = self._runner = web.AppRunner(self._app, access_log=None, handle_signals=False)
        await runner.setup()
        if hasattr(socket, "AF_UNIX"):
            self._folder = Path(tempfile.mkdtemp(prefix="limner-routes-"))
            path = self._folder / "http"
            await web.UnixSite(runner, str(path)).start()
            self.address = f"unix:{path}"
        else:
            site = web.TCPSite(runner, "127.0.0.1", 0)
            await site.start()
            self.address = f"tcp:{runner.addresses[0][1]}"

    def end(self) -> None:
        """Stop serving."""
        with contextlib.suppress(RuntimeError):  # it has ended already
            self.loop.call_soon_threadsafe(self.loop.stop)
        if self._folder is not None:
            shutil.rmtree(self._folder, ignore_errors=True)


async def _ended(runner: web.AppRunner | None, folder: Path | None) -> None:
    if runner is not None:
        await runner.cleanup()
    if folder is not None:
        shutil.rmtree(folder, ignore_errors=True)


def route_table(app: web.Application) -> Sequence[tuple[str, str]]:
    """(method, pattern of the whole path) of each route; `*` is any method."""
    return sorted(set(_routes(app)))


def _routes(app: web.Application) -> Iterator[tuple[str, str]]:
    for route in app.router.routes():
        info = route.resource.get_info() if route.resource is not None else {}
        if "path" in info:
            yield route.method, re.escape(info["path"])
        elif "pattern" in info:
            yield route.method, info["pattern"].pattern
        elif "prefix" in info:
            yield route.method, f"{re.escape(info['prefix'])}(/.*)?"
    for resource in app.router.resources():
        info = resource.get_info()
        if "app" in info:
            yield "*", f"{re.escape(info['prefix'])}(/.*)?"
