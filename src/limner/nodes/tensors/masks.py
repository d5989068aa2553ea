"""Growing, shrinking and feathering of masks, [batch, height, width]."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn.functional import conv2d, max_pool2d

from .batches import masks_3d, masks_4d


def grow(mask: Tensor, amount: int, *, tapered: bool) -> Tensor:
    """Bright areas grown by `amount` pixels (shrunk where negative): grey dilation, repeated.

    Tapered, each step reaches the four neighbours (a diamond in the end); otherwise all eight (a square).
    """
    if amount < 0:
        return -grow(-mask, -amount, tapered=tapered)
    grown = masks_4d(mask)
    for _ in range(amount):
        before = grown
        grown = max_pool2d(grown, (3, 1), 1, (1, 0))
        across = before if tapered else grown
        grown = torch.maximum(grown, max_pool2d(across, (1, 3), 1, (0, 1)))
        if torch.equal(grown, before):
            break
    return masks_3d(grown).clone() if amount == 0 else masks_3d(grown)


def feather(mask: Tensor, left: int, top: int, right: int, bottom: int) -> Tensor:
    """The mask fading towards its edges over these many pixels.

    As in ComfyUI, the ramps of the right and bottom edges are counted from index -0: their first step falls on the
    first column or row, and the outermost right column is the second step.
    """
    mask = masks_3d(mask)
    columns = _fade(mask.shape[-1], left, right, mask)
    rows = _fade(mask.shape[-2], top, bottom, mask)
    return mask * columns * rows[:, None]


def _fade(length: int, start: int, end: int, like: Tensor) -> Tensor:
    weights = torch.ones(length, dtype=like.dtype, device=like.device)
    start, end = min(start, length), min(end, length)
    if start > 0:
        weights[:start] *= torch.arange(1, start + 1, device=like.device) / start
    if end > 0:
        steps = torch.arange(end, device=like.device)
        weights[-steps % length] *= (steps + 1) / end
    return weights


def spread(mask: Tensor, amount: int) -> Tensor:
    """`mask` [batch, 1, height, width] rounded, with everything within a box of `amount` pixels set to 1.

    One row and column more comes out for an even `amount`, as the box cannot be centred.
    """
    if amount == 0:
        return mask
    box = torch.ones(1, 1, amount, amount, dtype=mask.dtype, device=mask.device)
    return conv2d(mask.round(), box, padding=amount // 2).clamp(0, 1)
