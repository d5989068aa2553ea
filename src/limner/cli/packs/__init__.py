"""`limner packs`: packs of custom nodes."""

from __future__ import annotations

import typer

from . import changing, showing

COMMANDS = {
    "new": changing.new,
    "list": showing.show,
    "info": showing.info,
    "install": changing.install,
    "update": changing.update,
    "remove": changing.remove,
    "enable": changing.enable,
    "disable": changing.disable,
    "isolate": changing.isolate,
    "check": showing.check,
    "lock": changing.lock,
}


def application() -> typer.Typer:
    """`packs` and what is below it."""
    packs = typer.Typer(
        name="packs", no_args_is_help=True, help="Packs of custom nodes: get, switch, check, write them."
    )
    for name, command in COMMANDS.items():
        packs.command(name)(command)
    return packs
