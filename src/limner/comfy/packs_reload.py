"""Packs imported anew in a host that runs: a pack's code, nodes and routes are replaced, all else stays.

Rules:

- What the pack left in others is taken out first: its modules, its classes, its routes, its handlers of prompts. What
  it has replaced in other modules stays; whoever patches others at import is better loaded by a new host.
- When the import fails, everything is as it was before, and the old nodes go on.
- Python's compiled files of the pack are deleted, as they tell times apart by the second only.
"""

from __future__ import annotations

import importlib
import linecache
import sys
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from importlib.util import cache_from_source
from pathlib import Path
from types import ModuleType
from typing import Any

from .packs import Pack, load_pack
from .packs_endpoints import Declared, Endpoints
from .packs_imports import PACKAGE, find_packs, is_in, pack_name
from .shims.bridge import Bridge


@dataclass(frozen=True, slots=True)
class _Before:
    """What a failed import must find again."""

    modules: dict[str, ModuleType]
    classes: dict[str, Any]
    titles: dict[str, str]
    web: dict[str, str]
    declared: Declared | None


def is_there(path: Path) -> bool:
    """Whether a pack is at this path, switched on."""
    return path in find_packs([path.parent])


def reload_pack(path: Path, old: Pack | None, bridge: Bridge, endpoints: Endpoints) -> Pack:
    """Import the pack anew; one that `failed` leaves all as it was. Never raises for what the pack does."""
    before = _taken_out(path, old, bridge, endpoints)
    pack = load_pack(path, bridge)
    if pack.failed:
        _put_back(path, before, bridge, endpoints)
    else:
        endpoints.serve()
    return pack


def forget_pack(path: Path, old: Pack | None, bridge: Bridge, endpoints: Endpoints) -> None:
    """The pack is gone, or switched off."""
    _taken_out(path, old, bridge, endpoints)
    endpoints.serve()


def _taken_out(path: Path, old: Pack | None, bridge: Bridge, endpoints: Endpoints) -> _Before:
    """Take out what is the pack's; gives what there was."""
    modules = dict(_modules_of(path))
    kept = (dict(bridge.classes), dict(bridge.display_names), dict(bridge.web_directories))
    before = _Before(modules, *kept, endpoints.without(path))
    for node in old.nodes if old is not None else ():
        bridge.classes.pop(node.schema.type, None)
        bridge.display_names.pop(node.schema.type, None)
    bridge.web_directories.pop(pack_name(path), None)
    for name, module in modules.items():
        _drop(name, module)
    for file in path.rglob("*.py") if path.is_dir() else [path]:
        with suppress(OSError, NotImplementedError):
            Path(cache_from_source(str(file))).unlink(missing_ok=True)
    importlib.invalidate_caches()
    linecache.checkcache()
    return before


def _put_back(path: Path, before: _Before, bridge: Bridge, endpoints: Endpoints) -> None:
    for name, module in dict(_modules_of(path)).items():
        _drop(name, module)
    sys.modules.update(before.modules)
    for name, module in before.modules.items():
        parent, _, last = name.rpartition(".")
        if parent in sys.modules:
            setattr(sys.modules[parent], last, module)
    for now, then in (
        (bridge.classes, before.classes),
        (bridge.display_names, before.titles),
        (bridge.web_directories, before.web),
    ):
        now.clear()
        now.update(then)
    endpoints.restore(before.declared)


def _modules_of(path: Path) -> Iterator[tuple[str, ModuleType]]:
    """The modules whose code is the pack's, whatever they are called."""
    for name, module in list(sys.modules.items()):
        file = getattr(module, "__file__", None)
        if isinstance(module, ModuleType) and isinstance(file, str) and is_in(file, path):
            yield name, module


def _drop(name: str, module: ModuleType) -> None:
    sys.modules.pop(name, None)
    parent, _, last = name.rpartition(".")
    holder = sys.modules.get(parent)
    if holder is not None and parent != PACKAGE and getattr(holder, last, None) is module:
        with suppress(AttributeError):
            delattr(holder, last)
