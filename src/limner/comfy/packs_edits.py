"""What a pack does to others while it is imported: put right where it can be, and said.

- Modules that it takes out of `sys.modules`, or puts others in the place of, are put back. The pack keeps its own
  objects, as it has them by name.
- Folders that it puts in front of `sys.path` stand behind all others afterwards, those that it takes away come back.
  So its own modules are found, and stand in for nobody's.
- A top-level name that two packs have (`models`, `config`), both by such folders: each gets its own module.
- Functions and classes of ComfyUI's modules that it replaces stay replaced, as packs do this on purpose.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType
from typing import Any

from .packs_imports import PACKAGE, is_in
from .shims.finder import names

MOST = 5
"""Names that one line of the log has at most."""


@contextmanager
def edits_contained(path: Path, told: list[str]) -> Iterator[None]:
    """While the pack of this path is imported; `told` gets what it did, as texts."""
    hidden = _hidden(path)
    # A list of them, here and below: threads of packs that are loaded import meanwhile.
    present = list(sys.modules.items())
    modules = {name: module for name, module in present if name.partition(".")[0] != PACKAGE}
    folders, patched = list(sys.path), dict(_callables())
    try:
        yield
    finally:
        told += _patches(patched, path)
        told += _modules_back(modules)
        told += _path_back(folders)
        told += _shown_again(hidden)


def _hidden(path: Path) -> dict[str, ModuleType]:
    """Top-level modules of other packs, and what is below them, whose names this pack has too; taken out."""
    homes = [Path(folder) for folder in getattr(sys.modules.get(PACKAGE), "__path__", ())]
    found: dict[str, ModuleType] = {}
    for name, module in list(sys.modules.items()):
        top, file = name.partition(".")[0], getattr(module, "__file__", None)
        if top == PACKAGE or not isinstance(file, str) or not isinstance(module, ModuleType) or is_in(file, path):
            continue
        if any(is_in(file, home) for home in homes) and _has(path, top):
            found[name] = sys.modules.pop(name)
    return found


def _has(path: Path, top: str) -> bool:
    """Whether a pack has a module of this name, in its folder or in one directly below."""
    if not path.is_dir():
        return False
    places = (path, *(folder for folder in path.iterdir() if folder.is_dir() and not folder.name.startswith(".")))
    return any((place / top).is_dir() or (place / f"{top}.py").is_file() for place in places)


def _shown_again(hidden: Mapping[str, ModuleType]) -> Iterator[str]:
    """Put others' modules back; the pack has its own by name."""
    clashing = sorted({name for name in hidden if "." not in name and name in sys.modules})
    for top in clashing:
        for name in [known for known in list(sys.modules) if known == top or known.startswith(f"{top}.")]:
            del sys.modules[name]
    sys.modules.update(hidden)
    if clashing:
        yield f"it and another pack have a module {_listed(clashing)}; each has got its own"


def _modules_back(before: Mapping[str, Any]) -> Iterator[str]:
    gone = [name for name in before if name not in sys.modules]
    other = [name for name, module in before.items() if sys.modules.get(name, module) is not module]
    sys.modules.update({name: before[name] for name in (*gone, *other)})
    if gone:
        yield f"it took {_listed(gone)} out of sys.modules; put back"
    if other:
        yield f"it put something else in the place of {_listed(other)} in sys.modules; put back"


def _path_back(before: list[str]) -> Iterator[str]:
    gone = [entry for entry in before if entry not in sys.path]
    fresh = list(dict.fromkeys(entry for entry in sys.path if entry not in before))
    first = [entry for entry in fresh if sys.path.index(entry) < len(sys.path) - len(fresh)]
    sys.path[:] = [*before, *fresh]
    if gone:
        yield f"it took {_listed(gone)} away from sys.path; put back"
    if first:
        yield f"it put {_listed(first)} in front of others in sys.path; now behind them"


def _patches(before: Mapping[str, object], path: Path) -> Iterator[str]:
    """What is another than before; of modules that the pack imported first, what its own code stands in for."""
    found = sorted(
        name
        for name, value in _callables()
        if (before[name] is not value if name in before else is_in(_file_of(value), path))
    )
    if found:
        yield f"it replaces {_listed(found)}"


def _file_of(value: Any) -> str:
    return str(getattr(getattr(value, "__code__", None), "co_filename", ""))


def _callables() -> Iterator[tuple[str, object]]:
    """The functions and classes of ComfyUI's modules that are imported, and the methods of those classes."""
    tops = names()
    for name, module in list(sys.modules.items()):
        if name.partition(".")[0] not in tops or not isinstance(module, ModuleType):
            continue
        for key, value in list(vars(module).items()):
            if key.startswith("__") or not callable(value):
                continue
            yield f"{name}.{key}", value
            if isinstance(value, type) and value.__module__ == name:
                yield from (
                    (f"{name}.{key}.{inner}", held) for inner, held in list(vars(value).items()) if callable(held)
                )


def _listed(found: list[str]) -> str:
    more = f" and {len(found) - MOST} more" if len(found) > MOST else ""
    return ", ".join(found[:MOST]) + more
