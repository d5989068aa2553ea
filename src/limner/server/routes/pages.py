"""The editor, its extensions, templates and node help: static files."""

from __future__ import annotations

from aiohttp import web

from ..answers import answer
from ..describe import describes
from ..frontend import FOREVER, FrontEnd, doc, serve, template

FRONT_END = web.AppKey("front_end", FrontEnd)


@describes(answer=list[str])
async def extensions(request: web.Request) -> web.Response:
    """The paths of the editor's extensions."""
    return answer(list(request.app[FRONT_END].scripts()))


@describes(media=("*/*",))
async def extension(request: web.Request) -> web.FileResponse:
    """A file of an extension."""
    matched = request.match_info
    return serve(request.app[FRONT_END].extension(matched["name"], matched.get("path", "")))


@describes(media=("*/*",))
async def templates(request: web.Request) -> web.FileResponse:
    """A file of the installed workflow templates."""
    return serve(template(request.match_info["path"]))


@describes(media=("*/*",))
async def docs(request: web.Request) -> web.FileResponse:
    """A file of the installed node help."""
    return serve(doc(request.match_info["path"]))


@describes(media=("text/css",))
async def user_style(request: web.Request) -> web.Response:
    """The user's own style sheet for the editor, which asks for it at the root: there is none but in /userdata."""
    return web.Response(text="", content_type="text/css")


@describes(media=("*/*",))
async def page(request: web.Request) -> web.FileResponse:
    """A file of the editor."""
    path = request.match_info.get("path", "")
    return serve(request.app[FRONT_END].page(path), FOREVER if path.startswith("assets/") else "no-cache")


PAGES = ("/", "/{path:.+}")
"""What is not an API: these are not there under /api."""

ROUTES = (
    web.get("/extensions", extensions),
    web.get("/extensions/{name}/{path:.+}", extension),
    web.get(r"/extensions/{name:[^/]+\.js}", extension),
    web.get("/templates/{path:.+}", templates),
    web.get("/docs/{path:.+}", docs),
    web.get("/user.css", user_style),
    *(web.get(path, page) for path in PAGES),
)
