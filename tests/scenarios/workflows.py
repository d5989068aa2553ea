"""Small workflows without a model."""

from __future__ import annotations

from typing import Any


def inverted(prefix: str = "inverted", color: int = 0xFF0000) -> dict[str, Any]:
    """A picture of one colour, inverted and saved."""
    return {
        "1": {"class_type": "EmptyImage", "inputs": {"width": 16, "height": 8, "batch_size": 1, "color": color}},
        "2": {"class_type": "ImageInvert", "inputs": {"image": ["1", 0]}},
        "3": {"class_type": "SaveImage", "inputs": {"images": ["2", 0], "filename_prefix": prefix}},
    }


def failing() -> dict[str, Any]:
    """A node that fails when it runs: the prefix leads out of the output folder."""
    return inverted("../../outside")


def texts() -> dict[str, Any]:
    """An output node that shows text and no picture."""
    return {
        "1": {"class_type": "PrimitiveInt", "inputs": {"value": 3}},
        "2": {"class_type": "PreviewAny", "inputs": {"source": ["1", 0]}},
    }
