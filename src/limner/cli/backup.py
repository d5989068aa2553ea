"""`limner backup` and `limner restore`."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import typer

from limner.settings import Settings

from .console import errors, output
from .errors import BadInput, CommandFailed
from .flags import with_settings

folders = with_settings("base_directory", "user_directory", "input_directory", "output_directory")


@contextmanager
def _reported() -> Iterator[None]:
    from limner.database import DatabaseProblem
    from limner.files import BadFile, FileProblem

    try:
        yield
    except BadFile as error:
        raise BadInput(error.problem, error.remedy) from error
    except (DatabaseProblem, FileProblem) as error:
        raise CommandFailed(error.problem, error.remedy) from error


@folders
def backup(
    to: Annotated[
        Path | None, typer.Argument(help="The file to write; one named after the time if it is left out.")
    ] = None,
    media: Annotated[bool, typer.Option("--media", help="Take the input and output folders too.")] = False,
    *,
    settings: Settings,
) -> None:
    """Copy queue, history, users, workflows and settings into one file; a server may run meanwhile."""
    from limner.app.backup import default_name, write_backup

    with _reported():
        made = write_backup(settings, (to or Path(default_name())).absolute(), media=media)
    output().print(str(made.path), markup=False)
    errors().print(f"{made.files} files, {made.size / 2**20:.1f} MB. It holds passwords' hashes: keep it safe.")


@folders
def restore(
    source: Annotated[Path, typer.Argument(help="A file that `limner backup` has written.", show_default=False)],
    *,
    settings: Settings,
) -> None:
    """Put back what a backup holds. What is there is put aside, not deleted; no server may run meanwhile."""
    from limner.app.backup import restore_backup

    with _reported():
        done = restore_backup(settings, source.absolute())
    output().print(f"{done.files} files are back in {settings.base_directory}", markup=False)
    for path in done.aside:
        errors().print(f"What was there is kept as {path}", style="dim", markup=False)
