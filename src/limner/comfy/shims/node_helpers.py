"""ComfyUI's `node_helpers`."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, TypeVar

T = TypeVar("T")


def conditioning_set_values(conditioning: list[Any], values: Mapping[str, Any], append: bool = False) -> list[Any]:
    """The conditioning with these options set in each part; with `append`, joined to the lists that are there."""
    changed = []
    for tensor, options in conditioning:
        merged = dict(options)
        for key, value in values.items():
            before = merged.get(key)
            merged[key] = before + value if append and before is not None else value
        changed.append([tensor, merged])
    return changed


def pillow(function: Callable[..., T], argument: Any) -> T:
    """Call a Pillow function on a file, reading broken files as far as they go."""
    from PIL import ImageFile, UnidentifiedImageError

    try:
        return function(argument)
    except (OSError, UnidentifiedImageError, ValueError):
        before, ImageFile.LOAD_TRUNCATED_IMAGES = ImageFile.LOAD_TRUNCATED_IMAGES, True
        try:
            return function(argument)
        finally:
            ImageFile.LOAD_TRUNCATED_IMAGES = before


def hasher() -> Callable[..., Any]:
    """The hash that files are told apart by."""
    import hashlib

    return hashlib.sha256


def string_to_torch_dtype(string: str) -> Any:
    """`fp32`, `fp16` or `bf16` as a dtype; None for anything else."""
    import torch

    return {"fp32": torch.float32, "fp16": torch.float16, "bf16": torch.bfloat16}.get(string)


def image_alpha_fix(destination: Any, source: Any) -> tuple[Any, Any]:
    """Two pictures with as many channels: the source loses its alpha, or the destination gets an opaque one."""
    import torch

    if destination.shape[-1] < source.shape[-1]:
        source = source[..., : destination.shape[-1]]
    elif destination.shape[-1] > source.shape[-1]:
        destination = torch.nn.functional.pad(destination, (0, 1))
        destination[..., -1] = 1.0
    return destination, source
