"""Menu `utils/primitive`: values to link to several inputs."""

from __future__ import annotations

from typing import Annotated

from limner.sdk import Bool, Float, Int, Text, node

MODULE = "comfy_extras.nodes_primitive"
CATEGORY = "utils/primitive"
LARGEST = 2**63 - 1


@node(type="PrimitiveString", title="String", category=CATEGORY, module=MODULE, lane="cpu", v3=True)
def string(value: Annotated[str, Text(multiline=False)]) -> str:
    """A line of text."""
    return value


@node(
    type="PrimitiveStringMultiline", title="String (Multiline)", category=CATEGORY, module=MODULE, lane="cpu", v3=True
)
def string_multiline(value: Annotated[str, Text(multiline=True)]) -> str:
    """Text of several lines."""
    return value


@node(type="PrimitiveInt", title="Int", category=CATEGORY, module=MODULE, lane="cpu", v3=True)
def integer(value: Annotated[int, Int(min=-LARGEST, max=LARGEST, control_after_generate=True)]) -> int:
    """A whole number."""
    return value


@node(type="PrimitiveFloat", title="Float", category=CATEGORY, module=MODULE, lane="cpu", v3=True)
def number(value: Annotated[float, Float(min=-LARGEST, max=LARGEST)]) -> float:
    """A number."""
    return value


@node(type="PrimitiveBoolean", title="Boolean", category=CATEGORY, module=MODULE, lane="cpu", v3=True)
def boolean(value: Annotated[bool, Bool()]) -> bool:
    """Yes or no."""
    return value
