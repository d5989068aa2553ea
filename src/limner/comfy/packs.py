"""ComfyUI's custom-node packs: found in `custom_nodes` folders, imported, their classes turned into nodes.

Rules:

- A pack is a folder with an `__init__.py`, or a `.py` file. Names that end in `.disabled` or begin with a dot, and
  `__pycache__`, are passed over. They load in the order of their names, after every `prestartup_script.py` has run.
- Where its nodes are looked for is said in `packs_nodes`, what it may leave out in `packs_quirks`.
- A pack that fails to import is named and the rest load; so is a node whose class cannot be described, which
  is tried again when all packs are loaded.
- Nodes of a pack that are functions stand under the pack's name in the menu where they do not say another place.
"""

from __future__ import annotations

import logging
import runpy
import time
import traceback
from collections.abc import Callable, Iterable, Sequence
from copy import copy
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from limner.plugins.library import LoadProblem
from limner.sdk import Implementation, NodeFunction

from .manifest import Lanes, declared_lanes
from .packs_edits import edits_contained
from .packs_imports import find_packs, free_name, imported, make_package, module_name, modules_of, pack_name
from .packs_nodes import Found, find_nodes
from .packs_quirks import fill_in_names, own_logging
from .packs_web import web_folder
from .shims.bridge import Bridge
from .v1 import V1Node
from .v1_classes import class_of
from .v3 import V3Node, is_v3

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Waiting:
    """Classes that could not be described yet, as what they say of themselves may need packs that load later."""

    found: Found
    lanes: Lanes
    problems: Sequence[LoadProblem]


@dataclass(frozen=True, slots=True)
class Pack:
    """What came of one pack. `web` is its folder of files for the editor; `failed`: it could not be imported at all.

    The problems of `waiting` are among its problems.
    """

    name: str
    path: Path
    nodes: Sequence[Implementation] = ()
    problems: Sequence[LoadProblem] = ()
    web: Path | None = None
    seconds: float = 0.0
    failed: bool = False
    waiting: Waiting | None = None


def load_packs(
    folders: Iterable[Path],
    bridge: Bridge,
    *,
    choose: Callable[[Path], bool] = lambda path: True,
    loading: Callable[[str], None] = lambda name: None,
) -> list[Pack]:
    """Import every pack that is chosen. The shims must be installed. Never raises for what a pack does.

    `loading` is called with the name of each pack before any code of it runs, as that may end the process.
    """
    paths = [path for path in find_packs(folders) if choose(path)]
    early = {path: problem for path in paths if (problem := _run_prestartup(path, loading)) is not None}
    packs = []
    for path in paths:
        loading(pack_name(path))
        pack = load_pack(path, bridge)
        if path in early:
            pack = replace(pack, problems=(early[path], *pack.problems))
        packs.append(pack)
    packs = [_described(pack) for pack in packs]
    for problem in (problem for pack in packs for problem in pack.problems):
        log.warning("%s: %s", problem.source, problem.message)
    return packs


def _described(pack: Pack) -> Pack:
    """The pack, with those nodes that can be described now that all packs are there."""
    if pack.waiting is None:
        return pack
    still: list[LoadProblem] = []
    nodes = _nodes(pack.name, pack.waiting.found, pack.waiting.lanes, still)
    others = [problem for problem in pack.problems if problem not in pack.waiting.problems]
    return replace(pack, nodes=[*pack.nodes, *nodes], problems=[*others, *still], waiting=None)


def load_pack(path: Path, bridge: Bridge) -> Pack:
    """Import one pack. Never raises for what the pack does."""
    name, started = pack_name(path), time.perf_counter()
    own, told = free_name(path), list[str]()
    try:
        with edits_contained(path, told), own_logging(own):
            module = imported(path, own)
            found = find_nodes(module, path)
        web = web_folder(path, getattr(module, "WEB_DIRECTORY", None))
        for mended in fill_in_names(module, modules_of(own)):
            log.warning("%s: %s; it was given to it", name, mended)
    except (Exception, SystemExit) as error:
        return Pack(name, path, (), (_problem(name, error),), None, time.perf_counter() - started, failed=True)
    finally:
        for line in told:
            log.info("%s: %s", name, line)
    problems: list[LoadProblem] = []
    try:
        lanes = declared_lanes(path)
    except ValueError as error:
        lanes = Lanes()
        problems.append(LoadProblem(name, str(error)))
    wrong: list[LoadProblem] = []
    described = _nodes(name, found, lanes, wrong)
    nodes: list[Implementation] = [*described, *_functions(name, found, lanes, problems)]
    bridge.classes.update({node.schema.type: class_of(node) for node in nodes if isinstance(node, NodeFunction)})
    bridge.classes.update(found.classes)
    bridge.display_names.update({str(key): str(title) for key, title in found.titles.items()})
    if web is not None:
        bridge.web_directories[name] = str(web)
    if not found.classes and not found.functions and web is None:
        problems.append(LoadProblem(name, _nothing_found()))
    waiting = _waiting(found, described, lanes, wrong)
    return Pack(name, path, nodes, [*problems, *wrong], web, time.perf_counter() - started, waiting=waiting)


def _waiting(
    found: Found, described: Sequence[V1Node], lanes: Lanes, problems: Sequence[LoadProblem]
) -> Waiting | None:
    known = {node.schema.type for node in described}
    left = {node_type: cls for node_type, cls in found.classes.items() if node_type not in known}
    return Waiting(Found(left, found.titles), lanes, problems) if left else None


def _nothing_found() -> str:
    return (
        "it has no NODE_CLASS_MAPPINGS, no class with FUNCTION, RETURN_TYPES and CATEGORY, and no @node function, "
        "so no nodes"
    )


def _problem(source: str, error: BaseException) -> LoadProblem:
    text = "".join(traceback.format_exception(error))
    return LoadProblem(source, f"{type(error).__name__}: {error}", text)


def _run_prestartup(path: Path, loading: Callable[[str], None]) -> LoadProblem | None:
    script = path / "prestartup_script.py"
    if not script.is_file():
        return None
    loading(pack_name(path))
    try:
        make_package(path.parent)
        runpy.run_path(str(script), run_name=f"{module_name(path)}.prestartup_script")
    except (Exception, SystemExit) as error:
        return _problem(path.name, error)
    return None


def _nodes(pack: str, found: Found, lanes: Lanes, problems: list[LoadProblem]) -> list[V1Node]:
    nodes: list[V1Node] = []
    for node_type, cls in found.classes.items():
        title = found.titles.get(node_type)
        try:
            make = V3Node if is_v3(cls) else V1Node
            made = make(node_type, cls, display_name=str(title) if title else "", module=f"custom_nodes.{pack}")
        except Exception as error:
            problem = _problem(pack, error)
            problems.append(LoadProblem(pack, f"node {node_type}: {problem.message}", problem.traceback))
            continue
        made.schema = lanes.of(made.schema, cls)
        nodes.append(made)
    return nodes


def _functions(pack: str, found: Found, lanes: Lanes, problems: list[LoadProblem]) -> list[NodeFunction[..., Any]]:
    nodes: dict[str, NodeFunction[..., Any]] = {}
    for function in found.functions:
        named, node = function.schema.type, copy(function)
        if named in found.classes or named in nodes:
            problems.append(LoadProblem(pack, f"node {named}: it is defined twice; give one of them another type"))
            continue
        category = function.schema.category or pack
        node.schema = replace(function.schema, module=f"custom_nodes.{pack}", category=category)
        if not function.names_lane:
            node.schema = lanes.of(node.schema, function)
        nodes[named] = node
    return list(nodes.values())
