"""ComfyUI's `comfy_extras.nodes_differential_diffusion`: a grey mask says from which step on a place changes.

Levin and Fried 2023, arXiv:2306.00950.
"""

from __future__ import annotations

from functools import partial
from typing import Any

from torch import Tensor

from limner.comfy.shims.objects.declared import declared


@declared("DifferentialDiffusion", "execute")
class DifferentialDiffusion:
    """A model that reads a mask so."""

    def execute(self, model: Any, strength: float = 1.0) -> tuple[Any]:
        changed = model.clone()
        changed.set_model_denoise_mask_function(partial(self.forward, strength=strength))
        return (changed,)

    @classmethod
    def forward(
        cls, sigma: Tensor, denoise_mask: Tensor, extra_options: dict[str, Any], strength: float = 1.0
    ) -> Tensor:
        """The mask of a step: 1 where the given one lies above the share of the run that is left."""
        sampling = extra_options["model"].inner_model.model_sampling
        levels = extra_options["sigmas"]
        last = max(float(levels[-1]), float(sampling.sigma_min))
        start, end, now = (sampling.timestep(level) for level in (levels[0], levels.new_tensor(last), sigma[0]))
        left = (now - end) / (start - end)
        hard: Tensor = (denoise_mask >= left).to(denoise_mask.dtype)
        return strength * hard + (1 - strength) * denoise_mask if 0 < strength < 1 else hard
