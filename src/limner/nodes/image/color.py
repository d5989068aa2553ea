"""Menus `image/batch` and `image/postprocessing`: colour channels and morphology."""

from __future__ import annotations

from typing import Annotated, Literal

import torch

from limner.sdk import Image, Int, Named, node

from ..tensors.colors import rgb_to_ycbcr, ycbcr_to_rgb
from ..tensors.morphology import MORPHOLOGY

MODULE = "comfy_extras.nodes_morphology"


@node(type="ImageRGBToYUV", category="image/batch", module=MODULE, lane="cpu", v3=True)
def rgb_to_yuv(
    image: Image,
) -> tuple[Annotated[Image, Named("Y")], Annotated[Image, Named("U")], Annotated[Image, Named("V")]]:
    """Brightness and the two colour differences, each as a grey picture."""
    luma, blue, red = (channel.unsqueeze(-1).expand(*channel.shape, 3) for channel in rgb_to_ycbcr(image).unbind(-1))
    return luma, blue, red


@node(type="ImageYUVToRGB", category="image/batch", module=MODULE, lane="cpu", v3=True)
def yuv_to_rgb(Y: Image, U: Image, V: Image) -> Image:
    """A picture of its brightness and its two colour differences."""
    return ycbcr_to_rgb(torch.stack([channel.mean(-1) for channel in (Y, U, V)], dim=-1))


@node(type="Morphology", title="ImageMorphology", category="image/postprocessing", module=MODULE, lane="cpu", v3=True)
def morphology(
    image: Image,
    operation: Literal["erode", "dilate", "open", "close", "gradient", "bottom_hat", "top_hat"],
    kernel_size: Annotated[int, Int(default=3, min=3, max=999, step=1)],
) -> Image:
    """Grow or shrink bright areas of a picture, or show what that changes."""
    return MORPHOLOGY[operation](image.movedim(-1, 1), kernel_size).movedim(1, -1)
