"""The folders of files that packs add to the editor, found without importing the packs.

A pack names its folder by `WEB_DIRECTORY` in its `__init__.py`, or by `web` under `[tool.comfy]` in its
`pyproject.toml`; its files are served under `/extensions/<pack>/`, its help pages in `docs/` among them.
"""

from __future__ import annotations

import ast
import logging
import tomllib
from collections.abc import Iterable
from pathlib import Path

from .packs_imports import find_packs

log = logging.getLogger(__name__)


def web_folders(folders: Iterable[Path]) -> dict[str, Path]:
    """The folder of each pack that says where it is in plain text."""
    found = {}
    for pack in find_packs(folders):
        if pack.is_dir() and (folder := web_folder(pack, _declared(pack / "__init__.py"))) is not None:
            found[pack.name] = folder
    return found


def web_folder(pack: Path, declared: object) -> Path | None:
    """The folder that a pack declares, if it is there."""
    named = declared or _in_project(pack / "pyproject.toml")
    if not isinstance(named, str) or not named or pack.is_file():
        return None
    folder = (pack / named).resolve()
    return folder if folder.is_dir() else None


def _declared(file: Path) -> object:
    try:
        tree = ast.parse(file.read_bytes())
    except (OSError, SyntaxError, ValueError, RecursionError):
        return None
    for statement in tree.body:
        targets = statement.targets if isinstance(statement, ast.Assign) else ()
        if any(isinstance(target, ast.Name) and target.id == "WEB_DIRECTORY" for target in targets):
            value = statement.value  # type: ignore[attr-defined]
            return value.value if isinstance(value, ast.Constant) else None
    return None


def _in_project(file: Path) -> object:
    try:
        project = tomllib.loads(file.read_text("utf-8"))
    except OSError:
        return None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        log.warning("%s cannot be read: %s", file, error)
        return None
    tool = project.get("tool")
    comfy = tool.get("comfy") if isinstance(tool, dict) else None
    return comfy.get("web") if isinstance(comfy, dict) else None
