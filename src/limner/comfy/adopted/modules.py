"""ComfyUI's own modules, imported in this process as its `main.py` would, up to where it would serve.

Its arguments are those of the server's flags, its folders and its `extra_model_paths.yaml` what they are; every
pack's `prestartup_script.py` runs, then all its nodes are loaded. Its queue and its HTTP server stay unused: what packs
add to them is passed on (`topics`).
"""

from __future__ import annotations

import asyncio
import importlib
import logging
import os
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

from limner.plugins.library import LoadProblem

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Comfy:
    """A ComfyUI that has loaded its nodes."""

    path: Path
    nodes: ModuleType
    management: ModuleType
    folders: ModuleType
    server: Any
    """Its PromptServer."""
    loop: asyncio.AbstractEventLoop
    problems: Sequence[LoadProblem]


def begin(
    path: Path,
    arguments: Sequence[str],
    *,
    skipped: Mapping[str, str],
    loading: Callable[[str], None],
    before_nodes: Callable[[], None] = lambda: None,
) -> Comfy:
    """Import it. `skipped` packs are left out; `loading` hears of each pack first. Raises what its modules raise.

    `before_nodes` is called when its modules are there and no node has been loaded.
    """
    os.chdir(path)
    sys.path.insert(0, str(path))
    sys.argv = [str(path / "main.py"), *arguments]
    importlib.import_module("main")  # reads the arguments, sets its folders, runs the packs' prestartup scripts
    nodes = importlib.import_module("nodes")
    folders = importlib.import_module("folder_paths")
    management = importlib.import_module("comfy.model_management")
    loop = asyncio.new_event_loop()
    asyncio.set_event_loop(loop)
    instance = importlib.import_module("server").PromptServer(loop)
    before_nodes()
    problems = _watch_packs(nodes, skipped, loading)
    arguments_read = importlib.import_module("comfy.cli_args").args
    packs = not getattr(arguments_read, "disable_all_custom_nodes", False)
    packs = packs or bool(getattr(arguments_read, "whitelist_custom_nodes", None))
    remote = not getattr(arguments_read, "disable_api_nodes", False)
    given = nodes.init_extra_nodes(init_custom_nodes=packs, init_api_nodes=remote)
    if asyncio.iscoroutine(given):
        loop.run_until_complete(given)
    return Comfy(path, nodes, management, folders, instance, loop, problems)


def _watch_packs(nodes: Any, skipped: Mapping[str, str], loading: Callable[[str], None]) -> list[LoadProblem]:
    """Be told of each pack before it is imported, leave some out, and gather those that could not be imported."""
    original = nodes.load_custom_node
    problems: list[LoadProblem] = []

    def name_of(module_path: str) -> str:
        return Path(module_path).stem if Path(module_path).is_file() else Path(module_path).name

    async def load(module_path: str, *args: Any, **options: Any) -> bool:
        name = name_of(module_path)
        if "custom_nodes" not in Path(module_path).parts:
            return bool(await _settled(original(module_path, *args, **options)))
        if name in skipped:
            problems.append(LoadProblem(name, skipped[name]))
            return False
        loading(name)
        loaded = bool(await _settled(original(module_path, *args, **options)))
        if not loaded:
            problems.append(LoadProblem(name, "it could not be imported; the log says why"))
        return loaded

    nodes.load_custom_node = load
    return problems


async def _settled(given: Any) -> Any:
    return await given if asyncio.iscoroutine(given) else given
