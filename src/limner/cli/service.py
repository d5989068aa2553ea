"""`limner service`: the server as a service of systemd."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Annotated

import typer

from limner.settings import Settings

from .console import errors, output
from .errors import BadInput, CommandFailed
from .flags import with_settings
from .worker import TAKEN

if TYPE_CHECKING:
    from limner.app.service import Scope
    from limner.app.service.machine import Owner

Name = Annotated[str, typer.Option(help="What the service is called.")]
OfSystem = Annotated[bool, typer.Option("--system", help="The machine's service; what root gets.")]
OfUser = Annotated[bool, typer.Option("--user", help="Your own service; what others than root get.")]


def application() -> typer.Typer:
    """`service` and what is below it."""
    service = typer.Typer(name="service", no_args_is_help=True, help="The server as a service of systemd.")
    service.command("install")(install)
    service.command("status")(status)
    service.command("uninstall")(uninstall)
    return service


@with_settings()
def install(
    name: Name = "limner",
    system: OfSystem = False,
    user: OfUser = False,
    run_as: Annotated[str, typer.Option(metavar="USER", help="Who the machine's service runs as.")] = "",
    worker: Annotated[
        str, typer.Option(metavar="HOST:PORT", help="A worker for the cluster there, in place of a server.")
    ] = "",
    start: Annotated[bool, typer.Option(help="Start it now, too.")] = True,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Print the unit, and change nothing.")] = False,
    *,
    settings: Settings,
) -> None:
    """Write the unit for this machine, and start the server with it from now on.

    It takes the settings that serve takes. What limner.toml says counts at each start of the service.
    """
    from limner.app.service import Scope, Systemd, text, wanted
    from limner.app.service.machine import owner

    with _reported():
        scope = _scope(system, user)
        if run_as and scope is Scope.USER:
            raise BadInput("--run-as names who the machine's service runs as", "Put sudo before it, or leave it out")
        who = owner(scope, run_as)
        unit = wanted(name, scope, who, settings, address=worker, taken=TAKEN if worker else ())
        written = text(unit)
        if dry_run:
            output().print(written, end="", markup=False)
            return
        systemd = Systemd.of(user=scope is Scope.USER)
        systemd.check()
        _make_folders(unit.writes, who)
        path = systemd.write(name, written)
        output().print(str(path), markup=False)
        systemd.enable(name)
        if start:
            systemd.start(name)
            errors().print(f"The service {name} runs, and will start with the machine.", markup=False)
        if scope is Scope.USER:
            errors().print(
                f"To have it run while you are not logged in: loginctl enable-linger {who.name}", style="dim"
            )
        journal = f"journalctl {'--user ' if scope is Scope.USER else ''}--follow --unit {name}"
        errors().print(f"Its log: {journal}. Its secrets go into {unit.environment_file}", style="dim", markup=False)


def status(name: Name = "limner", system: OfSystem = False, user: OfUser = False) -> None:
    """Say how the service is; the exit code is 1 where it does not run."""
    from limner.app.service import Scope, Systemd

    with _reported():
        systemd = Systemd.of(user=_scope(system, user) is Scope.USER)
        if not systemd.path(name).exists():
            raise CommandFailed(
                f"there is no service {name}: {systemd.path(name)}", "Make it with limner service install"
            )
        systemd.check(changing=False)
        output().print(systemd.status(name), end="", markup=False)
        state = systemd.state(name)
        if state != "active":
            raise CommandFailed(f"the service {name} is {state}", f"See its log: journalctl --unit {name}")


def uninstall(name: Name = "limner", system: OfSystem = False, user: OfUser = False) -> None:
    """Stop the service and delete its unit. Folders, models and the queue stay as they are."""
    from limner.app.service import Scope, Systemd

    with _reported():
        systemd = Systemd.of(user=_scope(system, user) is Scope.USER)
        if not systemd.path(name).exists():
            raise BadInput(f"there is no service {name}: {systemd.path(name)}", "Check --name, --user and --system")
        if not systemd.is_ours(name):
            raise BadInput(f"{systemd.path(name)} was not written by limner", "Disable it and delete it by yourself")
        systemd.check()
        systemd.forget(name)
        output().print(f"{systemd.path(name)} is gone", markup=False)


@contextmanager
def _reported() -> Iterator[None]:
    from limner.app.service import SystemdProblem
    from limner.files import FileProblem

    try:
        yield
    except (SystemdProblem, FileProblem) as error:
        raise BadInput(error.problem, error.remedy) from error


def _scope(system: bool, user: bool) -> Scope:
    from limner.app.service import Scope
    from limner.app.service.machine import scope_of_this_user

    if system and user:
        raise BadInput("--system and --user cannot both be", "Give one of them")
    return Scope.SYSTEM if system else Scope.USER if user else scope_of_this_user()


def _make_folders(folders: tuple[os.PathLike[str], ...], who: Owner) -> None:
    """Folders that are missing, as their owner's."""
    for folder in folders:
        try:
            os.makedirs(folder)
        except FileExistsError:
            continue
        except OSError as error:
            raise BadInput(f"{os.fspath(folder)} cannot be made: {error.strerror}", "Choose another folder") from error
        if os.geteuid() == 0:
            os.chown(folder, who.uid, who.gid)
