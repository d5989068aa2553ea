"""Plain data: what JSON can say. What nodes show in the editor is made plain here; live objects are told apart."""

from __future__ import annotations

import math
from collections.abc import Mapping
from enum import Enum
from typing import Any

_ATOMS = frozenset({int, float, bool, str, type(None)})


def is_plain(value: object) -> bool:
    """Whether the value is JSON as it stands: None, bool, int, float, str, lists and string-keyed dicts of these."""
    waiting: list[Any] = [value]
    while waiting:
        part = waiting.pop()
        kind = type(part)
        if kind in _ATOMS:
            continue
        if kind is list:
            waiting.extend(part)
        elif kind is dict and all(type(key) is str for key in part):
            waiting.extend(part.values())
        else:
            return False
    return True


def made_plain(value: object, depth: int = 0) -> object:
    """JSON for the value: subclasses and numpy scalars become what they stand for, anything else its text.

    Numbers that JSON has no word for (NaN, infinities) become None.
    """
    kind = type(value)
    if kind is float:
        return value if math.isfinite(value) else None  # type: ignore[arg-type]
    if kind in _ATOMS:
        return value
    if depth > 100:
        return "..."
    if isinstance(value, Enum):
        return made_plain(value.value, depth + 1)
    if isinstance(value, Mapping):
        return {str(key): made_plain(item, depth + 1) for key, item in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [made_plain(item, depth + 1) for item in value]
    for base in (bool, int, float, str):
        if isinstance(value, base):
            return made_plain(base(value))
    item = getattr(value, "item", None)
    shape = getattr(value, "shape", None)
    if callable(item) and isinstance(shape, tuple) and all(length == 1 for length in shape):
        return made_plain(item(), depth + 1)
    return str(value)
