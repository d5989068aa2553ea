"""What a generator node yields while it works."""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import dataclass
from typing import TypeVar

from .context import NodeContext

Value = TypeVar("Value")


@dataclass(frozen=True, slots=True)
class Progress:
    """`value` of `maximum` is done; `preview` is an encoded picture of the work so far, if there is one."""

    value: float
    maximum: float
    text: str = ""
    preview: bytes | None = None
    media_type: str = "image/jpeg"


def drive(generator: Generator[Progress, None, Value], context: NodeContext) -> Value:
    """Run the generator to its end, reporting what it yields; gives what it returns."""
    try:
        while True:
            try:
                step = next(generator)
            except StopIteration as end:
                value: Value = end.value
                return value
            if step.preview is not None:
                context.preview(step.preview, step.media_type)
            context.progress(step.value, step.maximum, step.text)
    finally:
        generator.close()
