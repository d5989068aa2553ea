"""Menus below `latent`: empty latents for the families of models."""

from __future__ import annotations

from typing import Annotated

import torch

from limner.sdk import Float, Int, Latent, Named, node

from ..ranges import MAX_RESOLUTION
from ..tensors.memory import check_fits

Batch = Annotated[int, Int(default=1, min=1, max=4096)]
Mega = Annotated[int, Int(default=1024, min=16, max=MAX_RESOLUTION, step=16)]
Cascade = Annotated[int, Int(default=1024, min=256, max=MAX_RESOLUTION, step=8)]
Large = Annotated[int, Int(default=2048, min=64, max=MAX_RESOLUTION, step=32)]


def _empty(*shape: int) -> torch.Tensor:
    check_fits(shape, "a latent of this size and batch")
    return torch.zeros(shape)


@node(type="EmptySD3LatentImage", category="latent/sd3", module="comfy_extras.nodes_sd3", lane="cpu", v3=True)
def sd3(width: Mega, height: Mega, batch_size: Batch) -> Latent:
    """Empty latents of 16 channels at 1/8 of the size: Stable Diffusion 3, Flux and others."""
    return {"samples": _empty(batch_size, 16, height // 8, width // 8)}


@node(
    type="EmptyChromaRadianceLatentImage",
    category="latent/chroma_radiance",
    module="comfy_extras.nodes_chroma_radiance",
    lane="cpu",
    v3=True,
)
def chroma_radiance(width: Mega, height: Mega, batch_size: Batch) -> Latent:
    """Empty pictures, for a model that works on pixels."""
    return {"samples": _empty(batch_size, 3, height, width)}


@node(
    type="EmptyHunyuanLatentVideo",
    title="EmptyHunyuanLatentVideo",
    category="latent/video",
    module="comfy_extras.nodes_hunyuan",
    lane="cpu",
)
def hunyuan_video(
    width: Annotated[int, Int(default=848, min=16, max=MAX_RESOLUTION, step=16)],
    height: Annotated[int, Int(default=480, min=16, max=MAX_RESOLUTION, step=16)],
    length: Annotated[int, Int(default=25, min=1, max=MAX_RESOLUTION, step=4)],
    batch_size: Batch,
) -> Latent:
    """Empty latents of a video: 16 channels at 1/8 of the size, a latent frame to four frames."""
    return {"samples": _empty(batch_size, 16, (length - 1) // 4 + 1, height // 8, width // 8)}


@node(
    type="EmptyHunyuanImageLatent",
    title="EmptyHunyuanImageLatent",
    category="latent",
    module="comfy_extras.nodes_hunyuan",
    lane="cpu",
)
def hunyuan_image(width: Large, height: Large, batch_size: Batch) -> Latent:
    """Empty latents of 64 channels at 1/32 of the size."""
    return {"samples": _empty(batch_size, 64, height // 32, width // 32)}


@node(type="EmptyCosmosLatentVideo", category="latent/video", module="comfy_extras.nodes_cosmos", lane="cpu", v3=True)
def cosmos_video(
    width: Annotated[int, Int(default=1280, min=16, max=MAX_RESOLUTION, step=16)],
    height: Annotated[int, Int(default=704, min=16, max=MAX_RESOLUTION, step=16)],
    length: Annotated[int, Int(default=121, min=1, max=MAX_RESOLUTION, step=8)],
    batch_size: Batch,
) -> Latent:
    """Empty latents of a video: 16 channels at 1/8 of the size, a latent frame to eight frames."""
    return {"samples": _empty(batch_size, 16, (length - 1) // 8 + 1, height // 8, width // 8)}


@node(
    type="EmptyLatentHunyuan3Dv2",
    title="EmptyLatentHunyuan3Dv2",
    category="latent/3d",
    module="comfy_extras.nodes_hunyuan3d",
    lane="cpu",
)
def hunyuan_3d(
    resolution: Annotated[int, Int(default=3072, min=1, max=8192)],
    batch_size: Annotated[int, Int(default=1, min=1, max=4096, tooltip="How many shapes.")],
) -> Latent:
    """Empty latents of 3D shapes, sets of `resolution` vectors."""
    return {"samples": _empty(batch_size, 64, resolution), "type": "hunyuan3dv2"}


@node(
    type="EmptyLatentAudio",
    title="Empty Latent Audio",
    category="latent/audio",
    module="comfy_extras.nodes_audio",
    lane="cpu",
)
def audio(
    seconds: Annotated[float, Float(default=47.6, min=1.0, max=1000.0, step=0.1)],
    batch_size: Annotated[int, Int(default=1, min=1, max=4096, tooltip="How many sounds.")],
) -> Latent:
    """Empty latents of sound, 64 channels, for Stable Audio."""
    return {"samples": _empty(batch_size, 64, round(seconds * 44100 / 2048 / 2) * 2), "type": "audio"}


@node(
    type="StableCascade_EmptyLatentImage",
    category="latent/stable_cascade",
    module="comfy_extras.nodes_stable_cascade",
    lane="cpu",
    v3=True,
)
def stable_cascade(
    width: Cascade,
    height: Cascade,
    compression: Annotated[int, Int(default=42, min=4, max=128, step=1)],
    batch_size: Batch,
) -> tuple[Annotated[Latent, Named("stage_c")], Annotated[Latent, Named("stage_b")]]:
    """Empty latents of both stages of Stable Cascade."""
    small = _empty(batch_size, 16, height // compression, width // compression)
    return {"samples": small}, {"samples": _empty(batch_size, 4, height // 4, width // 4)}
