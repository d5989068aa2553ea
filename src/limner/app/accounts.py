"""Where the users of an installation are kept, and whether a server may start with them."""

from __future__ import annotations

import ipaddress
import socket
from collections.abc import Iterable
from pathlib import Path

from limner.accounts import AccountProblem, Accounts
from limner.server.proxies import trusted
from limner.settings import Settings

from .listening import CannotServe


def accounts_file(settings: Settings) -> Path:
    """The file of users, tokens and logins."""
    return settings.user_directory / "limner" / "accounts.sqlite"


def door(settings: Settings, sockets: Iterable[socket.socket]) -> Accounts | None:
    """The users of a server that asks for a login; None for one that does not.

    It asks as soon as there are users, or a proxy that names them. A server that others can reach, by itself or through
    a proxy, must. Raises CannotServe.
    """
    _check_proxies(settings)
    if settings.insecure_no_auth:
        return None
    try:
        accounts = Accounts(accounts_file(settings))
        asks = bool(accounts.users()) or bool(settings.proxy_user_header)
    except AccountProblem as error:
        raise CannotServe(error.problem, error.remedy) from error
    if asks:
        return accounts
    accounts.close()
    remedy = "Add one with `limner users add NAME --admin`, or say --insecure-no-auth to let everybody in"
    if proxies_of(settings):
        raise CannotServe("others come through --trusted-proxies, and there is no user who could log in", remedy)
    open_to_all = [address for address in map(_address, sockets) if not ipaddress.ip_address(address).is_loopback]
    if open_to_all:
        raise CannotServe(f"others can reach {open_to_all[0]}, and there is no user who could log in", remedy)
    return None


def proxies_of(settings: Settings) -> tuple[str, ...]:
    """The addresses and networks of trusted proxies."""
    return tuple(name.strip() for name in settings.trusted_proxies.split(",") if name.strip())


def _check_proxies(settings: Settings) -> None:
    try:
        trusted(proxies_of(settings))
    except ValueError as error:
        remedy = "Give addresses or networks, such as 10.0.0.2 or 10.1.0.0/16, separated by commas"
        raise CannotServe(f"--trusted-proxies: {error}", remedy) from error
    if settings.proxy_user_header and not proxies_of(settings):
        problem = "--proxy-user-header is given, and no proxy that may send it"
        raise CannotServe(problem, "Name its address with --trusted-proxies")


def _address(listening: socket.socket) -> str:
    return str(listening.getsockname()[0]).partition("%")[0]
