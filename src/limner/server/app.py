"""The aiohttp application: routes, middlewares and what they share."""

from __future__ import annotations

from aiohttp import web

from . import guard
from .answers import errors
from .auth import logins
from .frontend import FrontEnd
from .pack_routes import PackProxy
from .routes import all_routes
from .routes.login import ATTEMPTS, Attempts
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
    app[FRONT_END] = FrontEnd.installed(settings, services.packs.extensions, services.folders.base)
    app[SOCKETS] = Sockets(services)
    app[WEBHOOKS] = Webhooks(services, app[SOCKETS].translator)
    app.on_startup.append(_resume_webhooks)
    app.on_cleanup.append(_close_webhooks)
    app.on_response_prepare.append(guard.security_headers(settings))
    app.on_shutdown.append(_close_sockets)

    async def close_packs(app: web.Application) -> None:
        await packs.close()

    app.on_cleanup.append(close_packs)
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


async def _close_webhooks(app: web.Application) -> None:
    await app[WEBHOOKS].close()


async def _close_sockets(app: web.Application) -> None:
    await app[SOCKETS].close()
