"""`limner convert`: the API form of a workflow that the editor saved."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from limner.settings import Settings

from . import workflow_file
from .console import output
from .flags import RUNNING, with_settings
from .session import with_local

if TYPE_CHECKING:
    from limner.app.local import Local


@with_settings(*RUNNING)
def command(
    file: Annotated[Path, typer.Argument(help="Editor-format JSON, or a picture with a workflow inside.")],
    *,
    to: Annotated[Path | None, typer.Option("--to", help="The file to write; stdout if it is left out.")] = None,
    settings: Settings,
) -> None:
    """Print the API-format JSON of a workflow, as `POST /prompt` takes it."""
    workflow = workflow_file.read(file)

    async def work(local: Local) -> None:
        text = json.dumps(workflow.to_prompt(local.catalog, local.folders.choices), indent=2, ensure_ascii=False)
        if to is None:
            output().print(text, markup=False)
            return
        from limner.files import write_atomic

        write_atomic(to, (text + "\n").encode())

    with_local(settings, work)
