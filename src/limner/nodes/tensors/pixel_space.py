"""A VAE for models that work on pixels: its latents are pictures, with values from -1 to 1."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor


@dataclass(frozen=True, slots=True)
class PixelSpace:
    """Encodes and decodes like `limner.diffusion.vae.Autoencoder`."""

    downscale: int = 1
    channels: int = 3

    def encode(self, pictures: Tensor) -> Tensor:
        """IMAGE [batch, height, width, 3] -> [batch, 3, height, width]."""
        return pictures[..., :3].movedim(-1, 1).float() * 2.0 - 1.0

    def decode(self, latent: Tensor) -> Tensor:
        """The inverse, clamped to 0..1."""
        return ((latent.float() + 1.0) / 2.0).clamp(0.0, 1.0).movedim(1, -1)

    def encode_tiled(self, pictures: Tensor, tile: int = 512, overlap: int = 64) -> Tensor:
        """As `encode`: there is nothing to gain from tiles."""
        return self.encode(pictures)

    def decode_tiled(self, latent: Tensor, tile: int = 64, overlap: int = 16) -> Tensor:
        """As `decode`."""
        return self.decode(latent)
