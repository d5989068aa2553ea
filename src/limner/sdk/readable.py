"""Annotations as messages show them."""

from __future__ import annotations

import types
from typing import Annotated, Union, get_args, get_origin

from .widgets import Marker

REMEDY = "use one of limner.sdk, or `Annotated[YourType, Socket('YOUR_TYPE')]`"


def readable(annotation: object) -> str:
    """`list[int]`, `IMAGE | MASK`: types by their names, and sockets by theirs."""
    origin, arguments = get_origin(annotation), get_args(annotation)
    if origin is Annotated:
        marker = next((mark for mark in arguments[1:] if isinstance(mark, Marker)), None)
        return readable(arguments[0]) if marker is None else marker.type
    if origin in (Union, types.UnionType):
        return " | ".join(map(readable, arguments))
    if annotation in (None, type(None)):
        return "None"
    name = getattr(origin or annotation, "__name__", None) or str(annotation)
    inside = ", ".join("..." if part is ... else readable(part) for part in arguments)
    return f"{name}[{inside}]" if arguments else str(name)


def no_socket(annotation: object) -> str:
    """Why an annotation is no socket type, and what to write instead."""
    shown = readable(annotation)
    if shown == "Tensor":
        return (
            "a Tensor can be many things; say which: Image, Mask, Sigmas, or `Annotated[Tensor, Socket('YOUR_TYPE')]`"
        )
    if annotation in (list, dict, tuple):
        return f"a {shown} of what? Say it, e.g. `{'dict[str, Image]' if annotation is dict else 'list[Image]'}`"
    if get_origin(annotation) is tuple:
        return f"its type {shown} is no socket type; a node takes whole lists as `list[...]`"
    return f"its type {shown} is no socket type; {REMEDY}"
