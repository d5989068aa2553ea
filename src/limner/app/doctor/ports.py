"""The ports that a server would take, who has them now, and whether it may listen where it is told to."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from socket import socket
from urllib.error import URLError
from urllib.request import ProxyHandler, build_opener

from limner.files import Folders
from limner.settings import Settings

from ..accounts import accounts_file, door
from ..listening import CannotServe, Flags, bound
from ..metrics_port import FLAGS
from .finding import Finding, failed, noted, well

SECONDS = 3.0


def findings(settings: Settings, folders: Folders) -> Iterator[Finding]:
    yield _port("port", settings.listen, settings.port, Flags())
    if settings.metrics_port is not None:
        yield _port("metrics' port", settings.metrics_listen or settings.listen, settings.metrics_port, FLAGS)
    try:
        sockets = bound(settings.listen, 0)
    except CannotServe:
        return  # said above
    with tempfile.TemporaryDirectory() as nowhere:
        there = accounts_file(settings).is_file()  # looking for users where none are would make the file
        yield _login(settings if there else replace(settings, user_directory=Path(nowhere)), sockets)
    for opened in sockets:
        opened.close()


def _port(what: str, addresses: str, port: int, flags: Flags) -> Finding:
    try:
        for opened in bound(addresses, port, flags):
            opened.close()
    except CannotServe as error:
        said = _asked(port)
        if said:  # which is as it should be
            return noted(
                what, f"{port}: a Limner server answers there ({said})", f"A second one wants another {flags.port}"
            )
        return failed(what, error.problem, error.remedy)
    return well(what, f"{port} is free on {addresses}" if port else f"a free one on {addresses}")


def _login(settings: Settings, sockets: Sequence[socket]) -> Finding:
    try:
        accounts = door(settings, sockets)
    except CannotServe as error:
        return failed("login", error.problem, error.remedy)
    if accounts is None:
        return well("login", f"nobody is asked for one on {settings.listen}")
    with closing(accounts):
        return well("login", f"{len(accounts.users())} users may log in")


def _asked(port: int) -> str:
    """What a Limner server on this port of the machine says of its readiness; empty where there is none."""
    opener = build_opener(ProxyHandler({}))
    try:
        with opener.open(f"http://127.0.0.1:{port}/readyz", timeout=SECONDS) as answer:
            return str(json.load(answer)["status"])
    except URLError as error:
        body = getattr(error, "fp", None)
        try:
            return str(json.load(body)["status"]) if body is not None else ""
        except (ValueError, KeyError, TypeError):
            return ""
    except (OSError, ValueError, KeyError, TypeError):
        return ""
