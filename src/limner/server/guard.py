"""Who may talk to the server, and what its pages may do.

Rules:

- The Host header must name this machine: an address, `localhost`, a name that it listens on or that is trusted. So no
  name that a stranger points at us (DNS rebinding) reaches anything.
- A request that changes something, or opens a socket, and has an Origin must come from our own pages. A browser's
  request that says it is cross-site is refused too, unless it only opens the editor or the login page.
- Behind a trusted proxy, Host and Origin are those that the browser sent to the proxy: see `proxies`.
- Pages get a Content-Security-Policy under which nothing is fetched from, or sent to, any other host; one setting
  lets the editor reach others. What is served is never sniffed into another type.
"""

from __future__ import annotations

import ipaddress
import socket
from collections.abc import Awaitable, Callable
from urllib.parse import urlsplit

from aiohttp import hdrs, web
from aiohttp.typedefs import Middleware

from .answers import ApiError, Handler
from .proxies import Proxies, trusted
from .services import ServerSettings

SAFE_METHODS = frozenset({hdrs.METH_GET, hdrs.METH_HEAD, hdrs.METH_OPTIONS})
OPENED_FROM_ELSEWHERE = frozenset({"/", "/login"})
"""What a link on another site may open."""
LOCAL_NAMES = frozenset({"localhost", "ip6-localhost"})

_POLICY = {
    "default-src": "'self'",
    "script-src": "'self' 'unsafe-inline' 'unsafe-eval' 'wasm-unsafe-eval' blob:",
    "style-src": "'self' 'unsafe-inline'",
    "img-src": "'self' data: blob:",
    "media-src": "'self' data: blob:",
    "font-src": "'self' data:",
    "connect-src": "'self' data: blob:",
    "worker-src": "'self' blob:",
    "frame-src": "'self' blob:",
    "object-src": "'none'",
    "base-uri": "'self'",
    "form-action": "'self'",
    "frame-ancestors": "'self'",
}
_OPENED = frozenset(
    {"default-src", "script-src", "style-src", "img-src", "media-src", "font-src", "connect-src", "frame-src"}
)


def content_security_policy(allow_external: bool) -> str:
    """The policy of our pages; `allow_external` opens them to other hosts."""
    more = " https: http: wss: ws:" if allow_external else ""
    return "; ".join(f"{name} {value}{more if name in _OPENED else ''}" for name, value in _POLICY.items())


def security_headers(settings: ServerSettings) -> Callable[[web.Request, web.StreamResponse], Awaitable[None]]:
    """A signal handler that puts the headers on every answer."""
    headers = {
        "Content-Security-Policy": content_security_policy(settings.allow_external_requests),
        "X-Content-Type-Options": "nosniff",
        "Referrer-Policy": "same-origin",
        "X-DNS-Prefetch-Control": "off",
        "Cross-Origin-Resource-Policy": "same-origin",
    }

    async def protect(_: web.Request, response: web.StreamResponse) -> None:
        for name, value in headers.items():
            response.headers.setdefault(name, value)

    return protect


def checks(settings: ServerSettings) -> Middleware:
    """A middleware that refuses requests under foreign names and from foreign pages."""
    names = _own_names(settings)
    listens_elsewhere = any(not _is_loopback(address.strip()) for address in settings.listen)

    proxies = trusted(settings.trusted_proxies)

    @web.middleware
    async def checked(request: web.Request, handler: Handler) -> web.StreamResponse:
        host = proxies.host(request)
        _check_host(host, names, listens_elsewhere)
        _check_origin(request, {host, *_public(request, proxies, settings)})
        return await handler(request)

    return checked


def _own_names(settings: ServerSettings) -> frozenset[str]:
    host = socket.gethostname().lower()
    listed = {name.strip().lower() for name in (*settings.listen, *settings.trusted_hosts)}
    return frozenset({*LOCAL_NAMES, host, f"{host}.local", *listed})


def _is_loopback(address: str) -> bool:
    try:
        return ipaddress.ip_address(address).is_loopback
    except ValueError:
        return address.lower() in LOCAL_NAMES


def _public(request: web.Request, proxies: Proxies, settings: ServerSettings) -> tuple[str, ...]:
    """The names that browsers know the server by where a proxy calls it by another one and does not say so."""
    return settings.trusted_hosts if proxies.sent(request) else ()


def _check_host(header: str, names: frozenset[str], listens_elsewhere: bool) -> None:
    host = _host_name(header)
    if host in names or host.endswith(".localhost"):
        return
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        pass
    else:
        if listens_elsewhere or address.is_loopback:
            return
    raise ApiError(
        403,
        "unknown_host",
        f"This server does not answer to the name {host!r}",
        "Open it by its address, or start the server with --trusted-hosts and this name",
    )


def _host_name(header: str) -> str:
    try:
        return (urlsplit(f"//{header}").hostname or "").rstrip(".")
    except ValueError:
        return ""


def _check_origin(request: web.Request, hosts: set[str]) -> None:
    changes = request.method not in SAFE_METHODS or hdrs.UPGRADE in request.headers
    origin = request.headers.get(hdrs.ORIGIN)
    if origin is not None and changes and not any(_same_site(origin, host) for host in hosts):
        _refuse(origin)
    if request.headers.get("Sec-Fetch-Site") == "cross-site":
        opens = request.headers.get("Sec-Fetch-Mode") == "navigate" and request.headers.get("Sec-Fetch-Dest") in (
            "document",
            "",
            None,
        )
        if changes or not opens or request.path not in OPENED_FROM_ELSEWHERE:
            _refuse(origin or "another site")


def _same_site(origin: str, host: str) -> bool:
    try:
        parts = urlsplit(origin)
        return parts.scheme in ("http", "https") and parts.netloc.lower() == host.lower()
    except ValueError:
        return False


def _refuse(origin: str) -> None:
    raise ApiError(
        403, "cross_site", f"Requests from {origin} are refused", "Use the editor that this server serves itself"
    )
