"""`limner run`: a workflow file becomes results, with no server."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from limner.settings import Settings

from . import reasons, workflow_file
from .console import errors, output
from .editor_form import in_step
from .errors import BadInput
from .flags import RUNNING, with_settings
from .progress import RunProgress
from .session import run_prompt, saved_files, shown_texts, titles, with_local

if TYPE_CHECKING:
    from limner.app.local import Local


@with_settings(*RUNNING, "output_directory", "disable_metadata")
def command(
    file: Annotated[Path, typer.Argument(help="API or editor JSON, or a picture with a workflow inside.")],
    *,
    change: Annotated[
        list[str] | None,
        typer.Option(
            "--set", metavar="NODE.INPUT=VALUE", help="Change an input; NODE is an id, or a unique title or type."
        ),
    ] = None,
    seed: Annotated[int | None, typer.Option(min=0, max=2**64 - 1, help="Seed of every node that has one.")] = None,
    repeat: Annotated[int, typer.Option(min=1, help="Run it this many times, each with the next seed.")] = 1,
    explain: Annotated[bool, typer.Option("--explain", help="Say of each step why it ran, or why it did not.")] = False,
    settings: Settings,
) -> None:
    """Run a workflow file and print the paths of what it saved."""
    workflow = workflow_file.read(file)

    async def work(local: Local) -> None:
        from limner.comfy.workflow import with_values

        prompt = workflow.to_prompt(local.catalog, local.folders.choices, references=True)
        for assignment in change or ():
            workflow_file.set_input(prompt, local.catalog, assignment)
        if seed is not None and not workflow_file.set_seed(prompt, seed):
            raise BadInput(f"--seed {seed}: no node of the workflow has a seed", "Leave --seed out")
        names = titles(prompt, {kind: schema.display_name for kind, schema in local.catalog.items()})
        for turn in range(repeat):
            if turn and not workflow_file.advance_seeds(prompt):
                errors().print("No node has a seed to change, so another run would give the same.", style="yellow")
                break
            with RunProgress(errors(), names) as progress:
                document = in_step(workflow.workflow, prompt, local.catalog, local.folders.choices)
                result = await run_prompt(local, with_values(prompt), document, progress)
            if explain:
                reasons.show(errors(), local.engine.explain(result.run) or (), names)
            console = output()
            for path in saved_files(result, local.folders.media_folder):
                console.print(str(path), markup=False)
            for text in shown_texts(result):
                console.print(text, markup=False)

    with_local(settings, work)
