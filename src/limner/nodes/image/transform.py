"""Menu `image/transform`: cropping, turning, flipping, stitching, fitting."""

from __future__ import annotations

from typing import Annotated, Literal

from limner.sdk import Bool, Choice, Image, Int, node

from ..ranges import MAX_RESOLUTION
from ..tensors.resize import resize_image
from ..tensors.stitching import stitched
from ..tensors.turns import Flip, Rotation, mirrored, turned

MODULE = "comfy_extras.nodes_images"
CATEGORY = "image/transform"
Side = Annotated[int, Int(default=512, min=1, max=MAX_RESOLUTION, step=1)]
Offset = Annotated[int, Int(default=0, min=0, max=MAX_RESOLUTION, step=1)]


@node(type="ImageCrop", title="Image Crop", category=CATEGORY, module=MODULE, lane="cpu")
def crop(image: Image, width: Side, height: Side, x: Offset, y: Offset) -> Image:
    """Cut out a rectangle; what lies beyond the picture is left out."""
    x, y = min(x, image.shape[2] - 1), min(y, image.shape[1] - 1)
    return image[:, y : y + height, x : x + width, :]


@node(type="ImageRotate", title="ImageRotate", category=CATEGORY, module=MODULE, lane="cpu")
def rotate(image: Image, rotation: Rotation) -> Image:
    """Turn clockwise by quarters."""
    return turned(image, rotation, 1, 2)


@node(type="ImageFlip", title="ImageFlip", category=CATEGORY, module=MODULE, lane="cpu")
def flip(image: Image, flip_method: Flip) -> Image:
    """Mirror top to bottom, or left to right."""
    return mirrored(image, flip_method, 1, 2)


@node(type="ImageStitch", title="Image Stitch", category=CATEGORY, module=MODULE, lane="cpu")
def stitch(
    image1: Image,
    direction: Annotated[Literal["right", "down", "left", "up"], Choice(default="right")],
    match_image_size: Annotated[bool, Bool(default=True)],
    spacing_width: Annotated[int, Int(default=0, min=0, max=1024, step=2)],
    spacing_color: Annotated[Literal["white", "black", "red", "green", "blue"], Choice(default="white")],
    image2: Image | None = None,
) -> Image:
    """Put the second picture beside the first, with a strip of colour between them."""
    if image2 is None:
        return image1
    return stitched(image1, image2, direction, match=match_image_size, gap=spacing_width, color=spacing_color)


@node(type="ResizeAndPadImage", title="ResizeAndPadImage", category=CATEGORY, module=MODULE, lane="cpu")
def resize_and_pad(
    image: Image,
    target_width: Side,
    target_height: Side,
    padding_color: Literal["white", "black"],
    interpolation: Literal["area", "bicubic", "nearest-exact", "bilinear", "lanczos"],
) -> Image:
    """Scale into a frame, keeping the proportions, and fill the rest with a colour."""
    batch, height, width, channels = image.shape
    factor = min(target_width / width, target_height / height)
    new_width, new_height = int(width * factor), int(height * factor)
    scaled = resize_image(image, new_width, new_height, interpolation)
    fill = 0.0 if padding_color == "black" else 1.0
    canvas = image.new_full((batch, target_height, target_width, channels), fill)
    top, left = (target_height - new_height) // 2, (target_width - new_width) // 2
    canvas[:, top : top + new_height, left : left + new_width] = scaled
    return canvas
