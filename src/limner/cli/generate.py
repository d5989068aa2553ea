"""`limner generate`: a picture from a prompt, with the default workflow on the built-in model."""

from __future__ import annotations

import json
import secrets
import shutil
import sys
import textwrap
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from limner.settings import Settings

from .console import errors, output
from .flags import RUNNING, with_settings
from .progress import RunProgress
from .session import run_prompt, saved_files, titles, with_local
from .workflow_file import WorkflowFile

if TYPE_CHECKING:
    from limner.app.local import Local

PROMPT, NEGATIVE, SAMPLER, SIZE, CHECKPOINT = 6, 7, 3, 5, 4
"""The ids of the default workflow's nodes."""


@with_settings(*RUNNING, "output_directory", "disable_metadata")
def command(
    prompt: Annotated[str, typer.Argument(help='What to draw, such as "red apple" or "cat face, fluent style".')],
    *,
    negative: Annotated[str, typer.Option(help="What to keep away from.")] = "",
    seed: Annotated[int | None, typer.Option(min=0, max=2**64 - 1, help="Seed; a random one if left out.")] = None,
    steps: Annotated[int, typer.Option(min=1, max=10000, help="Sampling steps.")] = 20,
    cfg: Annotated[float | None, typer.Option(min=0, max=100, help="How closely to follow the prompt.")] = None,
    width: Annotated[int | None, typer.Option(min=16, max=16384, help="Width in pixels.")] = None,
    height: Annotated[int | None, typer.Option(min=16, max=16384, help="Height in pixels.")] = None,
    model: Annotated[str | None, typer.Option(help="A checkpoint of the models folder.")] = None,
    settings: Settings,
) -> None:
    """Draw a picture, print its path, and say how to open the editor."""
    seed = secrets.randbelow(2**32) if seed is None else seed
    changes = {
        (PROMPT, 0): prompt,
        (NEGATIVE, 0): negative,
        (SAMPLER, 0): seed,
        (SAMPLER, 2): steps,
        (SAMPLER, 3): cfg,
        (SIZE, 0): width,
        (SIZE, 1): height,
        (CHECKPOINT, 0): model,
    }
    document = _changed(changes)

    async def work(local: Local) -> None:
        api_form = WorkflowFile("the default workflow", None, document).to_prompt(local.catalog)
        names = titles(api_form, {kind: schema.display_name for kind, schema in local.catalog.items()})
        with RunProgress(errors(), names) as progress:
            result = await run_prompt(local, api_form, document, progress)
        for path in saved_files(result, local.folders.media_folder):
            output().print(str(path), markup=False)
        errors().print(f"seed {seed}, {result.seconds:.1f} s. Open the editor with: {_serve()}", markup=False)

    errors().print(f'Drawing "{textwrap.shorten(prompt, 100, placeholder=" ...")}"', markup=False)
    with_local(settings, work)


def default_document() -> dict[str, Any]:
    """The default workflow in the editor's form."""
    from limner.files import package_data

    document: dict[str, Any] = json.loads((package_data() / "workflows" / "default.json").read_text("utf-8"))
    return document


def _changed(changes: dict[tuple[int, int], object]) -> dict[str, Any]:
    document = default_document()
    values = {node["id"]: node["widgets_values"] for node in document["nodes"]}
    for (node, widget), value in changes.items():
        if value is not None:
            values[node][widget] = value
    return document


def _serve() -> str:
    """The command that starts the server, as this shell finds it."""
    own = Path(sys.argv[0])
    return "limner serve" if shutil.which("limner") or own.name != "limner" else f"{own} serve"
