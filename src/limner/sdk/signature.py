"""A function's annotations -> the inputs and outputs of a node. Every mistake is a TypeError that says the remedy.

Rules:

- A parameter is an input of the same name. One annotated `NodeContext` is given the context and is no input.
- `int`, `float`, `str`, `bool` are widgets; a `Literal` or an enum is a combo; everything else needs a socket type.
- `X | None`, or the marker `Presence.OPTIONAL`, puts an input into the optional section; it needs a Python default.
- A Python default is the widget's default, unless the marker says another or it names a file.
- `list[X]` as a parameter: the node takes whole lists (then every input does); in the result: a list output.
"""

from __future__ import annotations

import enum
import inspect
import types
from collections.abc import Callable, Generator, Mapping
from dataclasses import dataclass
from typing import Annotated, Any, Literal, Union, get_args, get_origin, get_type_hints

from limner.graph import FileChoices, Input, Output, Presence

from .context import NodeContext
from .implementation import Blocked, Result
from .widgets import Marker, Named, Options

PLAIN: Mapping[object, str] = types.MappingProxyType({int: "INT", float: "FLOAT", str: "STRING", bool: "BOOLEAN"})


@dataclass(frozen=True, slots=True)
class Declared:
    """An annotation, taken apart."""

    base: object
    marker: Marker | None = None
    options: Mapping[str, object] | None = None
    optional: bool = False
    is_list: bool = False
    named: Named | None = None


@dataclass(frozen=True, slots=True)
class Parameter:
    """One input and how its value becomes the function's argument."""

    input: Input
    is_list: bool = False
    enum_type: type[enum.Enum] | None = None


@dataclass(frozen=True, slots=True)
class Signature:
    parameters: tuple[Parameter, ...]
    outputs: tuple[Output, ...] | None
    """None where the return annotation says nothing of the outputs (`Result`)."""
    context: str | None
    """The parameter that takes the context."""
    open: bool
    """Takes `**inputs`."""


def read_signature(function: Callable[..., object], *, v3: bool) -> Signature:
    """Raises TypeError where the annotations do not describe a node."""
    where = f"@node {function.__qualname__}"
    hints = _hints(function, where)
    parameters: list[Parameter] = []
    context, is_open = None, False
    for name, parameter in inspect.signature(function).parameters.items():
        if parameter.kind is parameter.VAR_KEYWORD:
            is_open = True
        elif parameter.kind in (parameter.VAR_POSITIONAL, parameter.POSITIONAL_ONLY):
            raise TypeError(f"{where}: parameter '{name}' cannot be given by name; inputs are keyword arguments")
        elif name not in hints:
            raise TypeError(f"{where}: parameter '{name}' has no annotation; say its type, e.g. `{name}: Image`")
        elif hints[name] is NodeContext:
            context = name
        else:
            parameters.append(_parameter(f"{where}: input '{name}'", parameter, hints[name], v3=v3))
    if "return" not in hints:
        raise TypeError(f"{where}: no return annotation; say what it gives, e.g. `-> Image` or `-> None`")
    return Signature(tuple(parameters), _outputs(where, hints["return"]), context, is_open)


def _hints(function: Callable[..., object], where: str) -> dict[str, Any]:
    try:
        return get_type_hints(function, include_extras=True)
    except NameError as error:
        raise TypeError(
            f"{where}: an annotation names `{error.name}`, which does not exist at run time; "
            "use the socket types of limner.sdk, or import it outside of TYPE_CHECKING"
        ) from error


def take_apart(annotation: object) -> Declared:
    """The base type of an annotation, and what its markers say."""
    origin = get_origin(annotation)
    if origin is Annotated:
        base, *metadata = get_args(annotation)
        return _marked(take_apart(base), metadata)
    if origin in (Union, types.UnionType):
        rest = [member for member in get_args(annotation) if member is not type(None)]
        if len(rest) == 1 and len(rest) < len(get_args(annotation)):
            inner = take_apart(rest[0])
            return Declared(inner.base, inner.marker, inner.options, True, inner.is_list, inner.named)
    if origin is list and len(get_args(annotation)) == 1:
        inner = take_apart(get_args(annotation)[0])
        if socket_type(inner) is not None:
            return Declared(inner.base, inner.marker, inner.options, inner.optional, True, inner.named)
    return Declared(annotation)


def _marked(inner: Declared, metadata: list[object]) -> Declared:
    marker, options, optional, named = inner.marker, inner.options, inner.optional, inner.named
    is_list = inner.is_list
    for mark in metadata:
        if isinstance(mark, Marker):
            marker, is_list = mark, is_list and inner.marker is not None
        elif isinstance(mark, Options):
            options = {**(options or {}), **mark.options}
        elif isinstance(mark, Named):
            named = mark
        elif mark is Presence.OPTIONAL:
            optional = True
    return Declared(inner.base, marker, options, optional, is_list, named)


