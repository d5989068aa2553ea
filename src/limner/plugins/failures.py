"""Exceptions of nodes -> what a person, a program and the log need of them."""

from __future__ import annotations

import asyncio
import traceback
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType

from limner.engine.values import Failure
from limner.sdk import Cancelled

TEXT_LIMIT = 2_000
ITEMS_SHOWN = 20

REMEDIES: Mapping[str, str] = {
    "torch.OutOfMemoryError": "The device ran out of memory: make the picture or the batch smaller, or close other "
    "programs that use it",
    "MemoryError": "The computer ran out of memory: make the picture or the batch smaller",
}

_OWN_FOLDER = str(Path(__file__).parent)


def kind_of(error: BaseException) -> str:
    """The exception's type as ComfyUI names it: `ValueError`, `torch.OutOfMemoryError`."""
    kind = type(error)
    return kind.__qualname__ if kind.__module__ == "builtins" else f"{kind.__module__}.{kind.__qualname__}"


def failure_of(error: BaseException, node: str, inputs: Mapping[str, Sequence[object]] | None = None) -> Failure:
    """What went wrong. An exception may say its own `remedy`, and what is wrong without it as its `problem`."""
    if isinstance(error, Cancelled | asyncio.CancelledError):
        return Failure("Cancelled", "the run was interrupted", interrupted=True, node=node)
    kind = kind_of(error)
    problem, remedy = getattr(error, "problem", None), getattr(error, "remedy", None)
    return Failure(
        kind=kind,
        message=problem if isinstance(problem, str) and isinstance(remedy, str) else str(error) or kind,
        remedy=remedy if isinstance(remedy, str) else REMEDIES.get(kind, ""),
        traceback=tuple(traceback.format_tb(_below_host(error.__traceback__))),
        inputs={name: [describe(item) for item in items[:ITEMS_SHOWN]] for name, items in (inputs or {}).items()},
        node=node,
    )


def _below_host(trace: TracebackType | None) -> TracebackType | None:
    """The traceback from the first frame that is not the host's own."""
    first = trace
    while trace is not None and trace.tb_frame.f_code.co_filename.startswith(_OWN_FOLDER):
        trace = trace.tb_next
    return trace or first


def describe(value: object) -> object:
    """A short description of an input: numbers as they are, text cut, tensors by shape and dtype."""
    if value is None or isinstance(value, bool | int | float):
        return value
    if isinstance(value, str):
        return value if len(value) <= TEXT_LIMIT else f"{value[:TEXT_LIMIT]}... ({len(value)} characters)"
    shape, dtype = getattr(value, "shape", None), getattr(value, "dtype", None)
    if shape is not None and dtype is not None:
        return f"{type(value).__name__}{tuple(shape)} {dtype}"
    if isinstance(value, Mapping):
        return "{" + ", ".join(f"{key!r}: {describe(item)}" for key, item in list(value.items())[:ITEMS_SHOWN]) + "}"
    if isinstance(value, list | tuple):
        shown = ", ".join(str(describe(item)) for item in value[:5])
        return f"[{shown}]" if len(value) <= 5 else f"[{shown}, ... {len(value)} in all]"
    return f"<{type(value).__name__}>"
