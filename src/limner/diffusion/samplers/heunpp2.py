"""Heun++: Heun's method looking up to two levels ahead.

A variant of Karras et al. 2022 (arXiv:2206.00364, algorithm 2) from the Stable Diffusion community: the slope at each
level ahead is weighted by that level's share of the first sigma, so that looking ahead matters less as noise falls.
"""

from torch import Tensor

from limner.diffusion.samplers.base import NO_CHURN, Churn, Denoiser, SamplerContext, denoise, slope


def heunpp2(model: Denoiser, x: Tensor, sigmas: Tensor, context: SamplerContext, *, churn: Churn = NO_CHURN) -> Tensor:
    """Three model calls a step; two on the last step but one, one on the last.

    With k = 2 or 3 slopes, those ahead weigh `sigma_ahead / (k * sigmas[0])` and the first what is left of 1.
    """
    steps = len(sigmas) - 1
    draw = context.gaussian(x)
    for step in range(steps):
        x, sigma = churn.raise_level(x, sigmas[step], sigmas[step + 1], steps, draw)
        denoised = denoise(model, x, sigma)
        context.report(step, denoised, x)
        first = slope(x, sigma, denoised)
        # The levels ahead, leaving out the last, at which a slope may not exist (sigma 0).
        levels_ahead = [level for level in sigmas[step + 1 : step + 3] if level != sigmas[-1]]
        direction, ahead, level, latest = first, x, sigma, first
        for next_level in levels_ahead:
            ahead = ahead + latest * (next_level - level)
            level = next_level
            latest = slope(ahead, level, denoise(model, ahead, level))
            direction = direction + (latest - first) * (level / (sigmas[0] * (len(levels_ahead) + 1)))
        x = x + direction * (sigmas[step + 1] - sigma)
    return x
