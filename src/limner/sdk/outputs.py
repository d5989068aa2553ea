"""A function's return annotation -> the outputs of its node. Every mistake is a TypeError that says the remedy.

Rules:

- `X` is one output, `tuple[X, Y]` are two, `None` is none; `list[X]` is a list output, whose items flow on one by one.
- The fields of a `NamedTuple` name its outputs; so does `Annotated[X, Named("name")]`.
- `Generator[Progress, None, X]` gives what X says. A coroutine that reports progress by yielding is an
  `AsyncIterator[Progress | X]`: the last thing that it yields is its result.
- `Blocked` and `Result` beside them are no outputs. `Result` alone says nothing of the outputs.
"""

from __future__ import annotations

import types
from collections.abc import AsyncGenerator, AsyncIterable, AsyncIterator, Generator, Iterable, Iterator
from dataclasses import replace
from typing import Any, Union, get_args, get_origin, get_type_hints

from limner.graph import Output

from .annotations import choices_of, socket_type, take_apart
from .implementation import Blocked, Result
from .progress import Progress
from .readable import no_socket, readable
from .widgets import Named

SERIES = (AsyncGenerator, AsyncIterator, AsyncIterable, Iterator, Iterable)


def read_outputs(where: str, annotation: object, *, yields: bool) -> tuple[Output, ...] | None:
    """None where the annotation says nothing of the outputs. `yields`: of a function that yields. Raises TypeError."""
    members = _members(_given_by(where, annotation) if yields else annotation)
    wanted = [member for member in members if member not in (Blocked, Result)]
    if not wanted:
        return None
    if wanted in ([None], [type(None)]):
        return ()
    if len(wanted) > 1:
        raise TypeError(f"{where}: it gives {readable(annotation)}; an output has one type")
    if get_origin(wanted[0]) is tuple:
        return tuple(_output(where, number, item) for number, item in enumerate(get_args(wanted[0])))
    if _is_named_tuple(wanted[0]):
        fields = get_type_hints(wanted[0], include_extras=True)
        found = [(name, _output(where, number, kind)) for number, (name, kind) in enumerate(fields.items())]
        return tuple(replace(output, name=name) if output.name == output.type else output for name, output in found)
    return (_output(where, 0, wanted[0]),)


def _given_by(where: str, annotation: object) -> object:
    """What a function that yields gives in the end."""
    origin, arguments = get_origin(annotation), get_args(annotation)
    if origin is Generator and len(arguments) == 3:
        if any(member is not Progress for member in _members(arguments[0])):
            raise TypeError(f"{where}: it yields {readable(arguments[0])}; yield `Progress(value, maximum)`")
        return arguments[2]
    if origin not in SERIES:
        raise TypeError(f"{where}: it yields, so annotate its result `Generator[Progress, None, Image]`, or such")
    rest = [member for member in _members(arguments[0]) if member is not Progress]
    if not rest:
        raise TypeError(
            f"{where}: its annotation does not say what it gives; "
            "use `Generator[Progress, None, Image]`, or `AsyncIterator[Progress | Image]`, or such"
        )
    return Union[tuple(rest)]  # noqa: UP007


def _members(annotation: object) -> tuple[Any, ...]:
    return get_args(annotation) if get_origin(annotation) in (Union, types.UnionType) else (annotation,)


def _is_named_tuple(kind: Any) -> bool:
    return isinstance(kind, type) and issubclass(kind, tuple) and hasattr(kind, "_fields")


def _output(where: str, number: int, annotation: object) -> Output:
    wanted = [member for member in _members(annotation) if member is not Blocked]
    declared = take_apart(wanted[0])
    socket = socket_type(declared) if len(wanted) == 1 else None
    if socket is None:
        raise TypeError(f"{where}: output {number}: {no_socket(annotation)}")
    choices = (declared.marker and declared.marker.choices) or tuple(choices_of(declared.base) or ()) or None
    named = declared.named or Named(socket)
    tooltip = (declared.options or {}).get("tooltip")
    return Output(
        name=named.name,
        type=socket,
        is_list=declared.is_list,
        tooltip=named.tooltip or (str(tooltip) if tooltip else None),
        choices=choices,
    )
