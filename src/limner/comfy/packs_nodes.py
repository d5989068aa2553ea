"""The node classes of a pack, wherever its author put them.

They are looked for in this order, and the first place that has any is it:

1. `NODE_CLASS_MAPPINGS` in the pack's module;
2. `comfy_entrypoint`, ComfyUI's newer interface, in the same place;
3. `NODE_CLASS_MAPPINGS` in the pack's `nodes.py`;
4. where nothing is registered at all: every class of the pack with `FUNCTION`, `RETURN_TYPES` and `CATEGORY`, and every
   newer node class, by its name.

Beside them, every `@node` function of `limner.sdk` that the pack's own modules define is a node of the pack.
"""

from __future__ import annotations

import asyncio
import importlib
import inspect
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import ModuleType
from typing import Any

from limner.sdk import NodeFunction, nodes_in

from .packs_imports import modules_of
from .v3 import is_v3, node_id

MAPPINGS = "NODE_CLASS_MAPPINGS"
MARKS = ("FUNCTION", "RETURN_TYPES", "CATEGORY")


@dataclass(frozen=True, slots=True)
class Found:
    """Classes by node type, and their titles; functions that are nodes."""

    classes: Mapping[str, Any] = field(default_factory=dict)
    titles: Mapping[Any, Any] = field(default_factory=dict)
    functions: Sequence[NodeFunction[..., Any]] = ()


def find_nodes(module: ModuleType, path: Path) -> Found:
    """Raises what the pack's `comfy_entrypoint` or `nodes.py` raises."""
    found = _classes(module, path)
    modules = modules_of(module.__name__)
    own = {part.__name__ for part in modules}
    return replace(found, functions=[function for function in nodes_in(modules) if function.__module__ in own])


def _classes(module: ModuleType, path: Path) -> Found:
    if getattr(module, MAPPINGS, None):
        return _registered(module)
    if callable(getattr(module, "comfy_entrypoint", None)):
        return Found({node_id(cls): cls for cls in _extension_nodes(module)})
    if (path / "nodes.py").is_file():
        holder = importlib.import_module(f"{module.__name__}.nodes")
        if getattr(holder, MAPPINGS, None):
            return _registered(holder)
    modules = modules_of(module.__name__)
    if any(hasattr(part, MAPPINGS) for part in modules):
        return Found()
    return Found(dict(_unregistered(modules)), _titles(modules))


def _registered(module: ModuleType) -> Found:
    classes = getattr(module, MAPPINGS)
    return Found({str(key): cls for key, cls in dict(classes).items()}, _titles([module]))


def _titles(modules: Sequence[ModuleType]) -> dict[Any, Any]:
    return {
        key: title
        for module in modules
        for key, title in dict(getattr(module, "NODE_DISPLAY_NAME_MAPPINGS", None) or {}).items()
    }


def _unregistered(modules: Sequence[ModuleType]) -> Iterator[tuple[str, type]]:
    for module in modules:
        for name, value in list(vars(module).items()):
            if not isinstance(value, type) or value.__module__ != module.__name__ or name.startswith("_"):
                continue
            if is_v3(value):
                if "define_schema" in vars(value):
                    yield node_id(value), value
            elif all(hasattr(value, mark) for mark in MARKS):
                yield name, value


def _extension_nodes(module: ModuleType) -> list[Any]:
    """The nodes of the extension that the pack's entry point makes; both may be coroutines."""

    async def listed() -> list[Any]:
        extension = module.comfy_entrypoint()
        extension = await extension if inspect.isawaitable(extension) else extension
        if not hasattr(extension, "get_node_list"):
            raise TypeError(f"comfy_entrypoint gives a {type(extension).__name__}, not a ComfyExtension")
        loading = extension.on_load() if hasattr(extension, "on_load") else None
        if inspect.isawaitable(loading):
            await loading
        nodes = extension.get_node_list()
        return list(await nodes if inspect.isawaitable(nodes) else nodes)

    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return asyncio.run(listed())
    with ThreadPoolExecutor(1) as aside:  # packs are loaded inside of a loop in the command line's own process
        return aside.submit(asyncio.run, listed()).result()
