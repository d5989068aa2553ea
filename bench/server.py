"""How soon the server answers and what it keeps in memory, beside a bare aiohttp server on this machine."""

from __future__ import annotations

import sys
import tempfile
import time
from collections.abc import Iterator

from .processes import PATIENCE, Measured, server
from .report import Figure

BARE = """
from aiohttp import web
async def hello(request): return web.Response(text="hello")
async def main():
    app = web.Application(); app.router.add_get("/", hello)
    runner = web.AppRunner(app); await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0); await site.start()
    print(f"http://127.0.0.1:{runner.addresses[0][1]}", flush=True)
    await asyncio.Event().wait()
import asyncio
asyncio.run(main())
"""


def figures() -> Iterator[Figure]:
    """Start both servers, the second time each (their files are in memory then)."""
    with tempfile.TemporaryDirectory(prefix="limner-bench-") as base:
        limner = [sys.executable, "-m", "limner.cli", "serve", "--port", "0", "--base-directory", base]
        for turn in range(2):
            with server(limner) as ours:
                ours.ask("/")
                ours.ask("/object_info")
                ready = _ready(ours)
                resident = ours.resident
            with server([sys.executable, "-c", BARE]) as bare:
                bare.ask("/")
                bare_resident = bare.resident
            if turn:
                first = bare.seconds["/"]
                yield Figure("start to GET /", ours.seconds["/"], "s", first, "a bare aiohttp server", bound=1.0)
                yield Figure("start to GET /object_info", ours.seconds["/object_info"], "s", first, "the same", 1.0)
                yield Figure("start to the host being ready", ready, "s")
                yield Figure("resident, server process", resident, "MB", bare_resident, "the same", bound=120)


def _ready(ours: Measured) -> float:
    """Seconds from the start until runs start at once."""
    while time.monotonic() - ours.started < PATIENCE:
        try:
            ours.ask("/readyz")
            return ours.seconds["/readyz"]
        except OSError:
            time.sleep(0.02)
    raise RuntimeError("the host did not become ready")
