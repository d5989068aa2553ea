"""The aiohttp application: routes, middlewares and what they share."""

from __future__ import annotations

import asyncio

from aiohttp import web

from limner.workflows import Library

from . import guard
from .answers import errors
from .auth import logins
from .drawing import AT_ONCE, TURNS
from .endpoints import LIBRARY
from .frontend import FrontEnd
from .openapi import document
from .pack_routes import PackProxy
from .routes import all_routes
from .routes.login import ATTEMPTS, Attempts
from .routes.openapi import DOCUMENT, made_once
from .routes.pages import FRONT_END, PAGES
from .services import SERVICES, Services
from .socket import SOCKETS, Sockets
from .webhooks import WEBHOOKS, Webhooks

API = "/api"


def create_app(services: Services) -> web.Application:
    """The application that serves these. Every route is there twice, as it is and under `/api`."""
    settings = services.settings
    packs = PackProxy(services.packs)
    app = web.Application(
        middlewares=[errors, guard.checks(settings), logins(settings), packs.middleware()],
        client_max_size=settings.max_upload_bytes,
    )
    app[SERVICES] = services
    app[ATTEMPTS] = Attempts()
    app[TURNS] = asyncio.Semaphore(AT_ONCE)
    library = services.library or Library(services.folders.user / "limner")
    app[LIBRARY] = library
    app[FRONT_END] = FrontEnd.installed(settings, services.packs.extensions, services.folders.base)
    app[SOCKETS] = Sockets(services)
    app[WEBHOOKS] = Webhooks(services, app[SOCKETS].translator)
    app[DOCUMENT] = made_once(lambda: document(all_routes(), settings.version))
    app.on_startup.append(_resume_webhooks)
    app.on_cleanup.append(_close_webhooks)
    app.on_response_prepare.append(guard.security_headers(settings))
    app.on_shutdown.append(_close_sockets)

    async def close_packs(app: web.Application) -> None:
        await packs.close()

    async def close_library(app: web.Application) -> None:
        if services.library is None:
            library.close()

    app.on_cleanup.append(close_packs)
    app.on_cleanup.append(close_library)
    app.on_startup.append(_drop_unfinished_batches)
    for route in all_routes():
        if route.path not in PAGES:
            _moved(route, API + route.path).register(app.router)
    for route in all_routes():
        route.register(app.router)
    return app


def _moved(route: web.RouteDef, path: str) -> web.RouteDef:
    """The same route elsewhere."""
    return web.RouteDef(route.method, path, route.handler, route.kwargs)


async def _resume_webhooks(app: web.Application) -> None:
    app[WEBHOOKS].resume()


async def _drop_unfinished_batches(app: web.Application) -> None:
    """Batches that a server died over while it queued them were promised to nobody."""
    queue, batches = app[SERVICES].queue, app[LIBRARY].batches
    for batch, jobs in batches.unfinished():
        if any(queue.place(job) is not None for job in jobs):
            await queue.delete(jobs)
            await batches.delete(batch)


async def _close_webhooks(app: web.Application) -> None:
    await app[WEBHOOKS].close()


async def _close_sockets(app: web.Application) -> None:
    await app[SOCKETS].close()