def socket_type(declared: Declared) -> str | None:
    """The socket type of what was declared, None where it has none."""
    if declared.marker is not None:
        return declared.marker.type
    if _values(declared.base) is not None:
        return "COMBO"
    try:
        return PLAIN.get(declared.base)
    except TypeError:
        return None


def _values(base: object) -> tuple[object, ...] | None:
    if get_origin(base) is Literal:
        return get_args(base)
    if isinstance(base, type) and issubclass(base, enum.Enum):
        return tuple(member.value for member in base)
    return None


def _parameter(where: str, parameter: inspect.Parameter, annotation: object, *, v3: bool) -> Parameter:
    declared = take_apart(annotation)
    socket = socket_type(declared)
    if socket is None:
        raise TypeError(
            f"{where}: its type {annotation!r} is no socket type; "
            "use one of limner.sdk, or `Annotated[YourType, Socket('YOUR_TYPE')]`"
        )
    marker = declared.marker or Marker(socket)
    choices = marker.choices or _values(declared.base) if socket == "COMBO" else None
    if socket == "COMBO" and choices is None:
        raise TypeError(f"{where}: a combo without values; give them to Choice, or annotate a Literal or an enum")
    options = _options(where, parameter, marker, declared, combo_v3=v3 and socket == "COMBO")
    _check_default(where, options, choices)
    base = declared.base
    return Parameter(
        Input(
            name=parameter.name,
            type=socket,
            presence=Presence.OPTIONAL if declared.optional else Presence.REQUIRED,
            choices=choices,
            options=options,
            combo_v3=v3 and socket == "COMBO",
            explicit_options=v3 or declared.options is not None,
        ),
        is_list=declared.is_list,
        enum_type=base if isinstance(base, type) and issubclass(base, enum.Enum) else None,
    )


def _options(
    where: str, parameter: inspect.Parameter, marker: Marker, declared: Declared, *, combo_v3: bool
) -> dict[str, object]:
    options = {**marker.options, **(declared.options or {})}
    default = parameter.default
    if declared.optional and default is parameter.empty:
        raise TypeError(f"{where} is optional, so the parameter needs a default, e.g. `= None`")
    if default is None and not declared.optional:
        raise TypeError(f"{where}: its default is None, so it is optional; annotate it `... | None`")
    files = isinstance(marker.choices, FileChoices)
    if default not in (parameter.empty, None) and "default" not in options and not files:
        options = {"default": default.value if isinstance(default, enum.Enum) else default, **options}
    if combo_v3 and "multiselect" not in options:
        first = {"default": options.pop("default")} if "default" in options else {}
        options = {**first, "multiselect": False, **options}
    return options


def _check_default(where: str, options: Mapping[str, object], choices: object) -> None:
    low, high, default = options.get("min"), options.get("max"), options.get("default")
    if isinstance(low, int | float) and isinstance(high, int | float) and low > high:
        raise TypeError(f"{where}: min {low} is above max {high}")
    if isinstance(default, int | float):
        if isinstance(low, int | float) and default < low:
            raise TypeError(f"{where}: default {default} is below min {low}")
        if isinstance(high, int | float) and default > high:
            raise TypeError(f"{where}: default {default} is above max {high}")
    if isinstance(choices, tuple) and default is not None and not options.get("multiselect") and default not in choices:
        raise TypeError(f"{where}: default {default!r} is not one of its choices")


def _outputs(where: str, annotation: object) -> tuple[Output, ...] | None:
    if get_origin(annotation) is not None and isinstance(get_origin(annotation), type):
        origin = get_origin(annotation)
        if isinstance(origin, type) and issubclass(origin, Generator):
            annotation = get_args(annotation)[2]
    members = get_args(annotation) if get_origin(annotation) in (Union, types.UnionType) else (annotation,)
    wanted = [member for member in members if member not in (Blocked, Result)]
    if not wanted:
        return None
    if wanted in ([None], [type(None)]):
        return ()
    if len(wanted) > 1:
        raise TypeError(f"{where}: it gives one of {wanted}; an output has one type")
    if get_origin(wanted[0]) is tuple:
        return tuple(_output(where, number, item) for number, item in enumerate(get_args(wanted[0])))
    return (_output(where, 0, wanted[0]),)


def _output(where: str, number: int, annotation: object) -> Output:
    members = get_args(annotation) if get_origin(annotation) in (Union, types.UnionType) else (annotation,)
    wanted = [member for member in members if member is not Blocked]
    declared = take_apart(wanted[0])
    socket = socket_type(declared) if len(wanted) == 1 else None
    if socket is None:
        raise TypeError(f"{where}: output {number} has type {annotation!r}, which is no socket type")
    choices = (declared.marker and declared.marker.choices) or _values(declared.base)
    named = declared.named
    return Output(
        name=named.name if named else socket,
        type=socket,
        is_list=declared.is_list,
        tooltip=named.tooltip if named else None,
        choices=choices,
    )
