"""Proxies that are trusted: what they say of the client they speak for is believed, what anyone else says is not.

A request whose TCP peer is one of the named addresses counts as coming from the client, under the name and by the
scheme, that its `X-Forwarded-For`, `-Host` and `-Proto` headers tell. So Host and Origin agree behind a proxy that
calls the server by another name.
"""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass
from functools import lru_cache

from aiohttp import hdrs, web

Network = ipaddress.IPv4Network | ipaddress.IPv6Network


@dataclass(frozen=True, slots=True)
class Proxies:
    """The addresses and networks of trusted proxies."""

    networks: tuple[Network, ...] = ()

    def sent(self, request: web.Request) -> bool:
        """Whether the request comes through one of them."""
        return bool(self.networks) and self._trusts(request.remote or "")

    def _trusts(self, text: str) -> bool:
        try:
            address = _address(text)
        except ValueError:
            return False
        return any(address.version == network.version and address in network for network in self.networks)

    def client(self, request: web.Request) -> str:
        """The address that the request began at: the last one that is not a trusted proxy's."""
        peer = request.remote or ""
        if not self.sent(request):
            return peer
        hops = [hop.strip() for hop in ",".join(request.headers.getall("X-Forwarded-For", [])).split(",")]
        for hop in reversed(hops):
            if not self._trusts(hop):
                return hop if _is_address(hop) else peer
        return peer

    def host(self, request: web.Request) -> str:
        """The Host header that the client sent."""
        own = request.headers.get(hdrs.HOST, "")
        return _last(request, "X-Forwarded-Host") or own if self.sent(request) else own

    def secure(self, request: web.Request) -> bool:
        """Whether the client speaks TLS."""
        return request.secure or (self.sent(request) and _last(request, "X-Forwarded-Proto").lower() == "https")


@lru_cache(maxsize=16)
def trusted(names: tuple[str, ...]) -> Proxies:
    """The proxies of these addresses and networks. Raises ValueError for what is neither."""
    return Proxies(tuple(ipaddress.ip_network(name, strict=False) for name in names))


def _last(request: web.Request, name: str) -> str:
    """What the nearest proxy wrote: what stands before it may be the client's own."""
    values = request.headers.getall(name, [])
    return values[-1].rpartition(",")[2].strip() if values else ""


def _address(text: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address:
    address = ipaddress.ip_address(text.partition("%")[0])
    return getattr(address, "ipv4_mapped", None) or address


def _is_address(text: str) -> bool:
    try:
        _address(text)
    except ValueError:
        return False
    return True


def network(address: str) -> str:
    """What one client is known by when it is counted: its address, of IPv6 the first half."""
    try:
        found = _address(address)
    except ValueError:
        return address
    return str(found) if found.version == 4 else str(ipaddress.ip_network((found, 64), strict=False))
