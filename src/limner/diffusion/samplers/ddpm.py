"""Ancestral sampling of denoising diffusion models.

Ho et al. 2020, "Denoising Diffusion Probabilistic Models", arXiv:2006.11239, algorithm 2, with the posterior variance
of eq. 7. `x / sqrt(1 + sigma^2)` is the paper's variance-preserving x_t and `1 / (1 + sigma^2)` its `abar_t`.
"""

from torch import Tensor

from limner.diffusion.samplers.base import Denoiser, SamplerContext, denoise, slope


def ddpm(model: Denoiser, x: Tensor, sigmas: Tensor, context: SamplerContext) -> Tensor:
    """First order, stochastic, one model call a step."""
    draw = context.gaussian(x)
    for step in range(len(sigmas) - 1):
        sigma, sigma_next = sigmas[step], sigmas[step + 1]
        denoised = denoise(model, x, sigma)
        context.report(step, denoised, x)
        abar, abar_next = 1 / (sigma**2 + 1), 1 / (sigma_next**2 + 1)
        alpha = abar / abar_next
        eps = slope(x, sigma, denoised)
        x = (x * abar.sqrt() - (1 - alpha) / (1 - abar).sqrt() * eps) / alpha.sqrt()
        if sigma_next > 0:
            deviation = ((1 - alpha) * (1 - abar_next) / (1 - abar)).sqrt()
            x = (x + deviation * draw(sigma, sigma_next)) / abar_next.sqrt()
    return x
