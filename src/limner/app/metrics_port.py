"""The port of the metrics alone, where one is asked for."""

from __future__ import annotations

import logging
import socket
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager

from aiohttp import web

from limner.server.metrics import metrics_app
from limner.server.services import Metrics
from limner.settings import Settings

from .listening import CannotServe, Flags, bound, urls

log = logging.getLogger(__name__)

FLAGS = Flags(listen="--metrics-listen", port="--metrics-port")


def metrics_door(settings: Settings, server: socket.socket, closing: AsyncExitStack) -> Sequence[socket.socket]:
    """The sockets of the metrics' port, open until the context ends; none where there is no such port.

    `server` is one of the server's own sockets. Raises CannotServe.
    """
    port = settings.metrics_port
    if port is None:
        return ()
    if port and port == server.getsockname()[1]:
        raise CannotServe(
            f"the server itself is to listen on port {port}, and so are its metrics",
            "Give the metrics another port with --metrics-port; the server's own port tells them too, at /metrics",
        )
    sockets = bound(settings.metrics_listen or settings.listen, port, FLAGS)
    for opened in sockets:
        closing.callback(opened.close)
    return sockets


@asynccontextmanager
async def metrics_port(metrics: Metrics, sockets: Sequence[socket.socket]) -> AsyncIterator[None]:
    """Metrics are answered on these sockets until the context ends."""
    if not sockets:
        yield
        return
    runner = web.AppRunner(metrics_app(metrics), access_log=None, shutdown_timeout=1.0)
    await runner.setup()
    try:
        for opened in sockets:
            await web.SockSite(runner, opened).start()
        log.info("metrics are at %s/metrics", urls(sockets)[0])
        yield
    finally:
        await runner.cleanup()
