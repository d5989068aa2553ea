"""Pictures side by side."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

import torch
from torch import Tensor
from torch.nn.functional import pad

from .batches import last_repeated_to, with_channels_of
from .resize import resize_image

COLORS: Mapping[str, tuple[float, float, float]] = MappingProxyType(
    {
        "white": (1.0, 1.0, 1.0),
        "black": (0.0, 0.0, 0.0),
        "red": (1.0, 0.0, 0.0),
        "green": (0.0, 1.0, 0.0),
        "blue": (0.0, 0.0, 1.0),
    }
)


def stitched(first: Tensor, second: Tensor, direction: str, *, match: bool, gap: int, color: str) -> Tensor:
    """IMAGE `second` to the `direction` (right, down, left, up) of `first`, `gap` pixels of a colour between them.

    The shorter batch goes on with its last picture. `match` scales the second to the first's height (or width);
    otherwise the smaller one is centred on the gap's colour, or on black where the gap is neither white nor black.
    """
    batch = max(first.shape[0], second.shape[0])
    first, second = last_repeated_to(first, batch), last_repeated_to(second, batch)
    along = 2 if direction in ("left", "right") else 1
    across = 3 - along
    if match:
        second = _matched(second, first, across)
    else:
        fill = 1.0 if color == "white" else 0.0
        length = max(first.shape[across], second.shape[across])
        first, second = (_centred(image, length, across, fill) for image in (first, second))
    widest = first if first.shape[-1] >= second.shape[-1] else second
    first, second = with_channels_of(first, widest), with_channels_of(second, widest)
    pictures = [second, first] if direction in ("left", "up") else [first, second]
    if gap > 0:
        pictures.insert(1, _strip(first, gap + gap % 2, along, color))
    return torch.cat(pictures, dim=along)


def _matched(image: Tensor, like: Tensor, across: int) -> Tensor:
    """The image scaled so that its length across the seam is that of `like`."""
    height, width = image.shape[1:3]
    ratio = width / height
    if across == 1:
        return resize_image(image, int(like.shape[1] * ratio), like.shape[1], "lanczos")
    return resize_image(image, like.shape[2], int(like.shape[2] / ratio), "lanczos")


def _centred(image: Tensor, length: int, dim: int, fill: float) -> Tensor:
    missing = length - image.shape[dim]
    before = missing // 2
    margins = (before, missing - before)
    return pad(image, (0, 0, *margins) if dim == 2 else (0, 0, 0, 0, *margins), value=fill)


def _strip(like: Tensor, width: int, along: int, color: str) -> Tensor:
    shape = [*like.shape]
    shape[along] = width
    strip = like.new_ones(shape)
    strip[..., :3] = like.new_tensor(COLORS[color])[: like.shape[-1]]
    return strip
