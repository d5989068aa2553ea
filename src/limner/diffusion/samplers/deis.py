"""Diffusion exponential integrator sampler, in its time-based multistep form (tAB-DEIS).

Zhang & Chen 2022, "Fast Sampling of Diffusion Models with Exponential Integrator", arXiv:2204.13902, eq. 14 and 15,
on the variance-preserving SDE whose levels run from 0.002 to 80 (Song et al. 2020, arXiv:2011.13456, appendix C).
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

from limner.diffusion.samplers.base import Denoiser, SamplerContext, denoise, slope

SIGMA_MIN, SIGMA_MAX, TIME_MIN = 0.002, 80.0, 1e-3
POINTS = 10_000
"""How many points the integrals are summed over, the reference's number."""


def deis(model: Denoiser, x: Tensor, sigmas: Tensor, context: SamplerContext, *, max_order: int = 3) -> Tensor:
    """Up to order `max_order` (1 to 4), multistep, one model call a step."""
    if not 1 <= max_order <= 4:
        raise ValueError(f"DEIS has orders 1 to 4, not {max_order}")
    times = _vp_time(sigmas.double())
    slopes: list[Tensor] = []
    for step in range(len(sigmas) - 1):
        denoised = denoise(model, x, sigmas[step])
        context.report(step, denoised, x)
        slopes = [slope(x, sigmas[step], denoised), *slopes][:max_order]
        if len(slopes) == 1 or sigmas[step + 1] <= 0:
            x = x + (sigmas[step + 1] - sigmas[step]) * slopes[0]
            continue
        visited = times[step - len(slopes) + 1 : step + 1].flip(0)
        for weight, past in zip(_weights(visited, times[step + 1]), slopes, strict=True):
            x = x + past * weight
    return x


def _betas() -> tuple[float, float]:
    """`beta_min` and `beta_d = beta_max - beta_min` of the SDE that passes through both ends of the range."""
    low, high = math.log1p(SIGMA_MIN**2), math.log1p(SIGMA_MAX**2)
    beta_d = 2 * (low / TIME_MIN - high) / (TIME_MIN - 1)
    return high - beta_d / 2, beta_d


def _vp_time(sigma: Tensor) -> Tensor:
    """The time at which the SDE has this level: `log(1 + sigma^2) = beta_d t^2 / 2 + beta_min t`."""
    beta_min, beta_d = _betas()
    return ((beta_min**2 + 2 * beta_d * (sigma**2 + 1).log()).sqrt() - beta_min) / beta_d


def _weights(visited: Tensor, target: Tensor) -> list[float]:
    """Integrals from `visited[0]` to `target` of dsigma/dt times the Lagrange polynomials on `visited` (newest first).

    The rule sums both ends in full with a spacing of 1 / POINTS of the range, as the reference does: that is off by
    1e-4 of the step, and part of the numbers the field knows.
    """
    beta_min, beta_d = _betas()
    t = torch.linspace(0, 1, POINTS, dtype=torch.float64) * (target - visited[0]) + visited[0]
    abar = (-(beta_d * t**2 / 2 + beta_min * t)).exp()
    rate = (beta_d * t + beta_min) / (2 * (abar * (1 - abar)).sqrt())
    weights = []
    for index, node in enumerate(visited):
        others = torch.cat([visited[:index], visited[index + 1 :]])
        basis = ((t.unsqueeze(1) - others) / (node - others)).prod(dim=1)
        weights.append(float((rate * basis).sum() * (target - visited[0]) / POINTS))
    return weights
