"""`limner adopt`: what a ComfyUI that is there already has, and how to go on with it."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from limner.settings import Settings

from .console import output
from .errors import BadInput
from .flags import with_settings
from .session import or_bad_input

if TYPE_CHECKING:
    from limner.comfy.adopted.folder import ComfyFolder

MOST_NAMES = 8


@with_settings("base_directory", "user_directory", "comfyui_python")
def command(
    path: Annotated[Path, typer.Argument(help="The folder of a ComfyUI.", metavar="PATH", show_default=False)],
    settings: Settings,
    look: Annotated[bool, typer.Option("--look", help="Say what is there, and take over nothing.")] = False,
) -> None:
    """Say what a ComfyUI has, and make its models, workflows and settings Limner's too; nothing of it is changed."""
    from limner.comfy.adopted.folder import ComfyFolder, NoComfyUI

    python = settings.comfyui_python
    folder = or_bad_input(lambda: ComfyFolder.at(path, python, needs_python=False))
    for line in described(folder):
        output().print(line, markup=False)
    if not look:
        for line in _taken(folder, settings):
            output().print(line, markup=False)
    output().print()
    try:
        ComfyFolder.at(path, python)
        named = [] if python is None else ["--comfyui-python", str(python)]
        serve = shlex.join(["limner", "serve", "--comfyui", str(folder.path), *named])
        output().print(f"Its own nodes and packs, by its own Python, behind Limner's server:\n  {serve}", markup=False)
    except NoComfyUI as error:
        output().print(f"To run on its own nodes: {error.problem}. {error.remedy}.", markup=False)
    output().print("Limner's nodes with its models:\n  limner serve", markup=False)


def described(folder: ComfyFolder) -> Sequence[str]:
    """What is there, line by line."""
    from limner.comfy.adopted.folder import read_settings

    models, packs, workflows = folder.models(), folder.packs(), folder.workflows()
    files = [file for found in models.values() for file in found]
    size = sum(file.stat().st_size for file in files if file.exists())
    settings = folder.settings()
    lines = [
        f"ComfyUI {folder.version or '(of unknown version)'} in {folder.path}",
        f"  Python     {folder.python or 'not found'}",
        f"  models     {_count(len(files), 'file')}, {_gigabytes(size)}",
        *(f"    {kind:<20} {len(found)}" for kind, found in models.items()),
        f"  packs      {_count(len(packs), 'pack')}{_named(packs)}",
        f"  workflows  {len(workflows)}",
        f"  inputs     {_count(len(folder.inputs()), 'file')}",
        f"  settings   {'none' if settings is None else _count(len(read_settings(settings)), 'value')}",
    ]
    if (folder.path / "extra_model_paths.yaml").is_file():
        lines.append("  it also looks for models where its extra_model_paths.yaml says")
    return lines


def _taken(folder: ComfyFolder, settings: Settings) -> Sequence[str]:
    from limner.app.adopting import take
    from limner.app.folders import prepared_folders

    folders = or_bad_input(lambda: prepared_folders(settings))
    if folders.base == folder.path:
        return ["", "Limner's base directory is this folder, so that all of it is Limner's already."]
    try:
        taken = or_bad_input(lambda: take(folder, folders))
    except OSError as error:
        raise BadInput(f"{error.filename} cannot be written: {error.strerror}", "Make it writable") from error
    models = "are searched from now on" if taken.models else "were searched already, or there are none"
    return [
        "",
        f"In {folders.base}:",
        f"  its models {models} (extra_model_paths.yaml)",
        f"  {_count(taken.workflows, 'workflow')} copied",
        f"  the editor's settings were {'copied' if taken.settings else 'left as they are'}",
    ]


def _count(number: int, what: str) -> str:
    return f"{number} {what}{'' if number == 1 else 's'}"


def _named(names: Sequence[str]) -> str:
    if not names:
        return ""
    more = f" and {len(names) - MOST_NAMES} more" if len(names) > MOST_NAMES else ""
    return f": {', '.join(names[:MOST_NAMES])}{more}"


def _gigabytes(size: int) -> str:
    return f"{size / 1e9:.1f} GB" if size >= 1e8 else f"{size / 1e6:.1f} MB"
