"""Menu `mask`: making masks, and between masks and pictures."""

from __future__ import annotations

from typing import Annotated, Literal

import torch

from limner.sdk import Bool, Float, Image, Int, Mask, node

from ..errors import UnusableInput
from ..ranges import MAX_RESOLUTION
from ..tensors.batches import masks_3d, masks_4d
from ..tensors.compositing import combine_masks
from ..tensors.masks import feather as feathered
from ..tensors.masks import grow as grown

MODULE = "comfy_extras.nodes_mask"
CHANNELS = ("red", "green", "blue", "alpha")
Side = Annotated[int, Int(default=512, min=1, max=MAX_RESOLUTION, step=1)]
Offset = Annotated[int, Int(default=0, min=0, max=MAX_RESOLUTION, step=1)]
Share = Annotated[float, Float(default=1.0, min=0.0, max=1.0, step=0.01)]


@node(type="MaskToImage", title="Convert Mask to Image", category="mask", module=MODULE, lane="cpu")
def to_image(mask: Mask) -> Image:
    """The mask as a grey picture."""
    return masks_4d(mask).movedim(1, -1).expand(-1, -1, -1, 3)


@node(type="ImageToMask", title="Convert Image to Mask", category="mask", module=MODULE, lane="cpu")
def from_image(image: Image, channel: Literal["red", "green", "blue", "alpha"]) -> Mask:
    """One channel of a picture."""
    index = CHANNELS.index(channel)
    if index >= image.shape[-1]:
        raise UnusableInput(
            f"the image has {image.shape[-1]} channels, no {channel}", "Choose another channel, or an image that has it"
        )
    return image[..., index]


@node(type="ImageColorToMask", title="ImageColorToMask", category="mask", module=MODULE, lane="cpu")
def from_color(
    image: Image, color: Annotated[int, Int(default=0, min=0, max=0xFFFFFF, step=1, display="color")]
) -> Mask:
    """1 where the picture has exactly this colour, 0xRRGGBB."""
    levels = (image[..., :3].clamp(0, 1) * 255.0).round().to(torch.int32)
    wanted = torch.tensor([color >> 16 & 0xFF, color >> 8 & 0xFF, color & 0xFF], device=image.device)
    return (levels == wanted).all(-1).float()


@node(type="SolidMask", title="SolidMask", category="mask", module=MODULE, lane="cpu")
def solid(value: Share, width: Side, height: Side) -> Mask:
    """A mask of one value."""
    return torch.full((1, height, width), value, dtype=torch.float32)


@node(type="InvertMask", title="InvertMask", category="mask", module=MODULE, lane="cpu")
def invert(mask: Mask) -> Mask:
    """Swap masked and unmasked."""
    return 1.0 - mask


@node(type="CropMask", title="CropMask", category="mask", module=MODULE, lane="cpu")
def crop(mask: Mask, x: Offset, y: Offset, width: Side, height: Side) -> Mask:
    """Cut out a rectangle; what lies beyond the mask is left out."""
    return masks_3d(mask)[:, y : y + height, x : x + width]


@node(type="MaskComposite", title="MaskComposite", category="mask", module=MODULE, lane="cpu")
def composite(
    destination: Mask,
    source: Mask,
    x: Offset,
    y: Offset,
    operation: Literal["multiply", "add", "subtract", "and", "or", "xor"],
) -> Mask:
    """Combine a mask with another one that lies at a place over it."""
    return combine_masks(destination, source, x, y, operation)


@node(type="FeatherMask", title="FeatherMask", category="mask", module=MODULE, lane="cpu")
def feather(mask: Mask, left: Offset, top: Offset, right: Offset, bottom: Offset) -> Mask:
    """Fade the mask towards its edges."""
    return feathered(mask, left, top, right, bottom)


@node(type="GrowMask", title="GrowMask", category="mask", module=MODULE, lane="cpu")
def grow(
    mask: Mask,
    expand: Annotated[int, Int(default=0, min=-MAX_RESOLUTION, max=MAX_RESOLUTION, step=1)],
    tapered_corners: Annotated[bool, Bool(default=True)],
) -> Mask:
    """Grow the masked area, or shrink it where the number is negative."""
    return grown(mask, expand, tapered=tapered_corners)


@node(type="ThresholdMask", title="ThresholdMask", category="mask", module=MODULE, lane="cpu")
def threshold(mask: Mask, value: Annotated[float, Float(default=0.5, min=0.0, max=1.0, step=0.01)]) -> Mask:
    """1 where the mask is above the value, 0 elsewhere."""
    return (mask > value).float()
