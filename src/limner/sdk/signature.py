"""A function's annotations -> the inputs and outputs of a node. Every mistake is a TypeError that says the remedy.

Rules:

- A parameter is an input of the same name. One annotated `NodeContext` is given the context and is no input.
- `int`, `float`, `str`, `bool` are widgets; a `Literal` or an enum is a combo; everything else needs a socket type.
- `A | B` of socket types takes both; `Any` takes anything.
- `X | None`, or the marker `Presence.OPTIONAL`, puts an input into the optional section; it needs a Python default.
- A Python default is the widget's default, unless the marker says another or it names a file.
- A number that nothing more is said of takes every number that the editor can hold: left out, its range is 0 to 2048.
- `list[X]` as a parameter: the node takes whole lists; parameters beside it that are no lists get their one item.
- `**name: X` and `name: dict[str, X]` grow with what is linked; `A | B` of dataclasses is a choice that brings the
  dataclass's fields with it (`unfolding`).
- What the result says is in `outputs`.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, get_args, get_type_hints

from limner.graph import FileChoices, Input, Output, Presence

from .annotations import Declared, choice_for, choices_of, socket_type, take_apart
from .context import NodeContext
from .outputs import read_outputs
from .readable import no_socket
from .unfolding import Growing, Unfolding, Variants, element_of, variants_in
from .widget_checks import check_widget
from .widgets import Marker

EXACT = 2**53 - 1
"""The largest whole number that the editor holds exactly."""


@dataclass(frozen=True, slots=True)
class Parameter:
    """One input and how its value becomes the function's argument.

    `choices` maps an enum's choices to its members, and is None for every other type.
    """

    input: Input
    is_list: bool = False
    choices: Mapping[object, object] | None = None
    unfolding: Unfolding | None = None


@dataclass(frozen=True, slots=True)
class Signature:
    parameters: tuple[Parameter, ...]
    outputs: tuple[Output, ...] | None
    """None where the return annotation says nothing of the outputs (`Result`)."""
    context: str | None
    """The parameter that takes the context."""
    open: bool
    """Takes `**inputs` of any name."""


def read_signature(function: Callable[..., object], *, v3: bool, listed: bool = False) -> Signature:
    """`listed`: what `**inputs` takes is said elsewhere. Raises TypeError where the annotations describe no node."""
    where = place_of(function)
    if not inspect.isfunction(function):
        raise TypeError(f"{where} is no function; write `@node` over a `def` or an `async def`")
    hints = _hints(function, where)
    parameters: list[Parameter] = []
    context, is_open = None, False
    for name, parameter in inspect.signature(function).parameters.items():
        if parameter.kind in (parameter.VAR_POSITIONAL, parameter.POSITIONAL_ONLY):
            several = parameter.kind is parameter.VAR_POSITIONAL
            remedy = f"write `**{name}`, or `{name}: list[...]`" if several else "inputs are keyword arguments"
            raise TypeError(f"{where}: parameter '{name}' cannot be given by name; {remedy}")
        if parameter.kind is parameter.VAR_KEYWORD:
            growing = None if listed else _open(f"{where}: input '{name}'", name, hints.get(name))
            is_open = growing is None
            parameters += [growing] if growing is not None else []
        elif name == "self" and name not in hints:
            raise TypeError(f"{where}: a method cannot be a node; make it a function of the module")
        elif name not in hints:
            raise TypeError(f"{where}: parameter '{name}' has no annotation; say its type, e.g. `{name}: Image`")
        elif hints[name] is NodeContext or set(get_args(hints[name])) == {NodeContext, type(None)}:
            context = name
        else:
            parameters.append(_parameter(f"{where}: input '{name}'", parameter, hints[name], v3=v3))
    if "return" not in hints:
        raise TypeError(f"{where}: no return annotation; say what it gives, e.g. `-> Image` or `-> None`")
    outputs = read_outputs(where, hints["return"], yields=_yields(function))
    return Signature(tuple(parameters), outputs, context, is_open)


def place_of(function: Callable[..., object]) -> str:
    """How messages name a function."""
    code = getattr(function, "__code__", None)
    line = f" ({code.co_filename}:{code.co_firstlineno})" if code is not None else ""
    return f"@node {getattr(function, '__qualname__', function)}{line}"


def _yields(function: Callable[..., object]) -> bool:
    return inspect.isgeneratorfunction(function) or inspect.isasyncgenfunction(function)


def _hints(function: Callable[..., object], where: str) -> dict[str, Any]:
    try:
        return get_type_hints(function, include_extras=True)
    except NameError as error:
        raise TypeError(
            f"{where}: an annotation names `{error.name}`, which does not exist at run time; "
            "use the socket types of limner.sdk, or import it outside of TYPE_CHECKING"
        ) from error


def _open(where: str, name: str, annotation: object) -> Parameter | None:
    """`**name: X` for inputs that grow; None for `**name` of whatever kind."""
    declared = _taken(where, annotation)
    if annotation in (None, object, Any) or socket_type(declared) is None:
        return None
    return _growing(where, name, declared, spread=True)


def _taken(where: str, annotation: object) -> Declared:
    try:
        return take_apart(annotation)
    except TypeError as error:
        raise TypeError(f"{where}: {error}") from None


def _parameter(where: str, parameter: inspect.Parameter, annotation: object, *, v3: bool) -> Parameter:
    declared = _taken(where, annotation)
    element = element_of(declared)
    if element is not None:
        return _growing(where, parameter.name, element, spread=False)
    variants = variants_in(declared)
    if variants:
        return _variants(where, parameter, variants, declared)
    given = field_input(where, parameter.name, declared, parameter.default, v3=v3)
    choices = choices_of(declared.base) or {}
    stand = any(choice is not value for choice, value in choices.items())
    return Parameter(given, is_list=declared.is_list, choices=choices if stand else None)


def _growing(where: str, name: str, element: Declared, *, spread: bool) -> Parameter:
    if (element.options or {}).get("lazy") or (element.marker and element.marker.options.get("lazy")):
        raise TypeError(f"{where}: inputs that grow cannot be lazy; name those that are, one parameter each")
    if element.is_list:
        raise TypeError(f"{where}: inputs that grow take one value each; leave the `list[...]` out")
    inner = field_input(where, name, element, inspect.Parameter.empty, v3=False)
    growing = Growing.of(where, name, inner, element.grow, spread=spread)
    return Parameter(growing.input, unfolding=growing)


def _variants(
    where: str, parameter: inspect.Parameter, classes: tuple[type[Any], ...], declared: Declared
) -> Parameter:
    variants = Variants.of(where, parameter.name, classes, dict(declared.options or {}), parameter.default, field_input)
    return Parameter(variants.input, unfolding=variants)


def field_input(where: str, name: str, declared: Declared, default: object, *, v3: bool = False) -> Input:
    """The input that an annotation and a default describe. Raises TypeError."""
    socket = socket_type(declared)
    if socket is None:
        raise TypeError(f"{where}: {no_socket(declared.base)}")
    marker = declared.marker or Marker(socket)
    choices = marker.choices or tuple(choices_of(declared.base) or ()) if socket == "COMBO" else None
    if socket == "COMBO" and not choices:
        raise TypeError(f"{where}: a combo without values; give them to Choice, or annotate a Literal or an enum")
    options = _options(where, declared, marker, default, combo_v3=v3 and socket == "COMBO")
    check_widget(where, declared, socket, options, choices)
    return Input(
        name=name,
        type=socket,
        presence=Presence.OPTIONAL if declared.optional else Presence.REQUIRED,
        choices=choices,
        options=options,
        combo_v3=v3 and socket == "COMBO",
        explicit_options=v3 or declared.options is not None,
    )


def _options(where: str, declared: Declared, marker: Marker, default: object, *, combo_v3: bool) -> dict[str, object]:
    options = {**marker.options, **(declared.options or {})}
    if declared.marker is None:
        options = {**_wide(declared.base), **options}
    none = inspect.Parameter.empty
    if declared.optional and default is none:
        raise TypeError(f"{where} is optional, so the parameter needs a default, e.g. `= None`")
    if default is None and not declared.optional:
        raise TypeError(f"{where}: its default is None, so it is optional; annotate it `... | None`")
    files = isinstance(marker.choices, FileChoices)
    if default is not none and default is not None and "default" not in options and not files:
        options = {"default": default, **options}
    if "default" in options:
        options["default"] = choice_for(declared.base, options["default"])
    if combo_v3 and "multiselect" not in options:
        first = {"default": options.pop("default")} if "default" in options else {}
        options = {**first, "multiselect": False, **options}
    return options


def _wide(base: object) -> Mapping[str, object]:
    """The range of a number that nothing is said of."""
    if base is int:
        return {"min": -EXACT, "max": EXACT}
    return {"min": -float(EXACT), "max": float(EXACT), "step": 0.01} if base is float else {}
