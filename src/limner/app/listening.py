"""The sockets that the server listens on."""

from __future__ import annotations

import errno
import os
import socket
from collections.abc import Iterable
from dataclasses import dataclass

REASONS = {
    errno.EADDRINUSE: "it is taken by another program",
    errno.EACCES: "this user may not use it",
    errno.EADDRNOTAVAIL: "this machine has no such address",
}
EVERY = ("0.0.0.0", "::")
SERVER_URL = "LIMNER_SERVER_URL"
"""The environment variable by which the server tells its hosts where it answers."""


class CannotServe(Exception):
    """The server cannot start; `remedy` says what the user can do."""

    def __init__(self, problem: str, remedy: str) -> None:
        self.problem, self.remedy = problem, remedy
        super().__init__(f"{problem}. {remedy}")


@dataclass(frozen=True, slots=True)
class Flags:
    """The flags that an address and a port are given by, for what is said of them."""

    listen: str = "--listen"
    port: str = "--port"


def bound(addresses: str, port: int, flags: Flags = Flags()) -> list[socket.socket]:
    """A listening socket for each of the addresses (separated by commas), all on one port; 0 takes a free one.

    Where every address is wanted, a machine without IPv6 does with the others. Raises CannotServe.
    """
    names = [address.strip() for address in addresses.split(",") if address.strip()]
    found: list[socket.socket] = []
    try:
        for family, address in _resolved(names, flags):
            try:
                found.append(socket.create_server((address, port), family=family, backlog=512, reuse_port=False))
            except OSError as error:
                if address == "::" and found:
                    continue
                raise _refusal(address, port, error, flags) from error
            port = found[0].getsockname()[1]
    except CannotServe:
        for opened in found:
            opened.close()
        raise
    return found


def urls(sockets: Iterable[socket.socket]) -> list[str]:
    """The addresses as a person would type them; one that means every address is named as this machine."""
    found = []
    for opened in sockets:
        host, port = opened.getsockname()[:2]
        name = "127.0.0.1" if host in EVERY else f"[{host}]" if ":" in host else host
        found.append(f"http://{name}:{port}")
    return list(dict.fromkeys(found))


def _resolved(names: Iterable[str], flags: Flags) -> dict[tuple[socket.AddressFamily, str], None]:
    found: dict[tuple[socket.AddressFamily, str], None] = {}
    for name in names:
        try:
            for family, _, _, _, place in socket.getaddrinfo(name, None, type=socket.SOCK_STREAM):
                found[family, str(place[0])] = None
        except (OSError, UnicodeError) as error:
            raise CannotServe(f"there is no address {name!r}", f"Give an IP address to {flags.listen}") from error
    if not found:
        remedy = f"Give an IP address to {flags.listen}, such as 127.0.0.1"
        raise CannotServe("no address to listen on is given", remedy)
    return found


def _refusal(address: str, port: int, error: OSError, flags: Flags) -> CannotServe:
    reason = REASONS.get(error.errno or 0, os.strerror(error.errno or 0))
    remedy = f"Choose another with {flags.port}, or 0 for a free one"
    if error.errno == errno.EADDRNOTAVAIL:
        remedy = f"Give one of its addresses to {flags.listen}, such as 127.0.0.1"
    return CannotServe(f"cannot listen on {address}, port {port}: {reason}", remedy)
