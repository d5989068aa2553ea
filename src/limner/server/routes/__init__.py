"""The routes, one file a resource. Each module has `ROUTES`; a handler takes the request and gives a response."""

from __future__ import annotations

from collections.abc import Iterator

from aiohttp import web

from . import (
    asset_changes,
    assets,
    batches,
    control,
    events,
    history,
    internal,
    jobs,
    library,
    login,
    models,
    nodes,
    openapi,
    pages,
    profiles,
    prompts,
    queue,
    run,
    settings,
    system,
    uploads,
    userdata,
    view,
    workflows,
)

MODULES = (
    login,
    prompts,
    queue,
    history,
    jobs,
    workflows,
    run,
    batches,
    control,
    events,
    view,
    uploads,
    assets,
    asset_changes,
    nodes,
    models,
    library,
    settings,
    profiles,
    userdata,
    system,
    internal,
    openapi,
    pages,
)
"""`pages` is last: it takes every path that nothing else has."""


def all_routes() -> Iterator[web.RouteDef]:
    for module in MODULES:
        yield from module.ROUTES
