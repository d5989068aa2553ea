"""INPUT_TYPES of a class: what it says, or what its method's signature says where it has none."""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from typing import Any, Literal, get_args, get_origin, get_type_hints

from limner.graph.sockets import ANY

WIDGETS: Mapping[object, str] = {int: "INT", float: "FLOAT", str: "STRING", bool: "BOOLEAN"}
BY_NAME: Mapping[object, type] = {"int": int, "float": float, "str": str, "bool": bool}
"""For annotations that are text, in modules whose other annotations cannot be resolved."""


def input_types_of(cls: type) -> Mapping[str, Any]:
    """The sections of a class's inputs. Raises what INPUT_TYPES raises, ValueError where it gives no mapping."""
    declared = getattr(cls, "INPUT_TYPES", None)
    if declared is None:
        return inferred(cls)
    sections = declared() if callable(declared) else declared
    if not isinstance(sections, Mapping):
        raise ValueError(f"INPUT_TYPES gives {type(sections).__name__}, not a dict of sections")
    return sections


def inferred(cls: type) -> Mapping[str, Any]:
    """Inputs from the signature of the method: widgets by annotation or default, everything else takes anything.

    Raises ValueError for a class whose method is missing.
    """
    name = getattr(cls, "FUNCTION", "execute")
    method = getattr(cls, name, None)
    if not callable(method):
        raise ValueError(f"it has neither INPUT_TYPES nor a method {name!r}")
    try:
        hints = get_type_hints(method)
    except Exception:  # a pack's annotations may name anything
        hints = {}
    required: dict[str, Any] = {}
    optional: dict[str, Any] = {}
    for parameter in list(inspect.signature(method).parameters.values()):
        if parameter.name in ("self", "cls") or parameter.kind in (parameter.VAR_KEYWORD, parameter.VAR_POSITIONAL):
            continue
        has_default = parameter.default is not parameter.empty
        section = optional if has_default and parameter.default is None else required
        annotation = hints.get(parameter.name, BY_NAME.get(parameter.annotation, parameter.annotation))
        section[parameter.name] = _entry(annotation, parameter.default if has_default else None)
    return {"required": required, "optional": optional} if optional else {"required": required}


def _entry(annotation: Any, default: object) -> tuple[object, ...]:
    if get_origin(annotation) is Literal:
        choices = list(get_args(annotation))
        return (choices, {"default": default}) if default in choices else (choices,)
    known = isinstance(annotation, type) and annotation in WIDGETS
    kind = WIDGETS[annotation] if known else WIDGETS.get(type(default)) or _socket(annotation)
    options: dict[str, object] = {} if default is None else {"default": default}
    if kind == "INT":
        options = {"default": 0, "min": -(2**31), "max": 2**31 - 1, **options}
    elif kind == "FLOAT":
        options = {"default": 0.0, "min": -1e9, "max": 1e9, "step": 0.01, **options}
    return (kind, options) if options else (kind,)


def _socket(annotation: object) -> str:
    """Text annotations are socket types, as in `def run(self, image: "IMAGE")`."""
    return annotation if isinstance(annotation, str) and annotation.isupper() else ANY
