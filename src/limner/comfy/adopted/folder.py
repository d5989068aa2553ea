"""A folder with a ComfyUI in it: which version, which Python runs it, and what of its user's is there."""

from __future__ import annotations

import json
import os
import re
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

PARTS = ("main.py", "nodes.py", "execution.py", "server.py", "folder_paths.py", "comfy")
"""What every ComfyUI has."""
PYTHONS = (
    "venv/bin/python",
    ".venv/bin/python",
    "venv/Scripts/python.exe",
    ".venv/Scripts/python.exe",
    "../venv/bin/python",
    "../.venv/bin/python",
    "../python_embeded/python.exe",
)
"""Where installations keep their Python, from the folder of ComfyUI."""

NAME_PYTHON = "Name the Python that runs it with --comfyui-python"


class NoComfyUI(ValueError):
    """The folder cannot be adopted; `remedy` says what to do about it."""

    def __init__(self, problem: str, remedy: str) -> None:
        self.problem, self.remedy = problem, remedy
        super().__init__(problem)


@dataclass(frozen=True, slots=True)
class ComfyFolder:
    """`python` runs it, None where none was found; `version` is empty where it does not say."""

    path: Path
    version: str
    python: Path | None

    @classmethod
    def at(cls, path: Path, python: Path | None = None, *, needs_python: bool = True) -> ComfyFolder:
        """What is at the path. Raises NoComfyUI; where no Python of it is found, only with `needs_python`."""
        path = path.expanduser().absolute()
        missing = [part for part in PARTS if not (path / part).exists()]
        if missing:
            raise NoComfyUI(
                f"{path} is no ComfyUI: it has no {', '.join(missing)}", "Name the folder that its main.py stands in"
            )
        try:
            return cls(path, _version(path), _python(path, python))
        except NoComfyUI:
            if needs_python or python is not None:
                raise
            return cls(path, _version(path), None)

    @property
    def user(self) -> Path:
        """The folder of its default user."""
        return self.path / "user" / "default"

    def models(self) -> Mapping[str, Sequence[Path]]:
        """Its model files by kind; kinds without any are left out."""
        root = self.path / "models"
        kinds = [entry for entry in _entries(root) if entry.is_dir() and entry.name != "configs"]
        found = {
            kind.name: [file for file in _files(kind) if not file.name.startswith(("put_", "."))] for kind in kinds
        }
        return {kind: files for kind, files in found.items() if files}

    def packs(self) -> Sequence[str]:
        """Its packs of custom nodes that are switched on."""
        return [
            entry.name
            for entry in _entries(self.path / "custom_nodes")
            if (entry.is_dir() or entry.suffix == ".py")
            and not entry.name.startswith((".", "__"))
            and not entry.name.endswith(".disabled")
        ]

    def workflows(self) -> Sequence[Path]:
        return [file for file in _files(self.user / "workflows") if file.suffix == ".json"]

    def settings(self) -> Path | None:
        file = self.user / "comfy.settings.json"
        return file if file.is_file() else None

    def inputs(self) -> Sequence[Path]:
        return list(_files(self.path / "input"))

    def minor(self) -> str:
        """The minor version of its Python, such as `3.12`. Raises NoComfyUI where that does not run."""
        if self.python is None:
            raise NoComfyUI(f"no Python of the ComfyUI in {self.path} is known", NAME_PYTHON)
        code = "import sys; print('%d.%d' % sys.version_info[:2])"
        try:
            done = subprocess.run([self.python, "-c", code], capture_output=True, text=True, timeout=60, check=False)
        except (OSError, subprocess.TimeoutExpired) as error:
            raise NoComfyUI(f"{self.python} does not run: {error}", "Name its Python with --comfyui-python") from error
        if done.returncode:
            raise NoComfyUI(
                f"{self.python} does not run: {done.stderr.strip()}", "Name its Python with --comfyui-python"
            )
        return done.stdout.strip()


def _version(path: Path) -> str:
    try:
        text = (path / "comfyui_version.py").read_text("utf-8", "replace")
    except OSError:
        return ""
    found = re.search(r"""__version__\s*=\s*["']([^"']+)""", text)
    return found.group(1) if found else ""


def _python(path: Path, given: Path | None) -> Path:
    """Not resolved: an environment's Python is a link that must be run by its own name."""
    if given is not None:
        given = given.expanduser().absolute()
        if given.is_file() and os.access(given, os.X_OK):
            return given
        raise NoComfyUI(f"{given} is no Python", "Name the program itself, such as /path/to/venv/bin/python")
    for place in PYTHONS:
        found = Path(os.path.normpath(path / place))
        if found.is_file() and os.access(found, os.X_OK):
            return found
    raise NoComfyUI(f"no Python of the ComfyUI in {path} is found", NAME_PYTHON)


def _is_model(file: Path) -> bool:
    """ComfyUI puts an empty file with a hint into each folder."""
    return not file.name.startswith(("put_", "."))


def _entries(folder: Path) -> list[Path]:
    try:
        return sorted(folder.iterdir())
    except OSError:
        return []


def _files(folder: Path) -> Iterator[Path]:
    for root, folders, names in os.walk(folder, followlinks=True):
        folders.sort()
        yield from (Path(root, name) for name in sorted(names))


def read_settings(file: Path) -> dict[str, object]:
    """The editor's settings; nothing where they cannot be read."""
    try:
        said = json.loads(file.read_text("utf-8"))
    except (OSError, ValueError):
        return {}
    return said if isinstance(said, dict) else {}
