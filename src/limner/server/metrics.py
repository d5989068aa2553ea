"""Metrics over HTTP, on the server or on a port of their own.

The port of their own asks nobody for a login and answers under any name, as Prometheus calls a server by whatever name
it has in its network: nothing can be changed there, and metrics name no user, file or workflow.
"""

from __future__ import annotations

from aiohttp import hdrs, web

from .services import Metrics

METRICS_TEXT = "text/plain"


async def exposed(request: web.Request, metrics: Metrics) -> web.Response:
    """The answer with all metrics."""
    text, media_type = await metrics.scrape(request.headers.get(hdrs.ACCEPT, ""))
    response = web.Response(body=text, headers={hdrs.CONTENT_TYPE: media_type, hdrs.CACHE_CONTROL: "no-store"})
    response.enable_compression()
    return response


def metrics_app(metrics: Metrics) -> web.Application:
    """The application of the metrics' own port: `/metrics`, and the same at `/`."""

    async def answer(request: web.Request) -> web.Response:
        return await exposed(request, metrics)

    app = web.Application(client_max_size=0)
    app.router.add_get("/metrics", answer)
    app.router.add_get("/", answer)
    return app
