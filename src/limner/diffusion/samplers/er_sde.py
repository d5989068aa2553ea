"""Extended reverse-time SDE solver.

Cui et al. 2023, "Elucidating the Solution Space of Extended Reverse-Time SDE for Diffusion Models",
arXiv:2309.06169: VP ER-SDE-Solver-3, with the noise scale that the paper recommends. In its terms
`lambda = sigma / alpha`.
"""

import torch
from torch import Tensor

from limner.diffusion.samplers.base import Denoiser, SamplerContext, denoise

POINTS = 200
"""How many points the integrals over the noise scale are summed on, the paper's number."""


def er_sde(
    model: Denoiser, x: Tensor, sigmas: Tensor, context: SamplerContext, *, s_noise: float = 1.0, max_stage: int = 3
) -> Tensor:
    """Up to order `max_stage` (1 to 3), multistep, stochastic, one model call a step; `s_noise` scales the noise."""
    prediction = context.parameterization.prediction
    draw = context.gaussian(x)
    sigmas = context.within_snr(sigmas)
    levels = (-prediction.half_log_snr(sigmas)).exp()
    previous: Tensor | None = None
    previous_rate: Tensor | None = None
    for step in range(len(sigmas) - 1):
        sigma, sigma_next, level, level_next = sigmas[step], sigmas[step + 1], levels[step], levels[step + 1]
        denoised = denoise(model, x, sigma)
        context.report(step, denoised, x)
        if sigma_next == 0:
            x = denoised
            continue
        ratio = noise_scale(level_next) / noise_scale(level)
        # y = x / alpha moves at the level `lambda`.
        y = ratio * (x * (level / sigma)) + (1 - ratio) * denoised
        integral, moment = _integrals(level, level_next)
        h = level_next - level
        rate: Tensor | None = None
        if previous is not None and max_stage >= 2:
            rate = (denoised - previous) / (level - levels[step - 1])
            y = y + (h + integral * noise_scale(level_next)) * rate
            if previous_rate is not None and max_stage >= 3:
                curvature = (rate - previous_rate) / ((level - levels[step - 2]) / 2)
                y = y + (h**2 / 2 + moment * noise_scale(level_next)) * curvature
        if s_noise > 0:
            variance = (level_next**2 - level**2 * ratio**2).clamp(min=0)
            y = y + draw(sigma, sigma_next) * s_noise * variance.sqrt()
        x = y * (sigma_next / level_next)
        previous, previous_rate = denoised, rate
    return x


def noise_scale(level: Tensor) -> Tensor:
    """The paper's `phi`: `lambda * (exp(lambda^0.3) + 10)`."""
    return level * ((level**0.3).exp() + 10)


def _integrals(level: Tensor, level_next: Tensor) -> tuple[Tensor, Tensor]:
    """From `level_next` to `level`: the integrals of `1 / phi(l)` and of `(l - level) / phi(l)`."""
    width = (level - level_next) / POINTS
    points = level_next + torch.arange(POINTS, dtype=level.dtype) * width
    scales = noise_scale(points)
    return (1 / scales).sum() * width, ((points - level) / scales).sum() * width
