"""`/login` and `/logout`: a page of ours in front of the editor, which knows nothing of logins.

Rules: the cookie is out of reach of scripts (HttpOnly), is not sent along from other sites (SameSite), and is Secure
where the browser speaks TLS. Who fails too often must wait. A name that is not known fails like a wrong password, and
as slowly. After it, the browser goes on to a page of this server and to no other.
"""

from __future__ import annotations

import asyncio
import html
from functools import cache
from pathlib import Path
from string import Template
from typing import Any

import msgspec
from aiohttp import hdrs, web

from ..answers import ApiError, answer, read_form, read_object, unicode
from ..auth import COOKIE, LOGIN, client_key, identified
from ..describe import describes
from ..limits import Rate
from ..proxies import trusted
from ..services import Services, services

FAILURES, FAILURE_SECONDS = 10, 300.0
AT_ONCE = 2
"""Passwords that are checked at a time: each takes 64 MiB."""
LONGEST = 4096
POLICY = "default-src 'none'; style-src 'unsafe-inline'; form-action 'self'; frame-ancestors 'none'; base-uri 'none'"
FAILED = "That name and password do not go together."


class LoginBody(msgspec.Struct):
    """`next` is the page to go on to."""

    username: str
    password: str
    next: str = "/"


class LoginQuery(msgspec.Struct):
    next: str = "/"


class LoggedIn(msgspec.Struct):
    user: str


class Attempts:
    """Who has failed to log in lately, and the turns in which passwords are checked."""

    def __init__(self) -> None:
        self.failures = Rate(FAILURES, FAILURE_SECONDS)
        self.turns = asyncio.Semaphore(AT_ONCE)


ATTEMPTS = web.AppKey("attempts", Attempts)


@cache
def _template() -> Template:
    return Template((Path(__file__).parents[1] / "login.html").read_text("utf-8"))


@describes(query=LoginQuery, media=("text/html",))
async def login_page(request: web.Request) -> web.Response:
    """The page to log in on. Query: `next`, the page to go on to."""
    served = services(request)
    if served.accounts is None:
        return _onwards(request.query.get("next", "/"))
    user = ""
    try:
        known = identified(request, served.accounts, served.settings)
        user = known.user if known is not None else ""
    except ApiError:
        pass
    return _page(request.query.get("next", "/"), user=user)


@describes(body=LoginBody, form=LoginBody, answer=LoggedIn, more=(303,))
async def login(request: web.Request) -> web.Response:
    """Log in with `username` and `password`, as a form or as JSON; sets the cookie."""
    served = services(request)
    accounts = served.accounts
    if accounts is None:
        raise ApiError(404, "not_found", "This server asks for no login", "Use it as it is")
    said, by_form = await _said(request)
    name, password = (unicode(str(said.get(key, ""))) for key in ("username", "password"))
    attempts, key = request.app[ATTEMPTS], client_key(request, served.settings)
    seconds = attempts.failures.wait(key)
    if seconds:
        message = f"Too many attempts. Try again in {seconds:.0f} seconds."
        if by_form:
            return _page(str(said.get("next", "/")), message, status=429)
        raise ApiError(429, "too_many_attempts", message, "Wait that long")
    async with attempts.turns:
        user = await asyncio.to_thread(accounts.check, name[:LONGEST], password[:LONGEST])
    if user is None:
        if by_form:
            return _page(str(said.get("next", "/")), FAILED, status=401)
        raise ApiError(401, "login_failed", FAILED, "Check both")
    secret = await asyncio.to_thread(accounts.new_session, user.name, served.settings.session_seconds)
    response = _onwards(str(said.get("next", "/"))) if by_form else answer({"user": user.name})
    _set_cookie(request, served, response, secret)
    return response


@describes(status=303)
async def logout(request: web.Request) -> web.Response:
    """Log out: the cookie is worth nothing any more."""
    served = services(request)
    cookie = request.cookies.get(COOKIE)
    if cookie and served.accounts is not None:
        await asyncio.to_thread(served.accounts.end_session, cookie)
    response = _onwards(LOGIN)
    response.del_cookie(COOKIE, path="/", httponly=True, samesite="Lax")
    return response


async def _said(request: web.Request) -> tuple[dict[str, Any], bool]:
    if (request.content_length or 0) > LONGEST:
        raise ApiError(413, "too_large", "A login is short", "Send a name and a password")
    request = request.clone(client_max_size=LONGEST)  # which bounds what tells no length, and what is packed, too
    if request.content_type == "application/json":
        return await read_object(request), False
    return dict(await read_form(request, "Send the fields username and password")), True


def _set_cookie(request: web.Request, served: Services, response: web.Response, secret: str) -> None:
    response.set_cookie(
        COOKIE,
        secret,
        max_age=int(served.settings.session_seconds),
        path="/",
        httponly=True,
        samesite="Lax",
        secure=trusted(served.settings.trusted_proxies).secure(request),
    )


def _onwards(path: str) -> web.Response:
    """To another page of this server; what could lead elsewhere leads to the editor."""
    inside = path.startswith("/") and not path.startswith(("//", "/\\")) and path.isascii() and path.isprintable()
    return web.Response(status=303, headers={hdrs.LOCATION: path if inside else "/", hdrs.CACHE_CONTROL: "no-store"})


def _page(onwards: str, message: str = "", *, user: str = "", status: int = 200) -> web.Response:
    told = {"next": onwards, "message": message, "user": user}
    text = _template().substitute(
        {key: html.escape(value) for key, value in told.items()},
        out="" if user else "hidden",
    )
    headers = {"Content-Security-Policy": POLICY, hdrs.CACHE_CONTROL: "no-store", "X-Frame-Options": "DENY"}
    return web.Response(text=text, content_type="text/html", status=status, headers=headers)


ROUTES = (web.get(LOGIN, login_page), web.post(LOGIN, login), web.post("/logout", logout))
