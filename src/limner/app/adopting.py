"""Taking over what a ComfyUI has: its models by reference, workflows and the editor's settings as copies.

Nothing of it is changed, and nothing of Limner's that is there already.
"""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from pathlib import Path

from limner.comfy.adopted.folder import ComfyFolder
from limner.files import Folders
from limner.files.extra_paths import read_extra_paths

FILE = "extra_model_paths.yaml"


@dataclass(frozen=True, slots=True)
class Taken:
    """What is there now: `models` whether they were added to the search paths, and numbers of copies."""

    models: bool
    workflows: int
    settings: bool


def take(folder: ComfyFolder, folders: Folders) -> Taken:
    """Make its models, workflows and settings Limner's too. Raises `limner.files.FileProblem`, OSError."""
    return Taken(_models(folder, folders), _workflows(folder, folders), _settings(folder, folders))


def _models(folder: ComfyFolder, folders: Folders) -> bool:
    """Add its model folders to `extra_model_paths.yaml` of the base directory; False if they are there already."""
    file, root = folders.base / FILE, folder.path / "models"
    known = {extra.path for extra in read_extra_paths(file)} if file.is_file() else set()
    kinds = [kind for kind in folder.models() if root / kind not in known]
    if not kinds:
        return False
    text = file.read_text("utf-8") if file.is_file() else ""
    name = _free_name(text, "comfyui")
    lines = [f"{name}:", f"  base_path: {_quoted(folder.path)}", *(f"  {kind}: models/{kind}" for kind in kinds)]
    gap = "" if not text or text.endswith("\n") else "\n"
    file.parent.mkdir(parents=True, exist_ok=True)
    with file.open("a", encoding="utf-8") as target:
        target.write(gap + "\n".join(lines) + "\n")
    return True


def _free_name(text: str, name: str) -> str:
    taken, number = {line.partition(":")[0] for line in text.splitlines() if line[:1].strip()}, 2
    free = name
    while free in taken:
        free, number = f"{name}_{number}", number + 1
    return free


def _quoted(path: Path) -> str:
    """As YAML has it between single quotes."""
    return "'" + str(path).replace("'", "''") + "'"


def _workflows(folder: ComfyFolder, folders: Folders) -> int:
    copied = 0
    for file in folder.workflows():
        target = folders.user / "default" / "workflows" / file.relative_to(folder.user / "workflows")
        if not target.exists():
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(file, target)
            copied += 1
    return copied


def _settings(folder: ComfyFolder, folders: Folders) -> bool:
    file, target = folder.settings(), folders.user / "default" / "comfy.settings.json"
    if file is None or target.exists():
        return False
    target.parent.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(file, target)
    return True
