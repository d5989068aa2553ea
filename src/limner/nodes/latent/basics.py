"""Menu `latent`: making, scaling and overlaying latents. Widths and heights are in pixels, eight to a latent's one."""

from __future__ import annotations

from typing import Annotated

import torch

from limner.sdk import Bool, Float, Int, Latent, Mask, node

from ..ranges import MAX_RESOLUTION
from ..tensors.compositing import paste
from ..tensors.memory import check_fits
from ..tensors.resize import Crop, LatentMethod, resize

Length = Annotated[int, Int(default=512, min=0, max=MAX_RESOLUTION, step=8)]
Offset = Annotated[int, Int(default=0, min=0, max=MAX_RESOLUTION, step=8)]
SMALLEST = 64


@node(type="EmptyLatentImage", title="Empty Latent Image", category="latent", lane="cpu")
def empty(
    width: Annotated[int, Int(default=512, min=16, max=MAX_RESOLUTION, step=8, tooltip="Width in pixels.")],
    height: Annotated[int, Int(default=512, min=16, max=MAX_RESOLUTION, step=8, tooltip="Height in pixels.")],
    batch_size: Annotated[int, Int(default=1, min=1, max=4096, tooltip="How many pictures.")],
) -> Latent:
    """Empty latents to begin sampling from."""
    shape = (batch_size, 4, height // 8, width // 8)
    check_fits(shape, "a latent of this size and batch")
    return {"samples": torch.zeros(shape)}


@node(type="LatentUpscale", title="Upscale Latent", category="latent", lane="cpu")
def upscale(samples: Latent, upscale_method: LatentMethod, width: Length, height: Length, crop: Crop) -> Latent:
    """Scale to a size in pixels; where the width or the height is 0 it follows from the proportions."""
    if width == 0 and height == 0:
        return samples
    old_height, old_width = samples["samples"].shape[-2:]
    if width == 0:
        height = max(SMALLEST, height)
        width = round(old_width * height / old_height)
    elif height == 0:
        width = max(SMALLEST, width)
        height = round(old_height * width / old_width)
    width, height = max(SMALLEST, width), max(SMALLEST, height)
    return {**samples, "samples": resize(samples["samples"], width // 8, height // 8, upscale_method, crop)}


@node(type="LatentUpscaleBy", title="Upscale Latent By", category="latent", lane="cpu")
def upscale_by(
    samples: Latent,
    upscale_method: LatentMethod,
    scale_by: Annotated[float, Float(default=1.5, min=0.01, max=8.0, step=0.01)],
) -> Latent:
    """Scale by a factor."""
    height, width = samples["samples"].shape[-2:]
    scaled = resize(samples["samples"], round(width * scale_by), round(height * scale_by), upscale_method)
    return {**samples, "samples": scaled}


@node(
    type="LatentCompositeMasked",
    title="LatentCompositeMasked",
    category="latent",
    module="comfy_extras.nodes_mask",
    lane="cpu",
)
def composite_masked(
    destination: Latent,
    source: Latent,
    x: Offset,
    y: Offset,
    resize_source: Annotated[bool, Bool(default=False)],
    mask: Mask | None = None,
) -> Latent:
    """Put one latent over another at a place, through a mask."""
    pasted = paste(destination["samples"], source["samples"], x // 8, y // 8, mask, fit=resize_source)
    return {**destination, "samples": pasted}


@node(type="LatentComposite", title="Latent Composite", category="latent", lane="cpu")
def composite(
    samples_to: Latent,
    samples_from: Latent,
    x: Offset,
    y: Offset,
    feather: Annotated[int, Int(default=0, min=0, max=MAX_RESOLUTION, step=8)],
) -> Latent:
    """Put one latent over another at a place, fading in at the edges that lie inside."""
    base, top = samples_to["samples"], samples_from["samples"]
    left, up, soft = x // 8, y // 8, feather // 8
    mask = None
    if soft > 0:
        inside = (left != 0, up != 0, left + top.shape[3] < base.shape[3], up + top.shape[2] < base.shape[2])
        mask = _faded(top, inside, soft)
    return {**samples_to, "samples": paste(base, top, left, up, mask)}


def _faded(top: torch.Tensor, edges: tuple[bool, bool, bool, bool], width: int) -> torch.Tensor:
    """1 inside, falling off linearly towards those of the edges (left, top, right, bottom) that are set."""
    left, up, right, down = edges
    mask = torch.ones(top.shape[-2:])
    height, length = mask.shape
    for step in range(width):
        share = (step + 1) / width
        if up:
            mask[step : step + 1] *= share
        if down:
            mask[height - 1 - step : height - step] *= share
        if left:
            mask[:, step : step + 1] *= share
        if right:
            mask[:, length - 1 - step : length - step] *= share
    return mask
