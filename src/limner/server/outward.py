"""Requests to other machines on behalf of users: never to this one, whatever name leads here.

What listens on this machine alone, or is reached by its own link alone (such as a cloud's metadata), trusts whoever can
reach it; a user of the server is not to be among those.
"""

from __future__ import annotations

import ipaddress
import socket

import aiohttp
from aiohttp.abc import ResolveResult


def is_own(address: str) -> bool:
    """Whether this is an address of the machine itself or of its link; False for what is no address."""
    try:
        found = ipaddress.ip_address(address.partition("%")[0])
    except ValueError:
        return False
    plain = getattr(found, "ipv4_mapped", None) or found
    return plain.is_loopback or plain.is_unspecified or plain.is_link_local or plain.is_multicast


class Outward(aiohttp.ThreadedResolver):
    """Resolves names to addresses of other machines; one that has no such address is as if it were not there."""

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> list[ResolveResult]:
        found = [result for result in await super().resolve(host, port, family) if not is_own(result["host"])]
        if not found:
            raise OSError(None, f"{host} is this machine")
        return found
