"""The command: asks the server again and again, and shows it until Ctrl-C."""

from __future__ import annotations

import os
import time
from typing import Annotated

import typer
from rich.console import Console
from rich.live import Live

from ..console import output
from ..errors import BadInput
from .reading import NoAnswer, Reading, Server
from .screen import screen

ADDRESS, TOKEN = "LIMNER_URL", "LIMNER_TOKEN"
DEFAULT = "http://127.0.0.1:8188"
LEAST = 0.2
WIDTH = 100
"""Columns where there is no terminal."""


def command(
    url: Annotated[
        str, typer.Argument(help=f"The server's address; {ADDRESS}, else {DEFAULT}.", show_default=False)
    ] = "",
    token: Annotated[
        str, typer.Option("--token", help=f"An API token, where the server asks for a login; else {TOKEN}.")
    ] = "",
    interval: Annotated[float, typer.Option("--interval", help="Seconds between two looks.", metavar="SECONDS")] = 2.0,
    once: Annotated[bool, typer.Option("--once", help="Show it once, as text.")] = False,
) -> None:
    """Show what a running server does: its jobs, hosts and devices, and where the time goes. Ctrl-C ends it."""
    if not interval >= LEAST:
        raise BadInput(f"--interval {interval} is too short", f"Give {LEAST} seconds or more")
    server = Server(url or os.environ.get(ADDRESS, "") or DEFAULT, token or os.environ.get(TOKEN, ""))
    first, console = server.read(), output()
    if once or not console.is_terminal:
        width = console.width if console.is_terminal else WIDTH
        Console(highlight=False, width=width).print(screen(server.url, first))
        return
    _watch(console, server, first, interval)


def _watch(console: Console, server: Server, first: Reading, interval: float) -> None:
    now, before, lost = first, None, ""
    with Live(console=console, screen=True, auto_refresh=False) as live:
        try:
            while True:
                live.update(screen(server.url, now, before, lost), refresh=True)
                time.sleep(interval)
                try:
                    now, before, lost = server.read(), now, ""
                except NoAnswer as error:
                    lost = error.problem
        except KeyboardInterrupt:
            return
