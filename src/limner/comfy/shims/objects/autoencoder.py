"""ComfyUI's `VAE`: what packs get at a VAE socket, over Limner's autoencoder."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from limner.comfy.shims.objects.patcher import ModelPatcher
from limner.diffusion.vae import Autoencoder


class FirstStage:
    """What packs find at `vae.patcher.model`."""

    def __init__(self, core: Autoencoder) -> None:
        self.core = core
        self.module = core.resident.module

    def state_dict(self) -> dict[str, Tensor]:
        return dict(self.module.state_dict())

    def get_dtype(self) -> torch.dtype:
        return self.core.dtype


class VAE:
    """Pictures to latents and back."""

    def __init__(self, core: Autoencoder) -> None:
        self._core = core
        self.first_stage_model = core.resident.module
        self.patcher = ModelPatcher(FirstStage(core), core.device, torch.device("cpu"), core.resident.size)
        self.downscale_ratio = self.upscale_ratio = core.downscale
        self.latent_channels = core.channels
        self.latent_dim = 2
        self.output_channels = 3
        self.device, self.offload_device = core.device, torch.device("cpu")
        self.output_device = torch.device("cpu")
        self.vae_dtype = core.dtype
        self.working_dtypes = [core.dtype]
        self.disable_offload = False
        self.not_video = True
        self.extra_1d_channel = None
        self.size = core.resident.size

    def core(self) -> Autoencoder:
        """Limner's autoencoder."""
        return self._core

    def process_input(self, image: Tensor) -> Tensor:
        """0..1 to -1..1."""
        return image * 2.0 - 1.0

    def process_output(self, image: Tensor) -> Tensor:
        """-1..1 to 0..1."""
        return ((image + 1.0) / 2.0).clamp(0.0, 1.0)

    def memory_used_decode(self, shape: Any, dtype: torch.dtype) -> float:
        return float(2178 * shape[-2] * shape[-1] * 64 * dtype.itemsize)

    def memory_used_encode(self, shape: Any, dtype: torch.dtype) -> float:
        return float(1767 * shape[-2] * shape[-1] * dtype.itemsize)

    def throw_exception_if_invalid(self) -> None:
        """Nothing: a VAE that could not be read was refused when it was loaded."""

    def vae_encode_crop_pixels(self, pixels: Tensor) -> Tensor:
        """The middle of the pictures, in multiples of what a latent's cell covers."""
        for dim in (1, 2):
            kept = pixels.shape[dim] // self.downscale_ratio * self.downscale_ratio
            pixels = pixels.narrow(dim, pixels.shape[dim] % self.downscale_ratio // 2, kept)
        return pixels

    def decode(self, samples_in: Tensor, vae_options: Any = None) -> Tensor:
        """Latents [batch, channels, h, w] to pictures [batch, height, width, 3] in 0..1."""
        return self._core.decode(samples_in)

    def encode(self, pixel_samples: Tensor) -> Tensor:
        return self._core.encode(pixel_samples)

    def decode_tiled(
        self,
        samples: Tensor,
        tile_x: int | None = None,
        tile_y: int | None = None,
        overlap: int | None = None,
        tile_t: int | None = None,
        overlap_t: int | None = None,
    ) -> Tensor:
        return self._core.decode_tiled(samples, tile_x or 64, 16 if overlap is None else overlap)

    def encode_tiled(
        self,
        pixel_samples: Tensor,
        tile_x: int | None = None,
        tile_y: int | None = None,
        overlap: int | None = None,
        tile_t: int | None = None,
        overlap_t: int | None = None,
    ) -> Tensor:
        return self._core.encode_tiled(pixel_samples, tile_x or 512, 64 if overlap is None else overlap)

    def get_sd(self) -> dict[str, Tensor]:
        return dict(self.first_stage_model.state_dict())

    def spacial_compression_decode(self) -> int:
        return self.upscale_ratio

    def spacial_compression_encode(self) -> int:
        return self.downscale_ratio

    def temporal_compression_decode(self) -> None:
        """Pictures have no time."""
