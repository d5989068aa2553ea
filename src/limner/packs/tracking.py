"""Which files of a pack came with it, in `.tracking`, a file that ComfyUI-Manager writes too.

Files that are not in the list are the user's, or the pack's own making: models that it fetched, settings. They stay
when the pack is updated.
"""

from __future__ import annotations

import filecmp
import os
import shutil
from collections.abc import Iterator
from pathlib import Path

from .sources import Fetched

FILE = ".tracking"
LARGE = 2**20
"""Bytes: larger files are not copied but linked, as nobody changes them in place."""


def track(fetched: Fetched) -> None:
    """Write down what came; a clone knows it by itself, and a file has no folder."""
    if fetched.path.is_dir() and not (fetched.path / ".git").exists():
        names = sorted(path.relative_to(fetched.path).as_posix() for path in fetched.path.rglob("*") if path.is_file())
        (fetched.path / FILE).write_text("\n".join(name for name in names if name != FILE) + "\n", "utf-8")


def carry_over(old: Path, new: Path) -> None:
    """Bring what is the user's from an old state of a pack into a new one, which wins where both have a file."""
    try:
        came = set((old / FILE).read_text("utf-8").splitlines())
    except OSError:
        return
    for path in old.rglob("*"):
        inside = path.relative_to(old)
        theirs = inside.as_posix() in came or inside.name == FILE or "__pycache__" in inside.parts
        if theirs or not (path.is_file() or path.is_symlink()) or os.path.lexists(new / inside):
            continue
        (new / inside).parent.mkdir(parents=True, exist_ok=True)
        bring(path, new / inside)


def same(old: Path, new: Path) -> bool:
    """Whether both are the same files with the same content; a clone's own files are not looked at."""
    if old.is_file():
        return new.is_file() and filecmp.cmp(old, new, shallow=False)
    names = {inside for folder in (old, new) for inside in _files(folder)}
    return all(
        (old / name).is_file() and (new / name).is_file() and filecmp.cmp(old / name, new / name, shallow=False)
        for name in names
    )


def _files(folder: Path) -> Iterator[Path]:
    for path in folder.rglob("*"):
        inside = path.relative_to(folder)
        if path.is_file() and not {".git", "__pycache__"}.intersection(inside.parts):
            yield inside


def copy_clone(old: Path, new: Path) -> None:
    """A copy of a clone to work on: large files outside of `.git` are linked, and git never writes into a file."""
    shutil.copytree(old, new, symlinks=True, copy_function=lambda source, target: bring(Path(source), Path(target)))


def bring(source: Path, target: Path) -> None:
    if not source.is_symlink() and ".git" not in source.parts and source.stat().st_size > LARGE:
        try:
            os.link(source, target)
            return
        except OSError:
            pass  # another device, or a system without links
    shutil.copy2(source, target, follow_symlinks=False)
