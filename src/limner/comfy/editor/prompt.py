"""The API-form prompt of a document: what the editor sends when Run is pressed.

Rules: a node's widgets come first, in their order, then its links, which take the place of a widget of the same name.
A list is wrapped as `{"__value__": [...]}`, since a bare list would read as a link. Nodes that are muted, bypassed or
only the editor's are left out, and so are links to them that lead nowhere.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from random import Random
from typing import Any

from limner.comfy.object_info import ListFiles
from limner.graph import Catalog, FileChoices, InvalidGraph, Problem

from .document import BYPASSED, MUTED, Document
from .dynamic_prompts import choose
from .file_names import INPUT, SAVING, FileNames
from .groups import PREFIXES, with_groups_opened
from .identity import with_unique_ids
from .order import as_written, execution_order
from .promotion import apply_primitives, instances_of
from .resolution import Given, Level, Resolver, Source
from .sheet import Kind, Placed, Sheet

MAXIMUM_NODES = 100_000

_PACK_ID = re.compile(r"[a-zA-Z0-9](?:[a-zA-Z0-9._-]{0,98}[a-zA-Z0-9])?")
_OWNER = re.compile(r"(?!-)(?!.*--)[a-zA-Z0-9-]{1,39}(?<!-)")
_VERSION = re.compile(
    r"(0|[1-9]\d*)\.(0|[1-9]\d*)\.(0|[1-9]\d*)(-[\da-z-]+(\.[\da-z-]+)*)?(\+[\da-z-]+(\.[\da-z-]+)*)?"
    r"|[0-9a-fA-F]{4,40}"
)


def to_prompt(
    document: Document,
    catalog: Catalog,
    choices: ListFiles | None = None,
    random: Random | None = None,
    *,
    references: bool = False,
) -> dict[str, Any]:
    """The prompt that the editor would send. `choices` lists folders, for combos whose value was never set; `random`
    picks among the choices of a text; `references` stand for values in the names of files (see `file_names`). Raises
    `InvalidGraph`."""
    listed = choices or _no_files
    document = with_groups_opened(with_unique_ids(document), catalog, listed)
    sheets = {
        name: Sheet(definition, document.subgraphs, catalog, listed) for name, definition in document.subgraphs.items()
    }
    root = Sheet(document.root, document.subgraphs, catalog, listed)
    for sheet in (root, *sheets.values()):
        apply_primitives(sheet)
    instances = instances_of(sheets, root)
    resolver = Resolver(sheets, instances)
    filler = _Filler(random or Random(), FileNames(root, sheets, instances, references))
    prompt: dict[str, Any] = {}
    for level, placed in _running(root, sheets):
        prompt[level.name(placed.node.id)] = {
            "inputs": _inputs(level, placed, resolver, filler),
            "class_type": placed.node.type,
            "_meta": _meta(placed),
        }
    for entry in prompt.values():
        inputs = entry["inputs"]
        for name in [name for name, value in inputs.items() if _is_link(value) and value[0] not in prompt]:
            del inputs[name]
    return as_written(prompt, prompt)


def _no_files(_: FileChoices) -> Sequence[object]:
    return ()


def _running(root: Sheet, sheets: Mapping[str, Sheet]) -> Iterator[tuple[Level, Placed]]:
    """The nodes of the prompt, subgraphs opened where they stand."""
    top = Level(root)
    waiting = [(top, name) for name in reversed(execution_order(root))]
    count = 0
    while waiting:
        level, name = waiting.pop()
        placed = level.sheet.nodes[name]
        off = placed.node.mode in (MUTED, BYPASSED)
        count += 1
        if count > MAXIMUM_NODES:
            raise InvalidGraph([_too_large()])
        if placed.kind is Kind.SUBGRAPH and not (off and level.above is None):
            inside = Level(sheets[placed.node.type], (*level.path, name), level)
            waiting.extend((inside, inner) for inner in reversed(inside.sheet.nodes))
        elif placed.kind is Kind.PLAIN and not off:
            if placed.schema is None and placed.node.type.startswith(PREFIXES):
                raise InvalidGraph([_group_node(placed)])
            yield level, placed


@dataclass(frozen=True, slots=True)
class _Filler:
    """Fills in what a text leaves open: choices, and other nodes' values in the names of files."""

    random: Random
    names: FileNames

    def filled(self, text: str, placed: Placed, name: str) -> str:
        if name == INPUT and placed.node.type in SAVING:
            return self.names.filled(text)
        item = placed.schema.input(name) if placed.schema else None
        return choose(text, self.random) if item is not None and item.options.get("dynamicPrompts") else text


def _inputs(level: Level, placed: Placed, resolver: Resolver, filler: _Filler) -> dict[str, Any]:
    inputs: dict[str, Any] = {}
    schema = placed.schema
    for name, value in level.sheet.values.get(placed.node.id, {}).items():
        item = schema.input(name) if schema else None
        if value is None and item is not None and not _holds_null(item.type):
            continue
        if isinstance(value, str):
            inputs[name] = filler.filled(value, placed, name)
        else:
            inputs[name] = _wrapped(value, item.type if item else "")
    for index, slot in enumerate(placed.inputs):
        found = resolver.input(level, placed, index)
        if isinstance(found, Source):
            inputs[slot.name] = [found.node, found.output]
        elif isinstance(found, Given):
            inputs[slot.name] = _wrapped(found.value, "")
    return inputs


def _holds_null(kind: str) -> bool:
    """Whether an unset widget of this type is sent as null; the others are left out."""
    return kind not in ("COMBO", "COMFY_DYNAMICCOMBO_V3")


def _wrapped(value: Any, kind: str) -> Any:
    if kind == "CURVE" and value is not None:
        return {"__type__": "CURVE", "__value__": value}
    return {"__value__": list(value)} if isinstance(value, (list, tuple)) else value


def _is_link(value: Any) -> bool:
    return isinstance(value, list) and len(value) == 2


def _meta(placed: Placed) -> dict[str, Any]:
    """The node's title, and the pack that it came from as far as the file says it properly."""
    meta: dict[str, Any] = {"title": placed.title}
    properties = placed.node.properties
    pack, repository, version = (properties.get(key) for key in ("cnr_id", "aux_id", "ver"))
    if isinstance(pack, str) and _PACK_ID.fullmatch(pack):
        meta["cnr_id"] = pack
    if isinstance(repository, str) and repository.count("/") == 1:
        owner, _, project = repository.partition("/")
        if _OWNER.fullmatch(owner) and _PACK_ID.fullmatch(project):
            meta["aux_id"] = repository
    if isinstance(version, str):
        bare = version.removeprefix("v")
        if bare == "unknown" or _VERSION.fullmatch(bare):
            meta["ver"] = bare
    return meta


def _group_node(placed: Placed) -> Problem:
    return Problem(
        "group_node",
        f"The group node '{placed.node.type[len(PREFIXES[0]) :]}' is not defined in this workflow",
        remedy="Open the workflow that it was made in, in the editor, and save it again",
        node=placed.node.id,
    )


def _too_large() -> Problem:
    return Problem(
        "workflow_too_large",
        f"The workflow has more than {MAXIMUM_NODES} nodes when its subgraphs are opened",
        remedy="Use fewer instances of subgraphs inside subgraphs",
    )
