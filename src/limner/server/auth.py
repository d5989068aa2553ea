"""Who a request comes from, and what that one may do.

Rules:

- A server that asks for a login (`Services.accounts`) answers nobody else, but for the login page and its health.
- A request is known by, in this order: a Bearer token; for WebSockets and event streams, which cannot set headers in a
  browser, `?token=`; the name that a trusted proxy puts in its header; the cookie of a login. A token that is wrong is
  refused, whatever else comes with it. A token in the address is never logged nor passed on.
- Reading needs the scope `read`, anything else `run`; `ADMIN` lists what needs `admin`.
- A stream that stays open is looked at again every `RECHECK` seconds, and ends when its login or token does.
- The routes get services that are confined to the user: see `ownership`.
"""

from __future__ import annotations

import asyncio
from urllib.parse import quote

from aiohttp import hdrs, web
from aiohttp.typedefs import Middleware

from limner.accounts import AccountProblem, Accounts, Identity, Scope, user_name

from .answers import ApiError, Handler
from .guard import SAFE_METHODS
from .limits import Rate
from .owned_queue import Owners
from .ownership import Homes, confined
from .proxies import network, trusted
from .services import SCOPED, SERVICES, ServerSettings

COOKIE = "limner_session"
LOGIN = "/login"
OPEN = frozenset({LOGIN, "/logout", "/healthz", "/readyz"})
"""What is answered without a login."""
ADMIN = frozenset(
    {
        ("GET", "/internal/logs"),
        ("GET", "/internal/logs/raw"),
        ("PATCH", "/internal/logs/subscribe"),
        ("GET", "/internal/folder_paths"),
        ("POST", "/free"),
        ("POST", "/models/load"),
        ("POST", "/models/unload"),
        ("POST", "/queue/pause"),
        ("POST", "/queue/resume"),
        ("POST", "/users"),
    }
)
"""What is everyone's concern: the machine's memory, its log and its folders, and whether jobs run at all."""
ANYONE = Identity("", Scope.ADMIN)
RECHECK = 10.0
IDENTITY = web.RequestKey("identity", Identity)


def identity(request: web.Request) -> Identity:
    """Whom a request comes from; without a login, anyone, who may do anything."""
    found: Identity = request.get(IDENTITY, ANYONE)
    return found


def logins(settings: ServerSettings) -> Middleware:
    """A middleware that lets in whoever is known, and gives the routes services confined to that user."""
    rate = Rate(settings.requests_per_minute)
    shared: list[tuple[Owners, Homes]] = []

    @web.middleware
    async def known(request: web.Request, handler: Handler) -> web.StreamResponse:
        served = request.app[SERVICES]
        if not shared:
            shared.append((Owners(served.queue, served.history), Homes(served)))
        who = ANYONE
        if served.accounts is not None:
            if _route(request) in OPEN:
                return await handler(request)
            found = identified(request, served.accounts, settings)
            if found is None:
                return _unknown(request)
            who = found
            _allow(request, who)
            _count(rate, who.user)
        request[IDENTITY] = who
        request[SCOPED] = confined(served, who, *shared[0])
        return await handler(request)

    return known


def identified(request: web.Request, accounts: Accounts, settings: ServerSettings) -> Identity | None:
    """Whom the request comes from, or None. Raises `ApiError` for a wrong token."""
    secret = _token(request)
    if secret is not None:
        found = accounts.by_token(secret)
        if found is None:
            raise ApiError(401, "bad_token", "This token is not known", "Make one with: limner users token add NAME")
        return found
    if settings.proxy_user_header and trusted(settings.trusted_proxies).sent(request):
        names = request.headers.getall(settings.proxy_user_header, [])
        if len(names) == 1 and names[0].strip():
            return _named_by_proxy(names[0], accounts)
    cookie = request.cookies.get(COOKIE)
    return accounts.by_session(cookie) if cookie else None


async def unknown(request: web.Request) -> None:
    """Wait until whoever has opened a stream may hear no more: the login or token is gone, or good for less."""
    served = request.app[SERVICES]
    while served.accounts is None or await asyncio.to_thread(_still_known, request, served.accounts, served.settings):
        await asyncio.sleep(RECHECK)


def _still_known(request: web.Request, accounts: Accounts, settings: ServerSettings) -> bool:
    try:
        return identified(request, accounts, settings) == identity(request)
    except ApiError:
        return False
    except AccountProblem:  # nobody is put out because the file of users cannot be read for a moment
        return True


def _named_by_proxy(name: str, accounts: Accounts) -> Identity:
    try:
        name = user_name(name)
    except AccountProblem as error:
        raise ApiError(403, "bad_user", error.problem, error.remedy) from None
    user = accounts.user(name)
    return Identity(name, user.scope if user is not None else Scope.RUN)


def _token(request: web.Request) -> str | None:
    scheme, _, secret = request.headers.get(hdrs.AUTHORIZATION, "").partition(" ")
    if scheme.lower() == "bearer":
        return secret.strip()
    streams = request.headers.get(hdrs.UPGRADE, "").lower() == "websocket" or request.path.endswith("/events")
    return request.query.get("token") if streams and request.method == hdrs.METH_GET else None


def _route(request: web.Request) -> str:
    """The path of the route that answers, as it was declared, without `/api`."""
    resource = request.match_info.route.resource
    path = resource.canonical if resource is not None else ""
    return path.removeprefix("/api") if path.startswith("/api/") else path


def _allow(request: web.Request, who: Identity) -> None:
    needed = Scope.READ if request.method in SAFE_METHODS else Scope.RUN
    method = "GET" if request.method == hdrs.METH_HEAD else request.method
    if (method, _route(request)) in ADMIN:
        needed = Scope.ADMIN
    if who.scope < needed:
        raise ApiError(
            403,
            "not_allowed",
            f"This needs the scope {needed.name.lower()}, and {who.user} comes with {who.scope.name.lower()}",
            "Ask whoever runs the server, or use another token",
        )


def _count(rate: Rate, key: str) -> None:
    seconds = rate.wait(key)
    if seconds:
        raise ApiError(429, "too_many_requests", "Too many requests in a minute", f"Wait {seconds:.0f} seconds")


def _unknown(request: web.Request) -> web.Response:
    """A person is sent to the login page, a program is told what is missing."""
    opens = request.headers.get("Sec-Fetch-Mode", "navigate") == "navigate"
    if request.method == hdrs.METH_GET and opens and "text/html" in request.headers.get(hdrs.ACCEPT, ""):
        onwards = request.path_qs if "token" not in request.query and len(request.path_qs) < 1000 else "/"
        headers = {hdrs.LOCATION: f"{LOGIN}?next={quote(onwards, safe='/')}", hdrs.CACHE_CONTROL: "no-store"}
        return web.Response(status=302, headers=headers)
    raise ApiError(
        401,
        "login_needed",
        "This server asks for a login",
        f"Log in at {LOGIN}, or send a token: Authorization: Bearer TOKEN",
    )


def client_key(request: web.Request, settings: ServerSettings) -> str:
    """What the client is counted by while nobody knows who it is."""
    return network(trusted(settings.trusted_proxies).client(request))
