"""The autoencoder: pictures to latents and back, at an eighth of the size.

Latents here are unscaled, as files and nodes hold them; `Model.scale_in` scales them for sampling. Encoding takes the
mean of the encoder's distribution, no sample, so that it is repeatable.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, cast

import torch

from limner.diffusion import devices
from limner.diffusion.residency import Resident
from limner.diffusion.tiles import tiled

# Bytes for one value of the widest layer's work, by pixels of the picture; measured on SD 1.x's VAE.
_DECODE_BYTES = 2178
_ENCODE_BYTES = 1767


@dataclass(frozen=True, slots=True)
class Autoencoder:
    """A VAE of one file."""

    resident: Resident
    dtype: torch.dtype
    channels: int = 4
    downscale: int = 8

    @property
    def device(self) -> torch.device:
        """The device that the VAE runs on."""
        return self.resident.target

    def decode(self, latent: torch.Tensor) -> torch.Tensor:
        """Latents [batch, channels, h, w] to pictures, float32 [batch, h * 8, w * 8, 3] in 0..1, on the CPU.

        In tiles where memory runs out otherwise.
        """
        work = latent.shape[2] * latent.shape[3] * self.downscale**2 * _DECODE_BYTES * self.dtype.itemsize
        pictures = self._whole_or_tiled(
            lambda: torch.cat([self._decode(item[None], work) for item in latent]),
            lambda: self._decode_tiled(latent, 64, 16),
        )
        return _shown(pictures)

    def encode(self, pictures: torch.Tensor) -> torch.Tensor:
        """Pictures [batch, height, width, 3] in 0..1 to latents, float32 [batch, channels, h, w], on the CPU.

        A size that is no multiple of 8 is cropped about its middle. In tiles where memory runs out otherwise.
        """
        pixels = self._cropped(pictures)
        work = pixels.shape[2] * pixels.shape[3] * _ENCODE_BYTES * self.dtype.itemsize
        return self._whole_or_tiled(
            lambda: torch.cat([self._encode(item[None], work) for item in pixels]),
            lambda: self._encode_tiled(pixels, 512, 64),
        )

    def decode_tiled(self, latent: torch.Tensor, tile: int = 64, overlap: int = 16) -> torch.Tensor:
        """As `decode`, always in tiles; sizes in latent cells."""
        return _shown(self._decode_tiled(latent, tile, overlap))

    def encode_tiled(self, pictures: torch.Tensor, tile: int = 512, overlap: int = 64) -> torch.Tensor:
        """As `encode`, always in tiles; sizes in pixels."""
        return self._encode_tiled(self._cropped(pictures), tile, overlap)

    @torch.no_grad()
    def _decode(self, latent: torch.Tensor, work: int = 0) -> torch.Tensor:
        with self.resident.active(extra=work) as module:
            z = latent.to(self.device, self.dtype, memory_format=torch.channels_last)
            return cast(torch.Tensor, cast(Any, module).decode(z, return_dict=False)[0].float().cpu())

    @torch.no_grad()
    def _encode(self, pixels: torch.Tensor, work: int = 0) -> torch.Tensor:
        with self.resident.active(extra=work) as module:
            x = (pixels * 2 - 1).to(self.device, self.dtype, memory_format=torch.channels_last)
            return cast(torch.Tensor, cast(Any, module).encode(x, return_dict=False)[0].mode().float().cpu())

    def _decode_tiled(self, latent: torch.Tensor, tile: int, overlap: int) -> torch.Tensor:
        shapes = _tile_shapes(tile)
        parts = [tiled(latent, self._decode, shape, overlap, scale=self.downscale, channels=3) for shape in shapes]
        return torch.stack(parts).mean(0)

    def _encode_tiled(self, pixels: torch.Tensor, tile: int, overlap: int) -> torch.Tensor:
        shapes = _tile_shapes(tile)
        scale = 1 / self.downscale
        parts = [tiled(pixels, self._encode, shape, overlap, scale=scale, channels=self.channels) for shape in shapes]
        return torch.stack(parts).mean(0)

    def _cropped(self, pictures: torch.Tensor) -> torch.Tensor:
        height, width = pictures.shape[1:3]
        top, left = height % self.downscale // 2, width % self.downscale // 2
        height, width = height - height % self.downscale, width - width % self.downscale
        return pictures[:, top : top + height, left : left + width, :3].movedim(-1, 1)

    def _whole_or_tiled(self, whole: Callable[[], torch.Tensor], in_tiles: Callable[[], torch.Tensor]) -> torch.Tensor:
        try:
            return whole()
        except (RuntimeError, MemoryError) as error:
            if not devices.out_of_memory(error):
                raise
        # Outside the handler: the exception would keep the failed attempt's tensors alive.
        devices.release_cached(self.device)
        return in_tiles()


def _shown(decoded: torch.Tensor) -> torch.Tensor:
    """What the decoder gives, [batch, 3, h, w] about -1..1, as pictures [batch, h, w, 3]; tiles are joined before."""
    return decoded.add(1).div(2).clamp(0, 1).movedim(1, -1).contiguous()


def _tile_shapes(tile: int) -> tuple[tuple[int, int], ...]:
    """Three tilings whose seams lie at different places, (height, width) each; their mean shows none of them."""
    return (tile, tile), (tile * 2, max(1, tile // 2)), (max(1, tile // 2), tile * 2)
