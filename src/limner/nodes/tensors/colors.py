"""Colour spaces of IMAGEs: full-range Y'CbCr with the weights of ITU-R BT.601, chroma around 0.5."""

from __future__ import annotations

import torch
from torch import Tensor

CENTRE = 0.5


def rgb_to_ycbcr(image: Tensor) -> Tensor:
    """[..., 3] RGB -> [..., 3] Y, Cb, Cr."""
    red, green, blue = image[..., :3].unbind(-1)
    luma = 0.299 * red + 0.587 * green + 0.114 * blue
    return torch.stack([luma, (blue - luma) * 0.564 + CENTRE, (red - luma) * 0.713 + CENTRE], dim=-1)


def ycbcr_to_rgb(image: Tensor) -> Tensor:
    """The inverse, clamped to 0..1."""
    luma, blue, red = image.unbind(-1)
    blue, red = blue - CENTRE, red - CENTRE
    rgb = torch.stack([luma + 1.403 * red, luma - 0.714 * red - 0.344 * blue, luma + 1.773 * blue], dim=-1)
    return rgb.clamp(0, 1)
