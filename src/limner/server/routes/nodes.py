"""`/object_info`: the node types, whole or one by one."""

from __future__ import annotations

from typing import Any

from aiohttp import hdrs, web

from ..answers import answer, not_found
from ..describe import describes
from ..services import services


@describes(answer=dict[str, dict[str, Any]], more=(304,))
async def object_info(request: web.Request) -> web.Response:
    """Every node type, with the files that are there now. Answers 304 where nothing has changed."""
    payload = services(request).object_info().whole()
    etag = f'"{payload.etag}"'
    headers = {hdrs.ETAG: etag, hdrs.CACHE_CONTROL: "no-cache", hdrs.VARY: "Accept-Encoding"}
    known = [part.strip().removeprefix("W/") for part in request.headers.get(hdrs.IF_NONE_MATCH, "").split(",")]
    if etag in known:
        return web.Response(status=304, headers=headers)
    if "gzip" in request.headers.get(hdrs.ACCEPT_ENCODING, ""):
        headers[hdrs.CONTENT_ENCODING] = "gzip"
        return web.Response(body=payload.gzipped, content_type="application/json", headers=headers)
    return web.Response(body=payload.body, content_type="application/json", headers=headers)


@describes(answer=dict[str, dict[str, Any]])
async def one_object_info(request: web.Request) -> web.Response:
    """One node type; an empty object where there is none, as ComfyUI's clients expect."""
    body = services(request).object_info().one(request.match_info["type"])
    return web.Response(body=body or b"{}", content_type="application/json")


@describes(answer=dict[str, Any])
async def node_replacements(request: web.Request) -> web.Response:
    """Which node types stand in for which missing ones: none are known."""
    return answer({})


@describes(answer=dict[str, Any])
async def global_subgraphs(request: web.Request) -> web.Response:
    """Subgraphs that every workflow may use: those that packs provide; none are installed."""
    return answer({})


@describes(answer=dict[str, Any])
async def global_subgraph(request: web.Request) -> web.Response:
    """One of them."""
    not_found(f"There is no global subgraph {request.match_info['id']!r}")


ROUTES = (
    web.get("/object_info", object_info),
    web.get("/object_info/{type:.+}", one_object_info),
    web.get("/node_replacements", node_replacements),
    web.get("/global_subgraphs", global_subgraphs),
    web.get("/global_subgraphs/{id}", global_subgraph),
)
