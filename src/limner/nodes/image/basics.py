"""Menu `image`: making, inverting, joining, padding and overlaying pictures."""

from __future__ import annotations

from typing import Annotated

import torch

from limner.sdk import Bool, Float, Image, Int, Mask, Named, NodeContext, node

from ..ranges import MAX_RESOLUTION, MAX_SEED
from ..tensors.batches import with_channels_of
from ..tensors.compositing import paste
from ..tensors.memory import check_fits
from ..tensors.outpainting import extend
from ..tensors.resize import resize_image

Side = Annotated[int, Int(default=512, min=1, max=MAX_RESOLUTION, step=1)]
Margin = Annotated[int, Int(default=0, min=0, max=MAX_RESOLUTION, step=8)]
Offset = Annotated[int, Int(default=0, min=0, max=MAX_RESOLUTION, step=1)]


@node(type="ImageInvert", title="Invert Image", category="image", lane="cpu")
def invert(image: Image) -> Image:
    """Turn every colour into its opposite."""
    return 1.0 - image


@node(type="ImageBatch", title="Batch Images", category="image", lane="cpu")
def batch(image1: Image, image2: Image) -> Image:
    """Put two batches into one; the second is cropped and scaled to the size of the first."""
    if image1.shape[1:3] != image2.shape[1:3]:
        image2 = resize_image(image2, image1.shape[2], image1.shape[1], "bilinear", "center")
    channels = max(image1.shape[-1], image2.shape[-1])
    like = image1 if image1.shape[-1] == channels else image2
    return torch.cat([with_channels_of(image1, like), with_channels_of(image2, like)])


@node(type="EmptyImage", title="EmptyImage", category="image", lane="cpu")
def empty(
    width: Side,
    height: Side,
    batch_size: Annotated[int, Int(default=1, min=1, max=4096)],
    color: Annotated[int, Int(default=0, min=0, max=0xFFFFFF, step=1, display="color")],
) -> Image:
    """A picture of one colour, given as 0xRRGGBB."""
    check_fits((batch_size, height, width, 3), "a picture of this size and batch")
    rgb = torch.tensor([color >> 16 & 0xFF, color >> 8 & 0xFF, color & 0xFF], dtype=torch.float32) / 255.0
    return rgb.repeat(batch_size, height, width, 1)


@node(type="ImagePadForOutpaint", title="Pad Image for Outpainting", category="image", lane="cpu")
def pad_for_outpaint(
    image: Image,
    left: Margin,
    top: Margin,
    right: Margin,
    bottom: Margin,
    feathering: Annotated[int, Int(default=40, min=0, max=MAX_RESOLUTION, step=1)],
) -> tuple[Image, Mask]:
    """Add grey margins and the mask of what is to be painted, fading into the picture."""
    return extend(image, (left, top, right, bottom), feathering)


@node(
    type="ImageCompositeMasked",
    title="ImageCompositeMasked",
    category="image",
    module="comfy_extras.nodes_mask",
    lane="cpu",
)
def composite_masked(
    destination: Image,
    source: Image,
    x: Offset,
    y: Offset,
    resize_source: Annotated[bool, Bool(default=False)],
    mask: Mask | None = None,
) -> Image:
    """Put one picture over another at a place, through a mask."""
    source = with_channels_of(source, destination)
    pasted = paste(destination.movedim(-1, 1), source.movedim(-1, 1), x, y, mask, fit=resize_source)
    return pasted.movedim(1, -1)


@node(
    type="GetImageSize",
    title="Get Image Size",
    category="image",
    module="comfy_extras.nodes_images",
    lane="cpu",
    hidden=("UNIQUE_ID",),
)
def size(
    image: Image, context: NodeContext
) -> tuple[Annotated[int, Named("width")], Annotated[int, Named("height")], Annotated[int, Named("batch_size")]]:
    """The width and height of a picture, and how many there are."""
    count, height, width = image.shape[:3]
    context.progress(1, 1, f"width: {width}, height: {height}\n batch size: {count}")
    return width, height, count


@node(type="ImageAddNoise", title="ImageAddNoise", category="image", module="comfy_extras.nodes_images", lane="cpu")
def add_noise(
    image: Image,
    seed: Annotated[int, Int(default=0, min=0, max=MAX_SEED, control_after_generate=True, tooltip="Makes the noise.")],
    strength: Annotated[float, Float(default=0.5, min=0.0, max=1.0, step=0.01)],
) -> Image:
    """Add Gaussian noise."""
    noise = torch.randn(image.shape, generator=torch.Generator().manual_seed(seed)).to(image)
    return (image + strength * noise).clamp(0.0, 1.0)
