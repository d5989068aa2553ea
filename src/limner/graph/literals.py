"""Literals of inputs: ComfyUI's conversions, ranges and choices.

A literal is turned into its input's type before it is checked (`"5"` for an INT is 5, 3 for a STRING is `"3"`). A list
stands for a link and is no literal; one that is meant as a value comes as `{"__value__": [...]}` and is unwrapped here.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Mapping
from dataclasses import replace
from typing import TypeAlias

from .graph import Literal
from .problems import Problem
from .schema import FileChoices, Input

Choices: TypeAlias = Callable[[FileChoices], Collection[object]]
"""What a folder holds now: FileChoices -> the values to choose from, `extra` and `after` included."""

SHOWN = 20
"""Longer lists of choices are not repeated in messages."""

FOLDER_SUFFIXES = {" [input]": "input", " [output]": "output", " [temp]": "temp"}

_CONVERSIONS: Mapping[str, Callable[[object], object]] = {
    "INT": int,  # type: ignore[dict-item]
    "FLOAT": float,  # type: ignore[dict-item]
    "STRING": str,
    "BOOLEAN": bool,
}


def no_choices(choices: FileChoices) -> Collection[object]:
    """The choices where no folders are known: the fixed ones."""
    return [*choices.extra, *choices.after]


def config(spec: Input, allowed: Collection[object] | None = None) -> list[object]:
    """The input as ComfyUI's messages show it: its type, or its choices, and its options."""
    shown: object = spec.type
    if allowed is not None and not spec.combo_v3:
        shown = list(allowed)
    return [shown, dict(spec.options)]


def convert(node: str, spec: Input, value: Literal) -> tuple[Literal, Problem | None]:
    """The literal as the input's type, or what is wrong with it."""
    if isinstance(value, Mapping) and "__value__" in value:
        value = value["__value__"]
    conversion = _CONVERSIONS.get(spec.type)
    if conversion is None:
        return value, None
    try:
        return conversion(value), None
    except (TypeError, ValueError, OverflowError) as error:
        return value, Problem(
            code="invalid_input_type",
            message=f"Failed to convert an input value to a {spec.type} value",
            detail=f"{spec.name}, {value}, {error}",
            remedy=f"Give it a value of type {spec.type}",
            node=node,
            input=spec.name,
            details={
                "input_name": spec.name,
                "input_config": config(spec),
                "received_value": value,
                "exception_message": str(error),
            },
        )


def check(node: str, spec: Input, value: Literal, choices: Choices) -> Problem | None:
    """What is wrong with a converted literal: out of range, or not among the choices."""
    return _range(node, spec, value) or _choice(node, spec, value, choices)


def _range(node: str, spec: Input, value: Literal) -> Problem | None:
    if not isinstance(value, int | float):
        return None
    low, high = spec.options.get("min"), spec.options.get("max")
    unordered = isinstance(value, float) and math.isnan(value)
    if isinstance(low, int | float) and (value < low or unordered):
        code, headline, bound = "value_smaller_than_min", f"Value {value} smaller than min of {low}", f"at least {low}"
    elif isinstance(high, int | float) and (value > high or unordered):
        code, headline, bound = "value_bigger_than_max", f"Value {value} bigger than max of {high}", f"at most {high}"
    else:
        return None
    return Problem(
        code=code,
        message=headline,
        detail=spec.name,
        remedy=f"Set it to {bound}",
        node=node,
        input=spec.name,
        details={"input_name": spec.name, "input_config": config(spec), "received_value": value},
    )


def _choice(node: str, spec: Input, value: Literal, choices: Choices) -> Problem | None:
    if spec.choices is None:
        return None
    allowed = spec.choices if isinstance(spec.choices, tuple) else _files(spec.choices, value, choices)
    given = value if spec.options.get("multiselect") and isinstance(value, list) else [value]
    wrong = [item for item in given if item not in allowed]
    if not wrong:
        return None
    few = len(allowed) <= SHOWN
    listed = str(list(allowed)) if few else f"(list of length {len(allowed)})"
    return Problem(
        code="value_not_in_list",
        message="Value not in list",
        detail=f"{spec.name}: {', '.join(repr(str(item)) for item in wrong)} not in {listed}",
        remedy=_remedy(spec.choices, few, allowed),
        node=node,
        input=spec.name,
        details={
            "input_name": spec.name,
            "input_config": config(spec, allowed) if few else None,
            "received_value": value,
        },
    )


def _remedy(choices: tuple[object, ...] | FileChoices, few: bool, allowed: Collection[object]) -> str:
    if isinstance(choices, FileChoices):
        return f"Put the file into the {choices.folder} folder, or choose one that is there"
    return f"Choose one of {', '.join(map(str, allowed))}" if few else "Choose one of the list"


def _files(choices: FileChoices, value: Literal, resolve: Choices) -> Collection[object]:
    """What may be chosen; a value such as `a.png [output]` is looked for in the folder that it names."""
    if choices.annotated and isinstance(value, str):
        for suffix, folder in FOLDER_SUFFIXES.items():
            if value.endswith(suffix):
                found = resolve(replace(choices, folder=folder))
                return [f"{name}{suffix}" for name in found]
    return resolve(choices)
