"""Heun's method.

Karras et al. 2022, "Elucidating the Design Space of Diffusion-Based Generative Models", arXiv:2206.00364,
algorithm 2.
"""

from torch import Tensor

from limner.diffusion.samplers.base import NO_CHURN, Churn, Denoiser, SamplerContext, denoise, slope


def heun(model: Denoiser, x: Tensor, sigmas: Tensor, context: SamplerContext, *, churn: Churn = NO_CHURN) -> Tensor:
    """Second order, two model calls a step (one on the step to 0): the mean of the slopes at both ends."""
    steps = len(sigmas) - 1
    draw = context.gaussian(x)
    for step in range(steps):
        sigma_next = sigmas[step + 1]
        x, sigma = churn.raise_level(x, sigmas[step], sigma_next, steps, draw)
        denoised = denoise(model, x, sigma)
        context.report(step, denoised, x)
        direction = slope(x, sigma, denoised)
        if sigma_next > 0:
            ahead = x + direction * (sigma_next - sigma)
            direction = (direction + slope(ahead, sigma_next, denoise(model, ahead, sigma_next))) / 2
        x = x + direction * (sigma_next - sigma)
    return x
