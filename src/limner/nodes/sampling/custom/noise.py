"""Menu `sampling/custom_sampling/noise`: what sampling starts from."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any

import torch
from torch import Tensor

from limner.diffusion.noise import initial_noise
from limner.sdk import Int, Noise, node

from ...ranges import MAX_SEED

MODULE = "comfy_extras.nodes_custom_sampler"
CATEGORY = "sampling/custom_sampling/noise"


@dataclass(frozen=True, slots=True)
class Noise_EmptyNoise:
    """No noise. The names of these two classes and of what they offer are those that packs know."""

    seed: int = 0

    def generate_noise(self, input_latent: dict[str, Any]) -> Tensor:
        """Zeros in the shape of the LATENT's samples."""
        return torch.zeros_like(input_latent["samples"], device="cpu")


@dataclass(frozen=True, slots=True)
class Noise_RandomNoise:
    """Gaussian noise of a seed."""

    seed: int

    def generate_noise(self, input_latent: dict[str, Any]) -> Tensor:
        """Noise in the shape of the LATENT's samples, as its `batch_index` says."""
        return initial_noise(input_latent["samples"], self.seed, input_latent.get("batch_index"))


@node(type="RandomNoise", title="RandomNoise", category=CATEGORY, module=MODULE, lane="cpu")
def random_noise(
    noise_seed: Annotated[int, Int(default=0, min=0, max=MAX_SEED, control_after_generate=True)],
) -> Noise:
    """The noise of a seed."""
    return Noise_RandomNoise(noise_seed)


@node(type="DisableNoise", title="DisableNoise", category=CATEGORY, module=MODULE, lane="cpu")
def disable_noise() -> Noise:
    """No noise, for latents that have it already."""
    return Noise_EmptyNoise()
