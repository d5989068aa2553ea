"""Menu `image/postprocessing`: blending, blurring, sharpening, reducing colours."""

from __future__ import annotations

from typing import Annotated, Literal

import torch

from limner.sdk import Float, Image, Int, node

from ..tensors.batches import repeat_to, with_channels_of
from ..tensors.blending import blend as blended
from ..tensors.filters import blur as blurred
from ..tensors.filters import sharpen as sharpened
from ..tensors.quantization import Dither, quantized
from ..tensors.resize import resize_image

MODULE = "comfy_extras.nodes_post_processing"
CATEGORY = "image/postprocessing"
BlendMode = Literal["normal", "multiply", "screen", "overlay", "soft_light", "difference"]


@node(type="ImageBlend", category=CATEGORY, module=MODULE, lane="cpu", v3=True)
def blend(
    image1: Image,
    image2: Image,
    blend_factor: Annotated[float, Float(default=0.5, min=0.0, max=1.0, step=0.01)],
    blend_mode: BlendMode,
) -> Image:
    """Blend the second picture over the first, cropped and scaled to its size."""
    image2 = with_channels_of(image2, image1).to(image1.device)
    if image1.shape[1:3] != image2.shape[1:3]:
        image2 = resize_image(image2, image1.shape[2], image1.shape[1], "bicubic", "center")
    if image1.shape[0] > 1:
        image2 = repeat_to(image2, image1.shape[0])
    return blended(image1, image2, blend_factor, blend_mode)


@node(type="ImageBlur", category=CATEGORY, module=MODULE, lane="cpu", v3=True)
def blur(
    image: Image,
    blur_radius: Annotated[int, Int(default=1, min=1, max=31, step=1)],
    sigma: Annotated[float, Float(default=1.0, min=0.1, max=10.0, step=0.1)],
) -> Image:
    """Blur with a Gaussian window; sigma is in units of the radius."""
    return image if blur_radius == 0 else blurred(image, blur_radius, sigma)


@node(type="ImageSharpen", category=CATEGORY, module=MODULE, lane="cpu", v3=True)
def sharpen(
    image: Image,
    sharpen_radius: Annotated[int, Int(default=1, min=1, max=31, step=1)],
    sigma: Annotated[float, Float(default=1.0, min=0.1, max=10.0, step=0.01)],
    alpha: Annotated[float, Float(default=1.0, min=0.0, max=5.0, step=0.01)],
) -> Image:
    """Sharpen by adding what a blur takes away."""
    return image if sharpen_radius == 0 else sharpened(image, sharpen_radius, sigma, alpha)


@node(type="ImageQuantize", category=CATEGORY, module=MODULE, lane="cpu", v3=True)
def quantize(image: Image, colors: Annotated[int, Int(default=256, min=1, max=256, step=1)], dither: Dither) -> Image:
    """Reduce each picture to a palette of its own."""
    return torch.stack([quantized(picture, colors, dither) for picture in image])
