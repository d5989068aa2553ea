"""Menu `latent/inpaint`: latents of which only a part is made anew."""

from __future__ import annotations

from typing import Annotated

from torch import Tensor
from torch.nn.functional import interpolate

from limner.sdk import Image, Int, Latent, Mask, NodeContext, Vae, node

from ..origin import required
from ..tensors.batches import masks_4d, repeat_to
from ..tensors.masks import spread
from .vae import encodable

CATEGORY = "latent/inpaint"
NEUTRAL = 0.5


@node(type="SetLatentNoiseMask", title="Set Latent Noise Mask", category=CATEGORY, lane="cpu")
def set_noise_mask(samples: Latent, mask: Mask) -> Latent:
    """Let sampling change only what is masked."""
    return {**samples, "noise_mask": masks_4d(mask)}


@node(type="VAEEncodeForInpaint", title="VAE Encode (for Inpainting)", category=CATEGORY)
def encode_for_inpaint(
    pixels: Image,
    vae: Vae,
    mask: Mask,
    grow_mask_by: Annotated[int, Int(default=6, min=0, max=64, step=1)],
    context: NodeContext,
) -> Latent:
    """Encode a picture with its masked part turned grey, and let sampling change that part, a little enlarged."""
    encoder = required(vae, "vae", "VAE", context)
    pixels, weights = crop_to_cells(encodable(pixels, encoder), mask, encoder.downscale)
    grown = spread(weights, grow_mask_by)[..., : pixels.shape[1], : pixels.shape[2]]
    return {"samples": encoder.encode(without_masked(pixels, weights)), "noise_mask": grown.round()}


def crop_to_cells(pixels: Tensor, mask: Tensor, cell: int) -> tuple[Tensor, Tensor]:
    """The picture and its mask [batch, 1, height, width], both cropped about the middle to whole latent cells."""
    height, width = pixels.shape[1:3]
    weights = interpolate(masks_4d(mask), size=(height, width), mode="bilinear")
    top, left = height % cell // 2, width % cell // 2
    rows = slice(top, top + height // cell * cell)
    columns = slice(left, left + width // cell * cell)
    return pixels[:, rows, columns], weights[:, :, rows, columns]


def without_masked(pixels: Tensor, weights: Tensor) -> Tensor:
    """The picture's colours with everything grey where the mask, rounded, is 1."""
    kept = repeat_to(1.0 - weights.round(), pixels.shape[0]).movedim(1, -1)
    return (pixels[..., :3] - NEUTRAL) * kept + NEUTRAL
