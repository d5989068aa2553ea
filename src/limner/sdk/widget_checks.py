"""Whether what an author says of a widget can be true. Every mistake is a TypeError that says the remedy."""

from __future__ import annotations

from collections.abc import Mapping

from limner.graph import FileChoices

from .annotations import PLAIN, Declared

TYPES: Mapping[object, tuple[type, ...]] = {int: (int,), float: (int, float), str: (str,), bool: (bool,)}
WIDER = (float, "INT")
"""Whole numbers may be asked of an editor for what is a number."""


def check_widget(where: str, declared: Declared, socket: str, options: Mapping[str, object], choices: object) -> None:
    """The widget fits its type, the default its type, range or choices, and the range has something in it."""
    base = declared.base
    kind = PLAIN.get(base) if isinstance(base, type) else None
    if kind is not None and socket in PLAIN.values() and socket != kind and (base, socket) != WIDER:
        marker = type(declared.marker).__name__
        raise TypeError(f"{where}: {marker}(...) is no widget of {base.__name__}; change one of the two")  # type: ignore[attr-defined]
    _check_range(where, options)
    _check_default(where, base, options, choices)


def _check_range(where: str, options: Mapping[str, object]) -> None:
    low, high, step = options.get("min"), options.get("max"), options.get("step")
    if isinstance(low, int | float) and isinstance(high, int | float) and low > high:
        raise TypeError(f"{where}: min {low} is above max {high}")
    if isinstance(step, int | float) and step <= 0:
        raise TypeError(f"{where}: step {step} leads nowhere; give one above 0")


def _check_default(where: str, base: object, options: Mapping[str, object], choices: object) -> None:
    default = options.get("default")
    if default is None or isinstance(choices, FileChoices):
        return
    if isinstance(choices, tuple):
        several = default if options.get("multiselect") and isinstance(default, list | tuple) else [default]
        wrong = [item for item in several if item not in choices]
        if wrong:
            raise TypeError(f"{where}: default {wrong[0]!r} is not one of its choices, {', '.join(map(repr, choices))}")
        return
    types = TYPES.get(base, ()) if isinstance(base, type) else ()
    if types and isinstance(default, list | tuple):
        raise TypeError(f"{where}: default {default!r} is a list; give the one value that the widget begins with")
    if types and not (isinstance(default, types) and (base is bool or not isinstance(default, bool))):
        raise TypeError(f"{where}: default {default!r} is no {base.__name__}; change one of the two")  # type: ignore[attr-defined]
    low, high = options.get("min"), options.get("max")
    if isinstance(default, int | float):
        if isinstance(low, int | float) and default < low:
            raise TypeError(f"{where}: default {default} is below min {low}")
        if isinstance(high, int | float) and default > high:
            raise TypeError(f"{where}: default {default} is above max {high}")
