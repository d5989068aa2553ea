"""The catalog as ComfyUI's `/object_info` writes it, and back.

Rules: a schema says everything that its entry needs; `NodeSchema.info` holds further keys and wins over what is derived
from the rest of the schema; its `input_order` says which sections there are, empty ones too. File lists are asked for
anew with every answer, all else is encoded once. Entries of `v3` nodes have keys that the others have only where they
say something, and their hidden inputs stand in lists.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from copy import copy
from dataclasses import replace
from itertools import groupby
from typing import Any, TypeAlias

import msgspec

from limner.graph import Catalog, FileChoices, Input, NodeSchema, Output, Presence, Traits
from limner.graph.sockets import COMBO

from .packing import Part, Payload, payload

ListFiles: TypeAlias = Callable[[FileChoices], Sequence[object]]
"""The choices of a folder, as they are now."""


def describe(schema: NodeSchema, list_files: ListFiles) -> dict[str, Any]:
    """One node's entry in `/object_info`."""
    said = schema.info.get("input_order")
    names = said if isinstance(said, Mapping) else (Presence.REQUIRED.value,)
    sections: dict[str, dict[str, Any]] = {str(name): {} for name in names}
    for item in schema.inputs:
        sections.setdefault(item.presence.value, {})[item.name] = _describe_input(item, schema.v3, list_files)
    entry: dict[str, Any] = {
        "input": sections,
        "input_order": {section: list(names) for section, names in sections.items()},
        "output": [_describe_output(output, list_files) for output in schema.outputs],
        "output_is_list": [output.is_list for output in schema.outputs],
        "output_name": [output.name for output in schema.outputs],
        "name": schema.type,
        "display_name": schema.display_name or (None if schema.v3 else schema.type),
        "description": schema.description,
        "python_module": schema.module,
        "category": schema.category,
        "output_node": schema.traits.output,
    }
    if schema.v3 or any(output.tooltip for output in schema.outputs):
        entry["output_tooltips"] = [output.tooltip for output in schema.outputs]
    for key in ("deprecated", "experimental", "api_node"):
        if schema.v3 or getattr(schema.traits, key):
            entry[key] = getattr(schema.traits, key)
    entry.update(schema.info)
    return entry


def _describe_input(item: Input, v3: bool, list_files: ListFiles) -> Any:
    options = dict(item.options)
    explicit = bool(options) or item.explicit_options
    if item.presence is Presence.HIDDEN:
        if not explicit:
            return [item.type] if v3 else item.type
        explicit = bool(options)  # a hidden input that stands in a list
    if item.choices is None:
        return [item.type, options] if explicit else [item.type]
    choices = list(list_files(item.choices) if isinstance(item.choices, FileChoices) else item.choices)
    if item.combo_v3:
        return [item.type, {**options, "options": choices}]
    return [choices, options] if explicit else [choices]


def _describe_output(output: Output, list_files: ListFiles) -> Any:
    if output.choices is None:
        return output.type
    return list(list_files(output.choices) if isinstance(output.choices, FileChoices) else output.choices)


def read_schema(entry: Mapping[str, Any]) -> NodeSchema:
    """The schema of an `/object_info` entry; `describe` gives the same entry again."""
    schema = NodeSchema(
        type=str(entry["name"]),
        inputs=read_inputs(entry.get("input") or {}),
        outputs=tuple(_read_outputs(entry)),
        traits=Traits(
            output=bool(entry.get("output_node")),
            deprecated=bool(entry.get("deprecated")),
            experimental=bool(entry.get("experimental")),
            api_node=bool(entry.get("api_node")),
        ),
        display_name=str(entry.get("display_name") or ""),
        category=str(entry.get("category") or ""),
        description=str(entry.get("description") or ""),
        module=str(entry.get("python_module") or "nodes"),
        v3=entry.get("api_node") is not None and entry.get("experimental") is not None,
    )
    derived = describe(schema, lambda _: ())
    absent = object()
    return replace(schema, info={key: value for key, value in entry.items() if derived.get(key, absent) != value})


def read_inputs(sections: Mapping[str, Any], prefix: str = "") -> tuple[Input, ...]:
    """The inputs of an INPUT_TYPES-shaped object; `prefix` is put before their names."""
    return tuple(
        _read_input(prefix + name, raw, presence)
        for presence in Presence
        for name, raw in (sections.get(presence.value) or {}).items()
    )


