"""ComfyUI's `comfy_extras.nodes_align_your_steps`: levels of noise found by optimizing.

Sabour et al. 2024, arXiv:2404.14507.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from limner.comfy.shims.objects.declared import declared

_SD1 = "14.6146412293 6.4745760956 3.8636745985 2.6946151520 1.8841921177 1.3943805092 0.9642583904 0.6523686016"
_SDXL = "14.6146412293 6.3184485287 3.7681790315 2.1811480769 1.3405244945 0.8620721141 0.5550693289 0.3798540708"
NOISE_LEVELS = {
    "SD1": [*map(float, _SD1.split()), 0.3977456272, 0.1515232662, 0.0291671582],
    "SDXL": [*map(float, _SDXL.split()), 0.2332364134, 0.1114188177, 0.0291671582],
    "SVD": [700.00, 54.5, 15.886, 7.977, 4.248, 1.789, 0.981, 0.403, 0.173, 0.034, 0.002],
}
"""The paper's levels for ten steps."""


def loglinear_interp(t_steps: Sequence[float], num_steps: int) -> np.ndarray:
    """Falling levels at as many places as wanted, linear in their logarithms."""
    places = np.linspace(0, 1, num_steps)
    known = np.linspace(0, 1, len(t_steps))
    return np.exp(np.interp(places, known, np.log(t_steps)))


@declared("AlignYourStepsScheduler", "get_sigmas")
class AlignYourStepsScheduler:
    """Levels for a family of models."""

    def get_sigmas(self, model_type: str, steps: int, denoise: float) -> tuple[Tensor]:
        if denoise <= 0.0:
            return (torch.empty(0),)
        known = NOISE_LEVELS[model_type]
        levels = np.array(known) if steps + 1 == len(known) else loglinear_interp(known, steps + 1)
        kept = levels[-((round(steps * denoise) if denoise < 1.0 else steps) + 1) :].copy()
        kept[-1] = 0.0
        return (torch.tensor(kept, dtype=torch.float32),)
