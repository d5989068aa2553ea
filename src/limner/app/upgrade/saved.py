"""The workflows that people have saved: in the editor, and under names (`/workflows`)."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from limner.app.stores import data_folder
from limner.settings import Settings
from limner.workflows import Library

PROFILES = "profiles"
"""Below it in the user folder: what belongs to those who log in."""


@dataclass(frozen=True, slots=True)
class Saved:
    """A workflow's file, and whose it is (empty where nobody logs in)."""

    name: str
    file: Path
    owner: str = ""


def saved(settings: Settings, scratch: Path) -> list[Saved]:
    """All of them, by name; what is kept in a database is written into the scratch folder. Raises DatabaseProblem."""
    return [*_files(settings.user_directory), *_kept(settings, scratch)]


def _files(user: Path) -> Iterator[Saved]:
    for place in (*sorted(user.glob("*/workflows")), *sorted(user.glob(f"{PROFILES}/*/workflows"))):
        owner = place.parent.name if place.parent.parent.name == PROFILES else ""
        for file in sorted(place.rglob("*.json")):
            inside = file.relative_to(place)
            if not any(part.startswith(".") for part in inside.parts):
                yield Saved(f"{owner}: {inside}" if owner else str(inside), file, owner)


def _kept(settings: Settings, scratch: Path) -> Iterator[Saved]:
    if not (data_folder(settings) / "library.sqlite").is_file():
        return
    library = Library(data_folder(settings))
    try:
        kept = library.workflows.latest("", everyone=True)
    finally:
        library.close()
    scratch.mkdir(parents=True, exist_ok=True)
    for number, each in enumerate(kept):
        file = scratch / f"{number}.json"
        file.write_text(json.dumps(dict(each.prompt)), "utf-8")
        name = f"{each.name}, version {each.version}"
        yield Saved(f"{each.owner}: {name}" if each.owner else name, file, each.owner)
