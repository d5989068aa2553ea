"""Noise as increments of a Brownian path, for solvers of stochastic differential equations.

The path depends on the seed and the range of levels alone, not on where it is asked: torchsde's Brownian tree
bisects the range with one reproducible draw a node (Li et al. 2020, arXiv:2001.01328, sec. 4).
"""

from __future__ import annotations

import torch
import torchsde
from torch import Tensor

RESOLUTION = 1e-6
"""The shortest stretch of levels that the path tells apart."""


class BrownianNoise:
    """`noise(sigma, sigma_next)`: the path's increment between two levels, scaled to unit variance.

    The path runs upwards from `sigma_min` to `sigma_max` (scalars); a step downwards gets its increment negated. The
    result has the shape, dtype and device of `x`; it is drawn on the CPU unless `on_cpu` is false, since devices
    differ in what they draw.
    """

    def __init__(self, x: Tensor, sigma_min: Tensor, sigma_max: Tensor, seed: int, *, on_cpu: bool = True) -> None:
        self._device, self._dtype = x.device, x.dtype
        home = torch.device("cpu") if on_cpu else x.device
        origin = torch.zeros(x.shape, dtype=x.dtype, device=home)
        low, high = float(sigma_min), float(sigma_max)
        self._path = torchsde.BrownianTree(low, origin, high, entropy=seed, tol=RESOLUTION)
        # torchsde rounds the path's ends to its resolution, and warns of every query outside them.
        self._ends = round(low, 6), round(high, 6)

    def __call__(self, sigma: Tensor, sigma_next: Tensor) -> Tensor:
        low, high = torch.minimum(sigma, sigma_next), torch.maximum(sigma, sigma_next)
        increment: Tensor = self._path(self._within(low), self._within(high))
        sign = -1.0 if bool(sigma > sigma_next) else 1.0
        return (increment * (sign / (high - low).sqrt())).to(self._device, self._dtype)

    def _within(self, sigma: Tensor) -> float:
        return min(max(float(sigma), self._ends[0]), self._ends[1])
