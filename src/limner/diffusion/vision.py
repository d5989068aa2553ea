"""CLIP's image encoders: pictures become vectors that steer or describe."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, cast

import torch

from limner.diffusion.residency import Resident

MEAN = (0.48145466, 0.4578275, 0.40821073)
STD = (0.26862954, 0.26130258, 0.27577711)
"""Of each channel in CLIP's training data (Radford et al. 2021)."""


@dataclass(frozen=True, slots=True)
class VisionOutput:
    """`last` and `penultimate` are hidden states [batch, 1 + patches, width], `embeds` [batch, projection].

    float32, on the CPU.
    """

    last: torch.Tensor
    penultimate: torch.Tensor
    embeds: torch.Tensor


@dataclass(frozen=True, slots=True)
class VisionEncoder:
    """An image encoder of one file."""

    resident: Resident

    @property
    def size(self) -> int:
        """The side of the square that it sees, in pixels."""
        return int(cast(Any, self.resident.module).config.image_size)

    @torch.no_grad()
    def encode(self, pictures: torch.Tensor, crop: bool = True) -> VisionOutput:
        """Encode pictures [batch, height, width, 3 or more] in 0..1, as `preprocessed` makes them."""
        pixels = preprocessed(pictures, self.size, crop=crop)
        with self.resident.active() as module:
            pixels = pixels.to(self.resident.target, next(module.parameters()).dtype)
            found = cast(Callable[..., Any], module)(pixel_values=pixels, output_hidden_states=True)
        hidden = found.hidden_states
        return VisionOutput(*(part.float().cpu() for part in (hidden[-1], hidden[-2], found.image_embeds)))


def preprocessed(
    pictures: torch.Tensor,
    size: int,
    mean: Sequence[float] = MEAN,
    std: Sequence[float] = STD,
    *,
    crop: bool = True,
) -> torch.Tensor:
    """Pictures [batch, height, width, 3 or more] in 0..1 as an encoder takes them: [batch, 3, size, size], normalized.

    With `crop` the shorter side becomes `size` and the middle is taken, without it both sides do; values are rounded to
    what 8 bits hold.
    """
    pixels = pictures[..., :3].movedim(-1, 1)
    if tuple(pixels.shape[2:]) != (size, size):
        height, width = pixels.shape[2:]
        scale = size / min(height, width)
        target = (round(scale * height), round(scale * width)) if crop else (size, size)
        pixels = torch.nn.functional.interpolate(pixels, size=target, mode="bicubic", antialias=True)
        top, left = (target[0] - size) // 2, (target[1] - size) // 2
        pixels = pixels[:, :, top : top + size, left : left + size]
    pixels = (pixels * 255.0).clamp(0.0, 255.0).round() / 255.0
    centre, spread = (pixels.new_tensor(values).view(3, 1, 1) for values in (mean, std))
    return (pixels - centre) / spread
