"""ComfyUI's latent formats: the numbers of a family's latent space."""

from __future__ import annotations

import inspect
from collections.abc import Sequence
from importlib import import_module
from typing import Any

import torch
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


class WhitenedFormat(LatentFormat):
    """A latent space whose channels have a mean and a deviation each; `latents_mean` and `latents_std` are
    [1, channels, 1, ...]."""

    latents_mean: Tensor
    latents_std: Tensor

    def _whiten(self, mean: Sequence[float], std: Sequence[float]) -> None:
        shape = (1, self.latent_channels, *(1,) * self.latent_dimensions)
        self.latents_mean, self.latents_std = torch.tensor(mean).view(shape), torch.tensor(std).view(shape)

    def process_in(self, latent: Tensor) -> Tensor:
        return (latent - self.latents_mean.to(latent)) * self.scale_factor / self.latents_std.to(latent)

    def process_out(self, latent: Tensor) -> Tensor:
        return latent * self.latents_std.to(latent) / self.scale_factor + self.latents_mean.to(latent)


class SDXL_Playground_2_5(WhitenedFormat):
    """Playground 2.5, by the configuration that its VAE comes with."""

    taesd_decoder_name = "taesdxl_decoder"

    def __init__(self) -> None:
        self.scale_factor = 0.5
        self._whiten((-1.6574, 1.886, -1.383, 2.5155), (8.4927, 5.9022, 6.5498, 5.2299))


class _OfAutoencoder(WhitenedFormat):
    """The means and deviations are the defaults of an autoencoder of diffusers."""

    autoencoder: str
    latent_dimensions = 3

    def __init__(self) -> None:
        parameters = inspect.signature(getattr(import_module("diffusers"), self.autoencoder)).parameters
        self._whiten(parameters["latents_mean"].default, parameters["latents_std"].default)


class Wan21(_OfAutoencoder):
    """Wan 2.1."""

    autoencoder = "AutoencoderKLWan"
    latent_channels = 16


class Mochi(_OfAutoencoder):
    """Mochi."""

    autoencoder = "AutoencoderKLMochi"
    latent_channels = 12


class HunyuanVideo(LatentFormat):
    """Hunyuan Video."""

    latent_channels = 16
    latent_dimensions = 3
    scale_factor = 0.476986


class HunyuanImage21(LatentFormat):
    """Hunyuan Image 2.1."""

    latent_channels = 64
    scale_factor = 0.75289


class HunyuanImage21Refiner(LatentFormat):
    """Hunyuan Image 2.1's refiner."""

    latent_channels = 64
    latent_dimensions = 3
    scale_factor = 1.03682


class Cosmos1CV8x8x8(LatentFormat):
    """Cosmos 1."""

    latent_channels = 16
    latent_dimensions = 3


class LTXV(LatentFormat):
    """LTX Video."""

    latent_channels = 128
    latent_dimensions = 3


class StableAudio1(LatentFormat):
    """Stable Audio."""

    latent_channels = 64
    latent_dimensions = 1


class ACEAudio(LatentFormat):
    """ACE-Step."""

    latent_channels = 8


class Hunyuan3Dv2(LatentFormat):
    """Hunyuan 3D 2."""

    latent_channels = 64
    latent_dimensions = 1
    scale_factor = 0.9990943042622529


class Hunyuan3Dv2_1(Hunyuan3Dv2):
    """Hunyuan 3D 2.1."""

    scale_factor = 1.0039506158752403


class Hunyuan3Dv2mini(Hunyuan3Dv2):
    """Hunyuan 3D 2 mini."""

    scale_factor = 1.0188137142395404


class ChromaRadiance(LatentFormat):
    """Chroma Radiance, which works on pixels."""

    latent_channels = 3
    spacial_downscale_ratio = 1


def latent_format_of(latent: base.LatentFormat) -> LatentFormat:
    """The same space in ComfyUI's terms."""
    made = SD15(latent.scale) if latent.channels == 4 else LatentFormat()
    made.scale_factor, made.latent_channels = latent.scale, latent.channels
    made.spacial_downscale_ratio = latent.downscale
    made.latent_rgb_factors = [list(row) for row in latent.rgb_factors]
    made.latent_rgb_factors_bias = list(latent.rgb_bias) if any(latent.rgb_bias) else None
    return made
