"""The types of an endpoint's inputs, as the schemas of their nodes say them now, and their JSON Schema."""

from __future__ import annotations

import enum
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

from limner.graph import Catalog, FileChoices, Input

from .interface import Port

ListFiles: TypeAlias = Callable[[FileChoices], Sequence[object]]
"""What a folder holds now."""
UPLOADS = ("image_upload", "video_upload", "audio_upload", "file_upload", "animated_image_upload")


class Kind(enum.StrEnum):
    """What an input takes."""

    INTEGER = "integer"
    NUMBER = "number"
    TEXT = "string"
    BOOLEAN = "boolean"
    CHOICE = "choice"
    FILE = "file"
    """A file: one that is sent along, or the name of one in the input folder."""
    ANY = "any"


KINDS: Mapping[str, Kind] = {
    "INT": Kind.INTEGER,
    "FLOAT": Kind.NUMBER,
    "STRING": Kind.TEXT,
    "BOOLEAN": Kind.BOOLEAN,
}


@dataclass(frozen=True, slots=True)
class Field:
    """An input with its type. `default` is the value that the workflow was kept with."""

    name: str
    kind: Kind
    default: Any
    minimum: float | None = None
    maximum: float | None = None
    choices: tuple[object, ...] = ()
    description: str = ""

    def schema(self) -> dict[str, Any]:
        """JSON Schema."""
        told: dict[str, Any] = {}
        if self.kind is Kind.CHOICE:
            told["enum"] = list(self.choices)
        elif self.kind is Kind.FILE:
            told["type"] = "string"
        elif self.kind is not Kind.ANY:
            told["type"] = self.kind.value
        if self.kind in (Kind.INTEGER, Kind.NUMBER):
            bounds = {"minimum": self.minimum, "maximum": self.maximum}
            told |= {name: bound for name, bound in bounds.items() if bound is not None}
        said = self.description or ("A file, or the name of one in the input folder" if self.kind is Kind.FILE else "")
        return told | {"default": self.default} | ({"description": said} if said else {})


def fields_of(
    ports: Iterable[Port], prompt: Mapping[str, Any], catalog: Catalog, list_files: ListFiles
) -> tuple[Field, ...]:
    """The ports with their types; an input of a node that is not installed any more takes anything."""
    return tuple(_field(port, prompt, catalog, list_files) for port in ports)


def _field(port: Port, prompt: Mapping[str, Any], catalog: Catalog, list_files: ListFiles) -> Field:
    node = prompt[port.node]
    schema = catalog.get(str(node.get("class_type")))
    known = schema.input(port.input) if schema is not None else None
    default = (node.get("inputs") or {}).get(port.input)
    if isinstance(default, Mapping) and "__value__" in default:
        default = default["__value__"]
    if known is None:
        return Field(port.name, Kind.ANY, default, description=port.description)
    described = port.description or str(known.options.get("tooltip") or "")
    kind = _kind(known)
    return Field(
        port.name,
        kind,
        default,
        _bound(known.options.get("min")),
        _bound(known.options.get("max")),
        _choices(known, list_files) if kind is Kind.CHOICE else (),
        described,
    )


def _kind(known: Input) -> Kind:
    if known.choices is not None:
        folder = known.choices.folder if isinstance(known.choices, FileChoices) else ""
        sent = folder == "input" or any(known.options.get(name) for name in UPLOADS)
        return Kind.FILE if sent else Kind.CHOICE
    return KINDS.get(known.type, Kind.ANY)


def _choices(known: Input, list_files: ListFiles) -> tuple[object, ...]:
    if isinstance(known.choices, FileChoices):
        return tuple(list_files(known.choices))
    return tuple(known.choices or ())


def _bound(value: object) -> float | None:
    return value if isinstance(value, int | float) and not isinstance(value, bool) else None
