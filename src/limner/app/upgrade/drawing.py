"""A workflow on a version of Limner, in a process of its own, by the command that every version has: `limner run`.

Rules, stated once:

- It loads models, packs and inputs from where they are, and writes into a scratch folder: pictures, temporary files,
  and what it would write into the user folder. Packages of packs are seen there, by a link.
- Nothing that was computed before is taken: each version computes all of it.
"""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from limner.app.stores import data_folder
from limner.settings import Settings, as_flags, flag, resolve, variable

from .saved import Saved

TAKEN = ("extra_model_paths_config", "cpu", "precision", "comfyui", "comfyui_python", "comfyui_arguments")
"""The settings that decide what is drawn."""
HOURS = 6.0
LAST = 2000
"""Characters of what a failed run has said that are kept."""


@dataclass(frozen=True, slots=True)
class Version:
    """A version, the Python that has it, and the folder of what it draws."""

    name: str
    python: Path
    folder: Path
    own: bool = False
    """Whether it is the one that runs this."""


@dataclass(frozen=True, slots=True)
class Drawn:
    """What came of a workflow: files in their order and texts, or why there are none."""

    files: tuple[Path, ...] = ()
    texts: tuple[str, ...] = ()
    failure: str = ""


def draw(settings: Settings, workflow: Saved, version: Version, number: str) -> Drawn:
    """Run it; `number` names the folder of its results."""
    folder = version.folder / number
    for name in ("output", "temp"):
        (folder / name).mkdir(parents=True, exist_ok=True)
    user = _user(settings, version.folder / "user")
    command = [
        *(str(version.python), "-m", "limner.cli", "run", str(workflow.file)),
        *("--base-directory", str(settings.base_directory), "--user-directory", str(user)),
        *("--output-directory", str(folder / "output"), "--temp-directory", str(folder / "temp")),
        *("--input-directory", str(_input(settings, workflow))),
        *_flags(settings),
    ]
    try:
        done = subprocess.run(
            command,
            cwd=folder,
            env=_environment(version),
            capture_output=True,
            text=True,
            timeout=HOURS * 3600,
            check=False,
        )
    except subprocess.TimeoutExpired:
        return Drawn(failure=f"it was not done in {HOURS:g} hours")
    if done.returncode:
        return Drawn(failure=done.stderr.strip()[-LAST:] or f"it ended with status {done.returncode}")
    lines = done.stdout.splitlines()
    files = tuple(Path(line) for line in lines if line.startswith(str(folder)) and Path(line).is_file())
    return Drawn(files, tuple(line for line in lines if Path(line) not in files))


def _environment(version: Version) -> dict[str, str]:
    """Without what would have another version imported in place of its own, and without settings' own folders."""
    kept = {name: value for name, value in os.environ.items() if version.own or name != "PYTHONPATH"}
    kept.pop(variable("cluster"), None)
    return {**kept, variable("cache_disk"): "0"}


def _flags(settings: Settings) -> Iterator[str]:
    """What differs from what limner.toml and the defaults give: the run reads limner.toml itself."""
    base = {"base_directory": str(settings.base_directory)}
    given, found = as_flags(settings), as_flags(resolve(base, {}, settings.base_directory))
    for name in TAKEN:
        value = given.get(name)
        if value != found.get(name) and value is not None:
            if value is True:
                yield flag(name)
            elif value is not False:
                for one in value if isinstance(value, list) else [value]:
                    yield from (flag(name), str(one))


def _input(settings: Settings, workflow: Saved) -> Path:
    """The inputs of those who log in lie in folders of their own."""
    own = settings.input_directory / "users" / workflow.owner
    return own if workflow.owner and own.is_dir() else settings.input_directory


def _user(settings: Settings, folder: Path) -> Path:
    (folder / "limner").mkdir(parents=True, exist_ok=True)
    there, link = data_folder(settings) / "packages", folder / "limner" / "packages"
    if there.is_dir() and not link.is_symlink():
        link.symlink_to(there, target_is_directory=True)
    return folder
