"""Menu `_for_testing`: ComfyUI's drawer of nodes that workflows use all the same."""

from __future__ import annotations

from typing import Annotated

from torch import Tensor

from limner.sdk import Float, Image, Int, Latent, NodeContext, Vae, node

from .latent.vae import decodable, encodable
from .origin import required
from .tensors.resize import fitted

CATEGORY = "_for_testing"
Overlap = Annotated[int, Int(default=64, min=0, max=4096, step=32)]
Frames = Annotated[int, Int(default=64, min=8, max=4096, step=4, tooltip="Only for video: frames at a time.")]
FrameOverlap = Annotated[int, Int(default=8, min=4, max=4096, step=4, tooltip="Only for video: frames in common.")]


@node(type="LatentBlend", title="Latent Blend", category=CATEGORY, lane="cpu")
def latent_blend(
    samples1: Latent,
    samples2: Latent,
    blend_factor: Annotated[float, Float(default=0.5, min=0, max=1, step=0.01)],
) -> Latent:
    """Mix two latents; at 1 only the first counts."""
    first = samples1["samples"]
    second = fitted(samples2["samples"], first, "bicubic")
    return {**samples1, "samples": first * blend_factor + second * (1 - blend_factor)}


@node(type="VAEDecodeTiled", title="VAE Decode (Tiled)", category=CATEGORY)
def decode_tiled(
    samples: Latent,
    vae: Vae,
    tile_size: Annotated[int, Int(default=512, min=64, max=4096, step=32)],
    overlap: Overlap,
    temporal_size: Frames,
    temporal_overlap: FrameOverlap,
    context: NodeContext,
) -> Image:
    """Turn latents into pictures tile by tile, which takes less memory."""
    decoder = required(vae, "vae", "VAE", context)
    overlap = min(overlap, tile_size // 4)
    cell = decoder.downscale
    images: Tensor = decoder.decode_tiled(decodable(samples, decoder), tile=tile_size // cell, overlap=overlap // cell)
    return images


@node(type="VAEEncodeTiled", title="VAE Encode (Tiled)", category=CATEGORY)
def encode_tiled(
    pixels: Image,
    vae: Vae,
    tile_size: Annotated[int, Int(default=512, min=64, max=4096, step=64)],
    overlap: Overlap,
    temporal_size: Frames,
    temporal_overlap: FrameOverlap,
    context: NodeContext,
) -> Latent:
    """Turn pictures into latents tile by tile, which takes less memory."""
    encoder = required(vae, "vae", "VAE", context)
    overlap = min(overlap, tile_size // 2)
    return {"samples": encoder.encode_tiled(encodable(pixels, encoder), tile=tile_size, overlap=overlap)}
