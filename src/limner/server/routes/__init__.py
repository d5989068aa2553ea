"""The routes, one file a resource. Each module has `ROUTES`; a handler takes the request and gives a response."""

from __future__ import annotations

from collections.abc import Iterator

from aiohttp import web

from . import (
    assets,
    control,
    events,
    history,
    internal,
    jobs,
    library,
    login,
    models,
    nodes,
    pages,
    profiles,
    prompts,
    queue,
    settings,
    system,
    uploads,
    userdata,
    view,
)

MODULES = (
    login,
    prompts,
    queue,
    history,
    jobs,
    control,
    events,
    view,
    uploads,
    assets,
    nodes,
    models,
    library,
    settings,
    profiles,
    userdata,
    system,
    internal,
    pages,
)
"""`pages` is last: it takes every path that nothing else has."""


def all_routes() -> Iterator[web.RouteDef]:
    for module in MODULES:
        yield from module.ROUTES
