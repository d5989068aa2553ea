"""Menu `conditioning/inpaint`: conditioning for models made to paint parts of pictures."""

from __future__ import annotations

from typing import Annotated

from limner.diffusion.conditioning import with_options
from limner.sdk import Bool, Conditioning, Image, Latent, Mask, Named, NodeContext, Vae, node

from ..latent.inpaint import crop_to_cells, without_masked
from ..latent.vae import encodable
from ..origin import required

CELL = 8


@node(type="InpaintModelConditioning", title="InpaintModelConditioning", category="conditioning/inpaint")
def inpaint_model_conditioning(
    positive: Conditioning,
    negative: Conditioning,
    vae: Vae,
    pixels: Image,
    mask: Mask,
    noise_mask: Annotated[bool, Bool(default=True, tooltip="Let sampling change only what is masked.")],
    context: NodeContext,
) -> tuple[
    Annotated[Conditioning, Named("positive")],
    Annotated[Conditioning, Named("negative")],
    Annotated[Latent, Named("latent")],
]:
    """Tell an inpainting model what is there and what is to be painted."""
    encoder = required(vae, "vae", "VAE", context)
    pixels = encodable(pixels, encoder)
    cropped, weights = crop_to_cells(pixels, mask, CELL)
    options = {"concat_latent_image": encoder.encode(without_masked(cropped, weights)), "concat_mask": weights}
    latent = {"samples": encoder.encode(pixels), **({"noise_mask": weights} if noise_mask else {})}
    return with_options(positive, options), with_options(negative, options), latent
