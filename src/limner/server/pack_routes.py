"""Requests that packs answer: passed on to the host that their handlers run in.

Rules: what the server itself has a route for, the server answers; only what would be a file of the editor, or nothing,
is looked for among the packs' routes, with and without `/api` before it. Requests have passed the same checks of their
origin as all others before they come here. Bodies are streamed both ways; WebSockets are joined. What a user logs in
with stays here, and cookies that a pack sets are its users' own.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any

from aiohttp import (
    ClientConnectorError,
    ClientSession,
    ClientWebSocketResponse,
    DummyCookieJar,
    TCPConnector,
    UnixConnector,
    WSMsgType,
    hdrs,
    web,
)
from aiohttp.typedefs import Handler
from multidict import CIMultiDict

from limner.accounts import TOKEN_PREFIX

from .answers import ApiError
from .auth import COOKIE
from .packs import PackSurface

HOP_BY_HOP = frozenset(
    name.lower()
    for name in (
        *(hdrs.CONNECTION, hdrs.KEEP_ALIVE, hdrs.PROXY_AUTHENTICATE, hdrs.PROXY_AUTHORIZATION, hdrs.TE, hdrs.TRAILER),
        *(hdrs.TRANSFER_ENCODING, hdrs.UPGRADE),
    )
)
WS_KEYS = tuple(
    name.lower()
    for name in (
        *(hdrs.SEC_WEBSOCKET_KEY, hdrs.SEC_WEBSOCKET_VERSION, hdrs.SEC_WEBSOCKET_EXTENSIONS),
        *(hdrs.SEC_WEBSOCKET_PROTOCOL, hdrs.SEC_WEBSOCKET_ACCEPT),
    )
)
EDITOR = "/{path}"
CHUNK = 2**18


class PackProxy:
    """Passes requests on. One session for each address."""

    def __init__(self, surface: PackSurface) -> None:
        self._surface = surface
        self._sessions: dict[str, ClientSession] = {}

    def middleware(self) -> Any:
        @web.middleware
        async def passed_on(request: web.Request, handler: Handler) -> web.StreamResponse:
            resource = request.match_info.route.resource
            if resource is not None and resource.canonical != EDITOR:
                return await handler(request)
            found = self._surface.route_for(request.method, request.rel_url.raw_path)
            if found is None:
                return await handler(request)
            return await self._pass(request, *found)

        return passed_on

    async def close(self) -> None:
        for session in self._sessions.values():
            await session.close()

    async def _pass(self, request: web.Request, address: str, path: str) -> web.StreamResponse:
        session = await self._open(address)
        target = request.rel_url.with_path(path, encoded=True, keep_query=True)
        if request.query.get("token", "").startswith(TOKEN_PREFIX):
            target = target.without_query_params("token")
        kind, _, place = address.partition(":")
        url = f"http://localhost:{place if kind == 'tcp' else '80'}{target}"
        try:
            if request.headers.get(hdrs.UPGRADE, "").lower() == "websocket":
                return await _join(request, session, url)
            return await _answer(request, session, url)
        except ClientConnectorError as error:
            raise ApiError(
                503, "host_unavailable", "The pack's host is not running", "Try again in a moment"
            ) from error

    async def _open(self, address: str) -> ClientSession:
        """The session of an address; those of hosts that are gone are closed."""
        known = {served.address for served in self._surface.served.values()}
        for old in [place for place in self._sessions if place not in known]:
            await self._sessions.pop(old).close()
        session = self._sessions.get(address)
        if session is None:
            kind, _, place = address.partition(":")
            connector = UnixConnector(place) if kind == "unix" else TCPConnector()
            session = ClientSession(connector=connector, auto_decompress=False, cookie_jar=DummyCookieJar())
            self._sessions[address] = session
        return session


def _headers(given: Mapping[str, str], *more: str) -> CIMultiDict[str]:
    dropped = {*HOP_BY_HOP, *more}
    return CIMultiDict((name, value) for name, value in given.items() if name.lower() not in dropped)


def _onwards(request: web.Request, *more: str) -> CIMultiDict[str]:
    """The headers of a request, without what its user is known by."""
    headers = _headers(request.headers, *more, "authorization", "cookie")
    cookies = [f"{name}={value}" for name, value in request.cookies.items() if name != COOKIE]
    if cookies:
        headers[hdrs.COOKIE] = "; ".join(cookies)
    return headers


async def _answer(request: web.Request, session: ClientSession, url: str) -> web.StreamResponse:
    body = request.content.iter_chunked(CHUNK) if request.body_exists else None
    async with session.request(
        request.method, url, headers=_onwards(request), data=body, allow_redirects=False
    ) as answer:
        response = web.StreamResponse(status=answer.status, reason=answer.reason, headers=_headers(answer.headers))
        await response.prepare(request)
        async for chunk in answer.content.iter_chunked(CHUNK):
            await response.write(chunk)
        await response.write_eof()
        return response


async def _join(request: web.Request, session: ClientSession, url: str) -> web.WebSocketResponse:
    """Two sockets as one, until either closes."""
    asked = request.headers.get(hdrs.SEC_WEBSOCKET_PROTOCOL, "")
    protocols = [name.strip() for name in asked.split(",") if name.strip()]
    async with session.ws_connect(url, headers=_onwards(request, *WS_KEYS), protocols=protocols) as theirs:
        ours = web.WebSocketResponse(protocols=[theirs.protocol] if theirs.protocol else ())
        await ours.prepare(request)
        pumps = [asyncio.create_task(_pump(ours, theirs)), asyncio.create_task(_pump(theirs, ours))]
        await asyncio.wait(pumps, return_when=asyncio.FIRST_COMPLETED)
        for pump in pumps:
            pump.cancel()
        await ours.close()
    return ours


async def _pump(
    source: web.WebSocketResponse | ClientWebSocketResponse, target: web.WebSocketResponse | ClientWebSocketResponse
) -> None:
    async for message in source:
        if message.type is WSMsgType.TEXT:
            await target.send_str(message.data)
        elif message.type is WSMsgType.BINARY:
            await target.send_bytes(message.data)
