"""ComfyUI's `comfy_extras.nodes_mask`: pasting, as packs call it."""

from __future__ import annotations

from torch import Tensor

from limner.nodes.tensors.compositing import paste


def composite(
    destination: Tensor,
    source: Tensor,
    x: int,
    y: int,
    mask: Tensor | None = None,
    multiplier: int = 8,
    resize_source: bool = False,
) -> Tensor:
    """`source` over `destination`, both [batch, channels, height, width], which is changed in place.

    (x, y) are in units of which `multiplier` make one cell.
    """
    left = max(-source.shape[-1] * multiplier, min(x, destination.shape[-1] * multiplier)) // multiplier
    top = max(-source.shape[-2] * multiplier, min(y, destination.shape[-2] * multiplier)) // multiplier
    return destination.copy_(paste(destination, source, left, top, mask, fit=resize_source))
