"""Multistep consistency sampling, for latent consistency models.

Luo et al. 2023, "Latent Consistency Models", arXiv:2310.04378, algorithm 3: denoise fully, add fresh noise, repeat.
"""

from torch import Tensor

from limner.diffusion.samplers.base import Denoiser, SamplerContext, denoise


def lcm(model: Denoiser, x: Tensor, sigmas: Tensor, context: SamplerContext) -> Tensor:
    """Stochastic, one model call a step, few steps."""
    draw = context.gaussian(x)
    for step in range(len(sigmas) - 1):
        sigma, sigma_next = sigmas[step], sigmas[step + 1]
        denoised = denoise(model, x, sigma)
        context.report(step, denoised, x)
        x = denoised
        if sigma_next > 0:
            x = context.parameterization.prediction.add_noise(denoised, draw(sigma, sigma_next), sigma_next)
    return x
