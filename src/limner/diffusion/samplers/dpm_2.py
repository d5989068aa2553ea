"""DPM-Solver-2 in the form of Karras et al.'s algorithm 2, plain and ancestral.

Lu et al. 2022, "DPM-Solver", arXiv:2206.00927, algorithm 1 with r1 = 1/2: the slope at the geometric mean of the two
levels carries x over the whole step. The ancestral form renews noise as `euler_ancestral` does.
"""

from torch import Tensor

from limner.diffusion.samplers.base import (
    NO_CHURN,
    Churn,
    Denoiser,
    SamplerContext,
    ancestral_split,
    denoise,
    slope,
)


def dpm_2(model: Denoiser, x: Tensor, sigmas: Tensor, context: SamplerContext, *, churn: Churn = NO_CHURN) -> Tensor:
    """Second order, two model calls a step (one on the step to 0)."""
    steps = len(sigmas) - 1
    draw = context.gaussian(x)
    for step in range(steps):
        x, sigma = churn.raise_level(x, sigmas[step], sigmas[step + 1], steps, draw)
        denoised = denoise(model, x, sigma)
        context.report(step, denoised, x)
        x = _midpoint(model, x, sigma, sigmas[step + 1], denoised)
    return x


def dpm_2_ancestral(
    model: Denoiser, x: Tensor, sigmas: Tensor, context: SamplerContext, *, eta: float = 1.0, s_noise: float = 1.0
) -> Tensor:
    """The same down to the ancestral level, then noise; options as for `euler_ancestral`."""
    draw = context.gaussian(x)
    split = ancestral_split(context)
    for step in range(len(sigmas) - 1):
        sigma, sigma_next = sigmas[step], sigmas[step + 1]
        denoised = denoise(model, x, sigma)
        context.report(step, denoised, x)
        parts = split(sigma, sigma_next, eta)
        x = _midpoint(model, x, sigma, parts.down, denoised)
        if sigma_next > 0:
            x = x * parts.scale + draw(sigma, sigma_next) * s_noise * parts.up
    return x


def _midpoint(model: Denoiser, x: Tensor, sigma: Tensor, target: Tensor, denoised: Tensor) -> Tensor:
    direction = slope(x, sigma, denoised)
    if target > 0:
        middle = (sigma * target).sqrt()
        halfway = x + direction * (middle - sigma)
        direction = slope(halfway, middle, denoise(model, halfway, middle))
    return x + direction * (target - sigma)
