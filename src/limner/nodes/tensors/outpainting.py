"""Room around a picture, to be painted."""

from __future__ import annotations

import torch
from torch import Tensor

from .memory import check_fits


def extend(image: Tensor, margins: tuple[int, int, int, int], feathering: int) -> tuple[Tensor, Tensor]:
    """IMAGE with grey (0.5) margins (left, top, right, bottom), and the MASK [1, height, width] that is 1 there.

    Within `feathering` pixels of an extended edge the mask falls off quadratically into the picture; the feathering is
    left out where it would not fit twice into the picture.
    """
    batch, height, width, channels = image.shape
    left, top, right, bottom = margins
    size = (height + top + bottom, width + left + right)
    check_fits((batch, *size, channels), "the enlarged picture")
    canvas = torch.full((batch, *size, channels), 0.5, dtype=torch.float32, device=image.device)
    inside = (slice(top, top + height), slice(left, left + width))
    canvas[:, inside[0], inside[1]] = image
    mask = torch.ones(size, dtype=torch.float32, device=image.device)
    mask[inside] = _falloff(height, width, margins, feathering).to(mask)
    return canvas, mask.unsqueeze(0)


def _falloff(height: int, width: int, margins: tuple[int, int, int, int], feathering: int) -> Tensor:
    if feathering <= 0 or feathering * 2 >= min(height, width):
        return torch.zeros(height, width)
    left, top, right, bottom = margins
    rows = torch.arange(height, dtype=torch.float64)[:, None]
    columns = torch.arange(width, dtype=torch.float64)[None, :]
    distance = torch.full((height, width), float(max(height, width)), dtype=torch.float64)
    edges = ((top, rows), (bottom, height - rows), (left, columns), (right, width - columns))
    for margin, away in edges:
        if margin:
            distance = torch.minimum(distance, away.expand_as(distance))
    return ((feathering - distance) / feathering).clamp(min=0).square()
