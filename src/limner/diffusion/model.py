"""The denoising network with everything that belongs to it: noise levels, latent space, patches, options."""

from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from limner.diffusion.families.base import LatentFormat
from limner.diffusion.parameterization import Parameterization
from limner.diffusion.patching import NO_PATCHES, Patches
from limner.diffusion.previews import latent_to_rgb
from limner.diffusion.residency import Resident

Denoising = Callable[[Any, torch.Tensor, torch.Tensor | None, torch.Tensor | None], AbstractContextManager[Any]]
"""`(guide, noise, latent image, noise mask)`, as `Guide.prepare` has them -> the denoiser."""


@dataclass(slots=True)
class Model:
    """A denoising network, as nodes pass it on. Clones share the network; patches and options are each one's own.

    `options` are ComfyUI's `model_options`; guidance reads `sampler_cfg_function`, `sampler_pre_cfg_function`,
    `sampler_post_cfg_function`, `sampler_calc_cond_batch_function`, `model_function_wrapper`,
    `disable_cfg1_optimization` and `transformer_options`. `keys` maps each parameter's name to its name in the
    original layout.
    """

    resident: Resident
    parameterization: Parameterization
    latent: LatentFormat
    dtype: torch.dtype
    family: str
    inpaint: bool = False
    patches: Patches = NO_PATCHES
    keys: Mapping[str, str] = field(default_factory=dict)
    options: dict[str, Any] = field(default_factory=dict)
    denoising: "Denoising | None" = None
    """Makes the denoiser in the place of `guidance.Guide`, for a model that is sampled with in another way."""

    def clone(self) -> "Model":
        """A copy to change."""
        return replace(self, options=_copied(self.options))

    def with_patches(self, patches: Patches) -> "Model":
        """A copy with these patches in place of its own."""
        return replace(self.clone(), patches=patches)

    def with_parameterization(self, parameterization: Parameterization) -> "Model":
        """A copy with other noise levels, or another meaning of the network's output."""
        return replace(self.clone(), parameterization=parameterization)

    @property
    def device(self) -> torch.device:
        """The device that the network runs on."""
        return self.resident.target

    @property
    def size(self) -> int:
        """Bytes of the network's weights."""
        return self.resident.size

    @property
    def context_width(self) -> int | None:
        """How many numbers each vector of the conditioning has that the network attends to; None if it does not say."""
        config = getattr(self.resident.module, "config", None) or {}
        width = config.get("cross_attention_dim")
        return width if isinstance(width, int) else None

    def scale_in(self, latent: torch.Tensor) -> torch.Tensor:
        """A latent as files and nodes hold it, in the scale that sampling uses."""
        return latent * self.latent.scale

    def scale_out(self, latent: torch.Tensor) -> torch.Tensor:
        """The inverse of `scale_in`."""
        return latent / self.latent.scale

    def preview(self, denoised: torch.Tensor) -> NDArray[np.uint8]:
        """Approximate pictures, uint8 [batch, h, w, 3], of latents in sampling's scale."""
        return latent_to_rgb(denoised, self.latent)


def _copied(value: Any) -> Any:
    """Nested dicts and lists anew, everything in them shared: what patches a clone must not patch its original."""
    if isinstance(value, dict):
        return {key: _copied(item) for key, item in value.items()}
    return [_copied(item) for item in value] if isinstance(value, list) else value
