"""`extra_model_paths.yaml`: more folders to search, in ComfyUI's form.

Each top-level section has an optional `base_path` (`~` and environment variables are expanded; a relative one starts
at the file's own folder), an optional `is_default` (its folders come first), and under each kind of model one folder
a line, relative to the base path.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import yaml

from .errors import BadFile, MissingFile


@dataclass(frozen=True, slots=True)
class ExtraPath:
    kind: str
    path: Path
    first: bool


def read_extra_paths(file: Path) -> list[ExtraPath]:
    """The search paths of one file, in its order. Raises `MissingFile`, `BadFile`."""
    remedy = "Correct it after `extra_model_paths.yaml.example` of ComfyUI, or start without it"
    try:
        content = yaml.safe_load(file.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise MissingFile(f"there is no file {file}", "Check --extra-model-paths-config") from None
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise BadFile(f"{file} cannot be read: {error}", remedy) from None
    if content is None:
        return []
    if not isinstance(content, dict):
        raise BadFile(f"{file} must hold sections by name, not a {type(content).__name__}", remedy)
    found: list[ExtraPath] = []
    for name, section in content.items():
        if section is None:
            continue
        if not isinstance(section, dict):
            raise BadFile(f"section {name!r} of {file} must hold folders by kind", remedy)
        found.extend(_section(section, file.absolute().parent, f"section {name!r} of {file}", remedy))
    return found


def _section(section: dict[str, object], here: Path, where: str, remedy: str) -> Iterator[ExtraPath]:
    base: Path | None = None
    if section.get("base_path") is not None:
        base = here / os.path.expandvars(os.path.expanduser(str(section["base_path"])))
    first = bool(section.get("is_default"))
    for kind, lines in section.items():
        if kind in ("base_path", "is_default") or lines is None:
            continue
        if not isinstance(lines, str):
            raise BadFile(f"{kind!r} in {where} must be text: one folder a line", remedy)
        for line in lines.split("\n"):
            if line.strip():
                path = (here if base is None else base) / line.strip()
                yield ExtraPath(str(kind), Path(os.path.normpath(path)), first)
