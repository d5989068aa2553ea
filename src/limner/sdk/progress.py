"""What a node yields while it works."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Generator
from dataclasses import dataclass
from typing import Any

from .context import NodeContext


@dataclass(frozen=True, slots=True)
class Progress:
    """`value` of `maximum` is done; `preview` is a picture of the work so far, as `NodeContext.preview` takes it."""

    value: float
    maximum: float
    text: str = ""
    preview: Any = None
    media_type: str = "image/jpeg"


_NOTHING = object()


def drive(generator: Generator[Any, None, Any], context: NodeContext) -> Any:
    """Run the generator to its end, reporting its progress; gives what it returns, or else what it yields last.

    Raises `Cancelled`, in the generator too, if the run was interrupted.
    """
    given: object = _NOTHING
    try:
        while True:
            try:
                step = next(generator)
            except StopIteration as end:
                return end.value if given is _NOTHING else given
            given = _taken(step, given, context)
    finally:
        generator.close()


async def drive_async(generator: AsyncGenerator[Any, None], context: NodeContext) -> Any:
    """The same of an asynchronous generator, which cannot return anything: it gives what it yields last."""
    given: object = _NOTHING
    try:
        async for step in generator:
            given = _taken(step, given, context)
    finally:
        await generator.aclose()
    return None if given is _NOTHING else given


def _taken(step: object, given: object, context: NodeContext) -> object:
    """Report progress; anything else is the result, which comes once, at the end."""
    if given is not _NOTHING:
        raise TypeError(f"it yielded {type(given).__name__} before its end; yield Progress until the result is there")
    if not isinstance(step, Progress):
        return step
    if step.preview is not None:
        context.preview(step.preview, step.media_type)
    context.progress(step.value, step.maximum, step.text)
    return given
