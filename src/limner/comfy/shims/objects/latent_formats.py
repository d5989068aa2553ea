"""ComfyUI's latent formats: the numbers of a family's latent space."""

from __future__ import annotations

from typing import Any

from torch import Tensor

from limner.diffusion.families import base
from limner.diffusion.families.sd1 import RGB_FACTORS


class LatentFormat:
    """A latent space: `process_in` takes a latent into the scale that sampling uses."""

    scale_factor: float = 1.0
    latent_channels: int = 4
    latent_dimensions: int = 2
    latent_rgb_factors: Any = None
    latent_rgb_factors_bias: Any = None
    taesd_decoder_name: str | None = None
    spacial_downscale_ratio: int = 8

    def process_in(self, latent: Tensor) -> Tensor:
        return latent * self.scale_factor

    def process_out(self, latent: Tensor) -> Tensor:
        return latent / self.scale_factor


class ShiftedFormat(LatentFormat):
    """A latent space whose middle is not 0."""

    shift_factor: float = 0.0

    def process_in(self, latent: Tensor) -> Tensor:
        return (latent - self.shift_factor) * self.scale_factor

    def process_out(self, latent: Tensor) -> Tensor:
        return latent / self.scale_factor + self.shift_factor


class SD15(LatentFormat):
    """Stable Diffusion 1.x."""

    taesd_decoder_name = "taesd_decoder"

    def __init__(self, scale_factor: float = 0.18215) -> None:
        self.scale_factor = scale_factor
        self.latent_rgb_factors = [list(row) for row in RGB_FACTORS]


class SDXL(LatentFormat):
    """Stable Diffusion XL."""

    scale_factor = 0.13025
    taesd_decoder_name = "taesdxl_decoder"

    def __init__(self) -> None:
        self.latent_rgb_factors = [
            [0.3651, 0.4232, 0.4341],
            [-0.2533, -0.0042, 0.1068],
            [0.1076, 0.1111, -0.0362],
            [-0.3165, -0.2492, -0.2188],
        ]
        self.latent_rgb_factors_bias = [0.1084, -0.0175, -0.0011]


class SD_X4(LatentFormat):
    """Stable Diffusion's upscaler."""

    def __init__(self) -> None:
        self.scale_factor = 0.08333


class SC_Prior(LatentFormat):
    """Stable Cascade, stage C."""

    latent_channels = 16
    spacial_downscale_ratio = 42


class SC_B(LatentFormat):
    """Stable Cascade, stage B."""

    spacial_downscale_ratio = 4

    def __init__(self) -> None:
        self.scale_factor = 1.0 / 0.43


class SD3(ShiftedFormat):
    """Stable Diffusion 3."""

    latent_channels = 16
    taesd_decoder_name = "taesd3_decoder"

    def __init__(self) -> None:
        self.scale_factor, self.shift_factor = 1.5305, 0.0609


class Flux(ShiftedFormat):
    """Flux."""

    latent_channels = 16
    taesd_decoder_name = "taef1_decoder"

    def __init__(self) -> None:
        self.scale_factor, self.shift_factor = 0.3611, 0.1159


class HunyuanVideo(LatentFormat):
    """Hunyuan Video."""

    latent_channels = 16
    latent_dimensions = 3
    scale_factor = 0.476986


def latent_format_of(latent: base.LatentFormat) -> LatentFormat:
    """The same space in ComfyUI's terms."""
    made = SD15(latent.scale) if latent.channels == 4 else LatentFormat()
    made.scale_factor, made.latent_channels = latent.scale, latent.channels
    made.spacial_downscale_ratio = latent.downscale
    made.latent_rgb_factors = [list(row) for row in latent.rgb_factors]
    made.latent_rgb_factors_bias = list(latent.rgb_bias) if any(latent.rgb_bias) else None
    return made
