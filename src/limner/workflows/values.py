"""Values that a request gives an endpoint's inputs, checked against their types.

Text of forms is read as what the input takes: `"5"` is 5 for a whole number, `"true"` is true for a boolean.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from .fields import Field, Kind

SHOWN = 12
"""Longer lists of choices are cut off in messages."""
WORDS = {"true": True, "1": True, "false": False, "0": False}


class BadValue(Exception):
    """The input `name` does not take this value: `problem` says why, `remedy` what to give."""

    def __init__(self, name: str, problem: str, remedy: str) -> None:
        super().__init__(f"{problem}. {remedy}")
        self.name, self.problem, self.remedy = name, problem, remedy


def checked(fields: Mapping[str, Field], given: Mapping[str, Any]) -> dict[str, Any]:
    """The values as the inputs' types. Raises `BadValue`."""
    for name in given:
        if name not in fields:
            raise BadValue(name, f"There is no input {name!r}", f"There are {', '.join(fields) or 'none'}")
    return {name: _checked(fields[name], value) for name, value in given.items()}


def _checked(field: Field, value: object) -> object:
    if field.kind in (Kind.INTEGER, Kind.NUMBER):
        return _number(field, value)
    if field.kind is Kind.BOOLEAN:
        read = WORDS.get(value.lower()) if isinstance(value, str) else value
        if not isinstance(read, bool):
            raise BadValue(field.name, f"{field.name} is neither true nor false", "Give true or false")
        return read
    if field.kind is Kind.CHOICE:
        return _choice(field, value)
    if field.kind in (Kind.TEXT, Kind.FILE) and not isinstance(value, str):
        raise BadValue(field.name, f"{field.name} is not text", "Give a text")
    return value


def _number(field: Field, value: object) -> int | float:
    whole = field.kind is Kind.INTEGER
    wanted = "a whole number" if whole else "a number"
    read = _read_number(value, whole)
    if read is None:
        raise BadValue(field.name, f"{field.name} is not {wanted}", f"Give {wanted}")
    if field.minimum is not None and read < field.minimum:
        raise BadValue(field.name, f"{field.name} is less than {field.minimum}", f"Give at least {field.minimum}")
    if field.maximum is not None and read > field.maximum:
        raise BadValue(field.name, f"{field.name} is more than {field.maximum}", f"Give at most {field.maximum}")
    return read


def _read_number(value: object, whole: bool) -> int | float | None:
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return None
    if isinstance(value, str):
        try:
            value = int(value)
        except ValueError:
            try:
                value = float(value)
            except ValueError:
                return None
    if isinstance(value, float):
        if not math.isfinite(value):
            return None
        if whole:
            return int(value) if value.is_integer() else None
    return value


def _choice(field: Field, value: object) -> object:
    for choice in field.choices:
        if (choice == value and type(choice) is type(value)) or str(choice) == value:
            return choice
    shown = ", ".join(map(str, field.choices[:SHOWN]))
    more = ", ..." if len(field.choices) > SHOWN else ""
    raise BadValue(field.name, f"{field.name} cannot be {value!r}", f"Give one of {shown}{more}")
