"""Menu `image/upscaling`: scaling pictures."""

from __future__ import annotations

import math
from typing import Annotated

from limner.sdk import Choice, Float, Image, Int, node

from ..ranges import MAX_RESOLUTION
from ..tensors.resize import Crop, ImageMethod, resize_image

Length = Annotated[int, Int(default=512, min=0, max=MAX_RESOLUTION, step=1)]


@node(type="ImageScale", title="Upscale Image", category="image/upscaling", lane="cpu")
def scale(image: Image, upscale_method: ImageMethod, width: Length, height: Length, crop: Crop) -> Image:
    """Scale to a size; where the width or the height is 0 it follows from the proportions."""
    if width == 0 and height == 0:
        return image
    old_height, old_width = image.shape[1:3]
    width = width or max(1, round(old_width * height / old_height))
    height = height or max(1, round(old_height * width / old_width))
    return resize_image(image, width, height, upscale_method, crop)


@node(type="ImageScaleBy", title="Upscale Image By", category="image/upscaling", lane="cpu")
def scale_by(
    image: Image,
    upscale_method: ImageMethod,
    scale_by: Annotated[float, Float(default=1.0, min=0.01, max=8.0, step=0.01)],
) -> Image:
    """Scale by a factor."""
    height, width = image.shape[1:3]
    return resize_image(image, round(width * scale_by), round(height * scale_by), upscale_method)


@node(
    type="ImageScaleToTotalPixels",
    category="image/upscaling",
    module="comfy_extras.nodes_post_processing",
    lane="cpu",
    v3=True,
)
def scale_to_total_pixels(
    image: Image,
    upscale_method: ImageMethod,
    megapixels: Annotated[float, Float(default=1.0, min=0.01, max=16.0, step=0.01)],
) -> Image:
    """Scale to a number of pixels (a megapixel is 1024 x 1024), keeping the proportions."""
    height, width = image.shape[1:3]
    factor = math.sqrt(int(megapixels * 1024 * 1024) / (width * height))
    return resize_image(image, round(width * factor), round(height * factor), upscale_method)


@node(
    type="ImageScaleToMaxDimension",
    title="ImageScaleToMaxDimension",
    category="image/upscaling",
    module="comfy_extras.nodes_images",
    lane="cpu",
)
def scale_to_max_dimension(
    image: Image,
    upscale_method: Annotated[str, Choice("area", "lanczos", "bilinear", "nearest-exact", "bilinear", "bicubic")],
    largest_size: Length,
) -> Image:
    """Scale so that the longer side has this length."""
    height, width = image.shape[1:3]
    new_width = largest_size if width >= height else round((width / height) * largest_size)
    new_height = largest_size if height >= width else round((height / width) * largest_size)
    return resize_image(image, new_width, new_height, upscale_method)
