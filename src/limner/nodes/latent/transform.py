"""Menu `latent/transform`: turning, mirroring and cropping latents."""

from __future__ import annotations

from typing import Annotated

from limner.sdk import Int, Latent, node

from ..ranges import MAX_RESOLUTION
from ..tensors.turns import Flip, Rotation, mirrored, turned

CATEGORY = "latent/transform"
SMALLEST = 8
Length = Annotated[int, Int(default=512, min=64, max=MAX_RESOLUTION, step=8)]
Offset = Annotated[int, Int(default=0, min=0, max=MAX_RESOLUTION, step=8)]


@node(type="LatentRotate", title="Rotate Latent", category=CATEGORY, lane="cpu")
def rotate(samples: Latent, rotation: Rotation) -> Latent:
    """Turn clockwise by quarters."""
    return {**samples, "samples": turned(samples["samples"], rotation, 2, 3)}


@node(type="LatentFlip", title="Flip Latent", category=CATEGORY, lane="cpu")
def flip(samples: Latent, flip_method: Flip) -> Latent:
    """Mirror top to bottom, or left to right."""
    return {**samples, "samples": mirrored(samples["samples"], flip_method, 2, 3)}


@node(type="LatentCrop", title="Crop Latent", category=CATEGORY, lane="cpu")
def crop(samples: Latent, width: Length, height: Length, x: Offset, y: Offset) -> Latent:
    """Cut out a rectangle, in pixels; at least 64 of the latent's last ones remain."""
    latent = samples["samples"]
    left = min(x // 8, latent.shape[3] - SMALLEST)
    top = min(y // 8, latent.shape[2] - SMALLEST)
    return {**samples, "samples": latent[:, :, top : top + height // 8, left : left + width // 8]}
