"""Euler's method.

Karras et al. 2022, "Elucidating the Design Space of Diffusion-Based Generative Models", arXiv:2206.00364,
algorithm 2 without its second-order correction. Without churn it is DDIM (Song et al. 2020, arXiv:2010.02502) in
sigma space.
"""

from torch import Tensor

from limner.diffusion.samplers.base import NO_CHURN, Churn, Denoiser, SamplerContext, blend, denoise


def euler(model: Denoiser, x: Tensor, sigmas: Tensor, context: SamplerContext, *, churn: Churn = NO_CHURN) -> Tensor:
    """First order, one model call a step."""
    steps = len(sigmas) - 1
    draw = context.gaussian(x)
    for step in range(steps):
        x, sigma = churn.raise_level(x, sigmas[step], sigmas[step + 1], steps, draw)
        denoised = denoise(model, x, sigma)
        context.report(step, denoised, x)
        x = blend(x, denoised, sigmas[step + 1] / sigma)
    return x
