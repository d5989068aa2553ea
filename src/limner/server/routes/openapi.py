"""`/openapi.json`: what every route takes and gives; and a page to read and try it on."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from aiohttp import web

from ..answers import answer, not_found
from ..auth import identity
from ..describe import describes
from ..endpoints import LIBRARY, operation
from ..frontend import serve
from ..services import services

REFERENCE = Path(__file__).parents[1] / "reference"
PAGE = "index.html"
GENERAL = "/run/{name}"
DOCUMENT: web.AppKey[Callable[[], dict[str, Any]]] = web.AppKey("document")
"""The document of the routes that every server has; made once."""


@describes(answer=dict[str, Any])
async def openapi(request: web.Request) -> web.Response:
    """OpenAPI 3.1 of every route, and of the workflows that the user has as endpoints."""
    told, served, who = request.app[DOCUMENT](), services(request), identity(request)
    paths = dict(told["paths"])
    for kept in request.app[LIBRARY].workflows.latest(who.user):
        general = told["paths"][GENERAL]
        paths[f"/run/{kept.name}"] = {"post": operation(served, kept, general["post"])}
    return answer(told | {"paths": paths})


@describes(media=("text/html",))
async def reference(request: web.Request) -> web.FileResponse:
    """A page to read what every route does, and to try it."""
    return serve(REFERENCE / PAGE)


@describes(media=("text/javascript", "text/css"))
async def reference_file(request: web.Request) -> web.FileResponse:
    """A file of that page."""
    path = REFERENCE / request.match_info["file"]
    if path.parent != REFERENCE or not path.is_file():
        not_found(f"There is no file {path.name!r}", "See /reference")
    return serve(path)


def made_once(make: Callable[[], dict[str, Any]]) -> Callable[[], dict[str, Any]]:
    """The document, when it is first asked for; as JSON holds it."""
    known: list[dict[str, Any]] = []

    def document() -> dict[str, Any]:
        if not known:
            known.append(json.loads(json.dumps(make())))
        return known[0]

    return document


ROUTES = (
    web.get("/openapi.json", openapi),
    web.get("/reference", reference),
    web.get(r"/reference/{file:[\w.-]+}", reference_file),
)
