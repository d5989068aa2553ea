"""DPM-Solver-fast: third-order steps even in log sigma, within a budget of model calls.

Lu et al. 2022, arXiv:2206.00927 (there DPM-Solver-fast).
"""

import torch
from torch import Tensor

from limner.diffusion.samplers.base import Denoiser, SamplerContext, ancestral_step
from limner.diffusion.samplers.dpm_solver import DpmStep, level


def dpm_fast(
    model: Denoiser, x: Tensor, sigmas: Tensor, context: SamplerContext, *, eta: float = 0.0, s_noise: float = 1.0
) -> Tensor:
    """Exactly `len(sigmas) - 1` model calls from the first sigma to the last that is not 0.

    Of `sigmas` only the two ends and the count are used. `eta` above 0 renews noise as ancestral solvers do.
    """
    calls = len(sigmas) - 1
    if calls < 1:
        return x
    draw = context.gaussian(x)
    end = -lowest_positive(sigmas).log()
    orders = _orders(calls)
    times = torch.linspace(float(-sigmas[0].log()), float(end), len(orders) + 1)
    for index, order in enumerate(orders):
        t, t_next = times[index], times[index + 1]
        down = torch.minimum(end, -ancestral_step(level(t), level(t_next), eta).down.log()) if eta else t_next
        step = DpmStep(model, x, t)
        context.report(index, step.denoised, x)
        x = (step.first_order, step.second_order, step.third_order)[order - 1](down)
        if eta > 0:
            up = (level(t_next) ** 2 - level(down) ** 2).clamp(min=0).sqrt()
            x = x + draw(level(t), level(t_next)) * s_noise * up
    return x


def lowest_positive(sigmas: Tensor) -> Tensor:
    """The last sigma, or the one before where that is 0: log sigma has to be finite."""
    return sigmas[-2] if sigmas[-1] == 0 else sigmas[-1]


def _orders(calls: int) -> list[int]:
    """As many third-order steps as fit, and lower orders to make up `calls`; a step of order n takes n calls."""
    thirds, rest = divmod(calls, 3)
    return [3] * thirds + [rest] if rest else [3] * (thirds - 1) + [2, 1]
