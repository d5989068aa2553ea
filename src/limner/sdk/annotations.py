"""An annotation, taken apart: its base type, and what the marks in `Annotated` say.

Marks, each once:

- a widget or `Socket` says the socket type, `Options` more options, `Named` an output's name;
- `Any` and `object` are the socket that takes anything, `A | B` of sockets is one that takes both;
- `Presence.OPTIONAL` puts an input into the optional section;
- a text is a tooltip; a `range` gives bounds and step;
- `Ge`, `Le`, `Gt`, `Lt`, `Interval`, `MultipleOf` of the package annotated-types, and what pydantic's `Field` makes of
  them, are taken by their attributes; nothing is imported for it.
"""

from __future__ import annotations

import enum
import types
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from limner.graph import Presence

from .widgets import Grow, Marker, Named, Options, Socket

PLAIN: Mapping[object, str] = types.MappingProxyType({int: "INT", float: "FLOAT", str: "STRING", bool: "BOOLEAN"})
ANYTHING = (Any, object)


@dataclass(frozen=True, slots=True)
class Declared:
    """An annotation, taken apart. `options` None: no mark says any."""

    base: object
    marker: Marker | None = None
    options: Mapping[str, object] | None = None
    optional: bool = False
    is_list: bool = False
    named: Named | None = None
    grow: Grow | None = None


def take_apart(annotation: object) -> Declared:
    """The base type of an annotation, and what its marks say. Raises TypeError for a mark that makes no sense."""
    origin = get_origin(annotation)
    if origin is Annotated:
        base, *marks = get_args(annotation)
        return _marked(take_apart(base), marks)
    if origin in (Union, types.UnionType):
        rest = [member for member in get_args(annotation) if member is not type(None)]
        if len(rest) < len(get_args(annotation)):
            return replace(take_apart(rest[0] if len(rest) == 1 else Union[tuple(rest)]), optional=True)  # noqa: UP007
        return Declared(annotation, _either(rest))
    if origin is Literal and None in get_args(annotation):
        named = tuple(value for value in get_args(annotation) if value is not None)
        return replace(take_apart(Literal[named] if named else None), optional=True)
    if origin in (list, Sequence) and len(get_args(annotation)) == 1:
        inner = take_apart(get_args(annotation)[0])
        if inner.is_list:
            raise TypeError("a list of lists is no socket type; a node takes lists of single values")
        if socket_type(inner) is not None:
            return replace(inner, is_list=True)
    return Declared(annotation)


def _either(members: Sequence[object]) -> Marker | None:
    """The socket that takes any of several; None where one of them is none (plain types are widgets)."""
    markers = [take_apart(member).marker for member in members]
    if any(type(marker) is not Socket for marker in markers):
        return None
    return Socket(",".join(dict.fromkeys(marker.type for marker in markers if marker is not None)))


def _marked(inner: Declared, marks: Sequence[object]) -> Declared:
    found = inner
    for mark in marks:
        if isinstance(mark, Marker):
            found = replace(found, marker=mark, is_list=found.is_list and inner.marker is not None)
        elif isinstance(mark, Named):
            found = replace(found, named=mark)
        elif isinstance(mark, Grow):
            found = replace(found, grow=mark)
        elif mark is Presence.OPTIONAL:
            found = replace(found, optional=True)
        elif (said := _options(mark, whole=inner.base is int)) is not None:
            found = replace(found, options={**(found.options or {}), **said})
    return found


def _options(mark: object, *, whole: bool) -> Mapping[str, object] | None:
    """What a mark says of the widget; None where it is somebody else's. `whole`: of whole numbers."""
    if isinstance(mark, Options):
        return mark.options
    if isinstance(mark, str):
        return {"tooltip": mark}
    if isinstance(mark, range):
        if not mark or mark.step < 0:
            raise TypeError(f"{mark} holds nothing to choose from; give a range that rises")
        return {"min": mark[0], "max": mark[-1], **({"step": mark.step} if mark.step != 1 else {})}
    return dict(_bounds(mark, whole=whole)) or None


def _bounds(mark: object, *, whole: bool) -> Iterator[tuple[str, object]]:
    for part in getattr(mark, "metadata", None) or ():  # pydantic's FieldInfo
        yield from _bounds(part, whole=whole)
    described = getattr(mark, "description", None) or getattr(mark, "documentation", None)
    if isinstance(described, str):
        yield "tooltip", described
    for name, key, beyond in (("ge", "min", 0), ("gt", "min", 1), ("le", "max", 0), ("lt", "max", -1)):
        bound: Any = getattr(mark, name, None)
        if isinstance(bound, int | float):
            if beyond and not whole:
                raise TypeError(f"{mark!r} leaves its bound out, which a widget of a float cannot; use Ge or Le")
            yield key, bound + beyond
    step = getattr(mark, "multiple_of", None)
    if isinstance(step, int | float):
        yield "step", step


def socket_type(declared: Declared) -> str | None:
    """The socket type of what was declared, None where it has none."""
    if declared.marker is not None:
        return declared.marker.type
    if choices_of(declared.base) is not None:
        return "COMBO"
    if declared.base in ANYTHING:
        return "*"
    try:
        return PLAIN.get(declared.base)
    except TypeError:
        return None


def choices_of(base: object) -> Mapping[object, object] | None:
    """What a `Literal` or an enum offers, and the argument that each choice stands for; None for other types.

    An enum offers its values, or its names where a value is neither text nor a number.
    """
    if get_origin(base) is Literal:
        values = get_args(base)
        members = [value for value in values if isinstance(value, enum.Enum)]
        return _offered(members) if len(members) == len(values) else {value: value for value in values}
    return _offered(list(base)) if isinstance(base, type) and issubclass(base, enum.Enum) else None


def _offered(members: Sequence[enum.Enum]) -> Mapping[object, object]:
    plain = all(isinstance(member.value, str | int | float) for member in members)
    return {member.value if plain else member.name: member for member in members}


def choice_for(base: object, value: object) -> object:
    """The choice that an enum's member is offered as; any other value as it is."""
    if not isinstance(value, enum.Enum):
        return value
    return next((choice for choice, member in (choices_of(base) or {}).items() if member is value), value.value)