def _read_input(name: str, raw: Any, presence: Presence) -> Input:
    if isinstance(raw, str):
        return Input(name, raw, presence)
    kind = raw[0] if raw else "*"
    options = dict(raw[1]) if len(raw) > 1 and isinstance(raw[1], Mapping) else {}
    explicit = len(raw) > 1 or presence is Presence.HIDDEN
    if isinstance(kind, (list, tuple)):
        return Input(name, COMBO, presence, tuple(kind), options, explicit_options=explicit)
    if kind == COMBO and isinstance(options.get("options"), (list, tuple)):
        choices = tuple(options.pop("options"))
        return Input(name, kind, presence, choices, options, combo_v3=True)
    return Input(name, kind, presence, None, options, explicit_options=explicit)


def _read_outputs(entry: Mapping[str, Any]) -> Iterator[Output]:
    kinds = entry.get("output") or ()
    names = entry.get("output_name") or ()
    lists = entry.get("output_is_list") or ()
    tooltips = entry.get("output_tooltips") or ()
    for index, kind in enumerate(kinds):
        is_combo = isinstance(kind, (list, tuple))
        yield Output(
            name=str(names[index]) if index < len(names) else str(kind),
            type=COMBO if is_combo else str(kind),
            is_list=bool(lists[index]) if index < len(lists) else False,
            tooltip=tooltips[index] if index < len(tooltips) else None,
            choices=tuple(kind) if is_combo else None,
        )


class ObjectInfo:
    """`/object_info` of one catalog: encoded and compressed once, and again only where a file list has changed."""

    def __init__(self, catalog: Catalog, list_files: ListFiles) -> None:
        self._catalog = catalog
        self._list_files = list_files
        self._sources = tuple(dict.fromkeys(source for schema in catalog.values() for source in _sources(schema)))
        self._fixed = {
            name: encode(describe(schema, list_files)) for name, schema in catalog.items() if not any(_sources(schema))
        }
        self._groups = tuple(self._grouped())
        self._listings: tuple[tuple[object, ...], ...] | None = None
        self._payload: Payload | None = None

    def elsewhere(self, list_files: ListFiles) -> ObjectInfo:
        """The same nodes with other files; what holds none is shared."""
        other = copy(self)
        other._list_files, other._listings, other._payload = list_files, None, None
        return other

    @property
    def catalog(self) -> Catalog:
        return self._catalog

    def whole(self) -> Payload:
        """All entries, with the files that are there now."""
        listings = tuple(tuple(self._list_files(source)) for source in self._sources)
        if self._payload is None or listings != self._listings:
            known = dict(zip(self._sources, listings, strict=True))
            parts = (
                group if isinstance(group, Part) else Part.of(self._joined(group, known.__getitem__))
                for group in self._groups
            )
            self._payload, self._listings = payload([_BEGIN, *parts, _END]), listings
        return self._payload

    def one(self, node_type: str) -> bytes | None:
        """The answer for one node type, or None where there is no such type."""
        schema = self._catalog.get(node_type)
        if schema is None:
            return None
        entry = self._fixed.get(node_type) or encode(describe(schema, self._list_files))
        return b"{" + encode(node_type) + b":" + entry + b"}"

    def _grouped(self) -> Iterator[Part | tuple[str, ...]]:
        """The types in their order: what never changes as it is answered, and between it the types with files."""
        for fixed, group in groupby(self._catalog, self._fixed.__contains__):
            names = tuple(group)
            yield Part.of(self._joined(names, self._list_files)) if fixed else names

    def _joined(self, names: Sequence[str], list_files: ListFiles) -> bytes:
        """Entries with what stands between them, and before them unless they are the first of all."""
        first = next(iter(self._catalog), None)
        entries = (
            encode(name) + b":" + (self._fixed.get(name) or encode(describe(self._catalog[name], list_files)))
            for name in names
        )
        return (b"" if names[0] == first else b",") + b",".join(entries)


_BEGIN, _END = Part.of(b"{"), Part.of(b"}")


def _sources(schema: NodeSchema) -> Iterator[FileChoices]:
    for choices in (*(item.choices for item in schema.inputs), *(output.choices for output in schema.outputs)):
        if isinstance(choices, FileChoices):
            yield choices


def encode(value: object) -> bytes:
    """JSON, also of integers beyond 64 bits, which some nodes give as their range, and of text that is not Unicode.

    Such text comes of file names that are not UTF-8, and of clients that cut an emoji in half; it is written escaped.
    """
    try:
        return msgspec.json.encode(value)
    except (OverflowError, TypeError, UnicodeEncodeError):
        return json.dumps(value, default=str).encode()
