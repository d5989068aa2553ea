"""How many bytes a value holds: tensors, arrays, text and bytes, through lists, tuples and dicts."""

from __future__ import annotations

from collections.abc import Mapping

SMALL = 32
"""What a number, None or an object of unknown kind counts for."""
LIMIT = 100_000
"""Parts of a value that are looked at; a value of more parts counts for those alone."""

_NUMBERS = frozenset({int, float, bool, type(None)})


def size_of(value: object) -> int:
    """Bytes held by the value; parts that are met twice count once. Models count as small: residency counts them."""
    if type(value) in _NUMBERS:
        return SMALL
    total, seen, waiting = 0, set[int](), [value]
    while waiting and len(seen) < LIMIT:
        part = waiting.pop()
        if type(part) in _NUMBERS:
            total += SMALL
            continue
        if id(part) in seen:
            continue
        seen.add(id(part))
        if isinstance(part, str | bytes | bytearray):
            total += SMALL + len(part)
        elif isinstance(part, Mapping):
            waiting.extend(part.keys())
            waiting.extend(part.values())
        elif isinstance(part, list | tuple | set | frozenset):
            waiting.extend(part)
        else:
            total += _of_object(part)
    return total


def _of_object(part: object) -> int:
    """Tensors and arrays say their own size (`nbytes`)."""
    try:
        size = getattr(part, "nbytes", 0)
    except Exception:  # a foreign object's property may raise anything
        return SMALL
    return size if isinstance(size, int) and size > 0 else SMALL
