"""`limner`: puts the commands together and turns every failure into a message and an exit code."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import Annotated

import typer

from limner import __version__
from limner.app.threads import wait_asleep

from . import (
    adopt,
    backup,
    convert,
    doctor,
    generate,
    nodes,
    packs,
    run,
    serve,
    service,
    top,
    upgrade,
    users,
    validate,
    worker,
)
from .console import errors, output
from .errors import BadInput, CommandFailed
from .flags import expanded

INTERRUPTED = 130


def application() -> typer.Typer:
    """All commands."""
    app = typer.Typer(
        name="limner",
        no_args_is_help=True,
        invoke_without_command=True,
        add_completion=False,
        pretty_exceptions_enable=False,
    )
    app.callback()(options)
    commands = {
        "generate": generate.command,
        "run": run.command,
        "serve": serve.command,
        "worker": worker.command,
        "nodes": nodes.command,
        "validate": validate.command,
        "convert": convert.command,
        "adopt": adopt.command,
        "doctor": doctor.command,
        "top": top.command,
        "backup": backup.backup,
        "restore": backup.restore,
        "upgrade": upgrade.command,
    }
    for name, command in commands.items():
        app.command(name)(command)
    app.add_typer(packs.application())
    app.add_typer(service.application())
    app.add_typer(users.application())
    return app


def options(
    version: Annotated[bool, typer.Option("--version", help="Print the version.", is_eager=True)] = False,
) -> None:
    """Runs node graphs that make images, video and sound."""
    if version:
        output().print(f"limner {__version__}")
        raise typer.Exit


def main(arguments: Sequence[str] | None = None) -> None:
    """Run a command and end the process with its exit code."""
    sys.exit(status(sys.argv[1:] if arguments is None else arguments))


def status(arguments: Sequence[str]) -> int:
    """Run a command; gives its exit code."""
    wait_asleep()
    try:
        code = application()(args=expanded(arguments), prog_name="limner", standalone_mode=True)
    except SystemExit as ending:
        code = ending.code
    except CommandFailed as failure:
        report(failure)
        code = failure.code
    except KeyboardInterrupt:
        code = INTERRUPTED
    except Exception as error:
        if "--verbose" in arguments:
            raise
        remedy = "This is a mistake in Limner: please report it with what --verbose DEBUG prints"
        report(CommandFailed(f"{type(error).__name__}: {error}", remedy))
        code = 1
    return code if isinstance(code, int) else 0


def report(failure: CommandFailed) -> None:
    """Say on stderr what is wrong and what to do."""
    kind = "Bad input" if isinstance(failure, BadInput) else "Failed"
    console = errors()
    console.print(f"{kind}: ", style="bold red", end="")
    console.print(failure.problem, markup=False, highlight=False)
    if failure.remedy:
        console.print(failure.remedy, markup=False, highlight=False)
