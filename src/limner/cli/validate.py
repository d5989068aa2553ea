"""`limner validate`: everything that is wrong with a workflow file, without running it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from limner.settings import Settings

from . import workflow_file
from .console import output
from .flags import RUNNING, with_settings
from .session import checked, problems_of, rejection, with_local

if TYPE_CHECKING:
    from limner.app.local import Local


@with_settings(*RUNNING)
def command(
    file: Annotated[Path, typer.Argument(help="API or editor JSON, or a picture with a workflow inside.")],
    *,
    settings: Settings,
) -> None:
    """Check a workflow file: exit code 0 if it can run, 2 with every problem if not."""
    workflow = workflow_file.read(file)

    async def work(local: Local) -> None:
        prompt = workflow.to_prompt(local.catalog, local.folders.choices)
        verdict = await checked(local, prompt)
        if problems_of(verdict):
            raise rejection(problems_of(verdict), prompt)
        output().print(f"{file}: {len(prompt)} nodes, no problems", markup=False)

    with_local(settings, work)
