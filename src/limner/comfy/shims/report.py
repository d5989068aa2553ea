"""Which of ComfyUI's names a pack asks for and does not get, found without running the pack.

`wanted` reads a pack's files and lists the names of ComfyUI that they import or reach through an imported module
(`comfy.samplers.KSampler`). `missing` tells which of them this host has no use for: stand-ins that raise when they are
used, and names that ComfyUI 0.3.64 does not have either. The shims must be installed for it.
"""

from __future__ import annotations

import ast
import importlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from .absent import AbsentFunction, AbsentType
from .finder import names

PASSED_OVER = frozenset({".git", "__pycache__", "node_modules", "tests", ".venv"})


@dataclass(frozen=True, slots=True)
class MissingName:
    """A name that a pack asks for. `known` tells whether ComfyUI has it; `places` are `file:line`."""

    name: str
    known: bool
    places: tuple[str, ...]


def wanted(pack: Path) -> dict[str, list[str]]:
    """Name -> where it is asked for, of a pack that is a folder or a file. Files that do not parse are passed over."""
    tops, found = names(), dict[str, list[str]]()
    for file in _files(pack):
        try:
            tree = ast.parse(file.read_text(encoding="utf-8", errors="replace"))
        except (SyntaxError, ValueError, OSError):
            continue
        shown = file.name if pack.is_file() else str(file.relative_to(pack))
        for name, line in _names(tree):
            if name.partition(".")[0] in tops:
                found.setdefault(name, []).append(f"{shown}:{line}")
    return found


def missing(pack: Path) -> list[MissingName]:
    """The names that a pack asks for and that do not act here, in the order of the alphabet."""
    found = []
    for name, places in sorted(wanted(pack).items()):
        state = _state(name)
        if state != "here":
            found.append(MissingName(name, state == "absent", tuple(places)))
    return found


def _files(pack: Path) -> Iterator[Path]:
    if pack.is_file():
        yield pack
        return
    for file in sorted(pack.rglob("*.py")):
        if not PASSED_OVER.intersection(file.relative_to(pack).parts):
            yield file


def _names(tree: ast.AST) -> Iterator[tuple[str, int]]:
    """Full names of what is imported, and of what is reached through an imported module."""
    local: dict[str, str] = {}
    for entry in ast.walk(tree):
        if isinstance(entry, ast.Import):
            for alias in entry.names:
                local[alias.asname or alias.name.partition(".")[0]] = (
                    alias.name if alias.asname else alias.name.partition(".")[0]
                )
                yield alias.name, entry.lineno
        elif isinstance(entry, ast.ImportFrom) and entry.module and not entry.level:
            for alias in entry.names:
                full = entry.module if alias.name == "*" else f"{entry.module}.{alias.name}"
                local[alias.asname or alias.name] = full
                yield full, entry.lineno
    yield from _reached(tree, local)


def _reached(tree: ast.AST, local: Mapping[str, str]) -> Iterator[tuple[str, int]]:
    inner: set[int] = set()
    for entry in ast.walk(tree):
        if not isinstance(entry, ast.Attribute) or id(entry) in inner:
            continue
        parts, value = [entry.attr], entry.value
        while isinstance(value, ast.Attribute):
            inner.add(id(value))
            parts.append(value.attr)
            value = value.value
        if isinstance(value, ast.Name) and value.id in local:
            yield ".".join([local[value.id], *reversed(parts)]), entry.lineno


def _state(name: str) -> str:
    """`here`, `absent` (a stand-in), or `unknown` (ComfyUI has it not). Attributes of what acts count as here."""
    parts = name.split(".")
    value: object = None
    for depth, part in enumerate(parts):
        path = ".".join(parts[: depth + 1])
        try:
            value = importlib.import_module(path)
            continue
        except ImportError:
            pass
        if depth == 0:
            return "unknown"
        if not hasattr(value, part):
            return "unknown" if getattr(value, "__spec__", None) is not None else "here"
        value = getattr(value, part)
        if isinstance(value, AbsentFunction | AbsentType):
            return "absent"
        if getattr(value, "__spec__", None) is None:
            return "here"
    return "here"
