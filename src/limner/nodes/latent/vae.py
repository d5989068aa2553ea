"""Menu `latent`: between pictures and latents."""

from __future__ import annotations

from typing import Annotated, Any

from torch import Tensor

from limner.sdk import Image, Latent, NodeContext, Options, Vae, node

from ..errors import UnusableInput
from ..origin import required


@node(type="VAEDecode", title="VAE Decode", category="latent")
def decode(
    samples: Annotated[Latent, Options(tooltip="The latent to turn into a picture.")],
    vae: Annotated[Vae, Options(tooltip="The VAE to decode with.")],
    context: NodeContext,
) -> Image:
    """Turn latents into pictures."""
    decoder = required(vae, "vae", "VAE", context)
    images: Tensor = decoder.decode(decodable(samples, decoder))
    return images.reshape(-1, *images.shape[-3:]) if images.ndim == 5 else images


@node(type="VAEEncode", title="VAE Encode", category="latent")
def encode(pixels: Image, vae: Vae, context: NodeContext) -> Latent:
    """Turn pictures into latents."""
    encoder = required(vae, "vae", "VAE", context)
    return {"samples": encoder.encode(encodable(pixels, encoder))}


def decodable(latent: dict[str, Any], decoder: Any) -> Tensor:
    """The samples, if the VAE can decode them. Raises `UnusableInput`."""
    samples: Tensor = latent["samples"]
    if samples.shape[1] != decoder.channels:
        raise UnusableInput(
            f"input 'samples' has {samples.shape[1]} channels, the VAE decodes {decoder.channels}",
            "Use the VAE that belongs to the model which made the latent",
        )
    return samples


def encodable(pixels: Tensor, encoder: Any) -> Tensor:
    """The picture's colours, grey ones as three equal channels, if it is large enough. Raises `UnusableInput`."""
    if min(pixels.shape[1:3]) < encoder.downscale:
        raise UnusableInput(
            f"input 'pixels' is {pixels.shape[2]}x{pixels.shape[1]} pixels, too small to be encoded",
            f"Scale it to at least {encoder.downscale}x{encoder.downscale}",
        )
    return pixels[..., :1].expand(*pixels.shape[:-1], 3) if pixels.shape[-1] < 3 else pixels[..., :3]
