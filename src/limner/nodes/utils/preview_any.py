"""Menu `utils`: showing any value as text."""

from __future__ import annotations

import json
from typing import Annotated

from limner.sdk import Anything, Options, Result, node


@node(
    type="PreviewAny",
    title="Preview Any",
    category="utils",
    module="comfy_extras.nodes_preview_any",
    output_node=True,
    lane="cpu",
    outputs=(),
)
def preview_any(source: Annotated[Anything, Options()]) -> Result:
    """Show a value: text as it is, anything else as JSON where it can be written so."""
    return Result(ui={"text": [as_text(source)]})


def as_text(value: object) -> str:
    if value is None:
        return "None"
    if isinstance(value, str):
        return value
    if isinstance(value, bool | int | float):
        return str(value)
    try:
        return json.dumps(value)
    except (TypeError, ValueError, RecursionError):
        return str(value)
