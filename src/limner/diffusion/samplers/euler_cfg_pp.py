"""Euler's method with CFG++ guidance.

Chung et al. 2024, "CFG++: Manifold-constrained Classifier Free Guidance", arXiv:2406.08070: the guided
prediction is denoised towards, the unconditional one renoised with.
"""

from torch import Tensor

from limner.diffusion.samplers.base import Denoiser, SamplerContext, ancestral_step, denoise_pair, slope


def euler_ancestral_cfg_pp(
    model: Denoiser, x: Tensor, sigmas: Tensor, context: SamplerContext, *, eta: float = 1.0, s_noise: float = 1.0
) -> Tensor:
    """First order, stochastic, one call of `model.pair` a step.

    Works on `x / alpha`, in which any model is variance exploding with level `sigma / alpha`.
    """
    prediction = context.parameterization.prediction
    draw = context.gaussian(x)
    for step in range(len(sigmas) - 1):
        sigma, sigma_next = sigmas[step], sigmas[step + 1]
        denoised, unconditional = denoise_pair(model, x, sigma)
        context.report(step, denoised, x)
        if sigma_next == 0:
            x = denoised
            continue
        # Rectified flow at sigma 1 has alpha 0, so an infinite level: every term below keeps its limit.
        level, level_next = ((-prediction.half_log_snr(value)).exp() for value in (sigma, sigma_next))
        noise = slope(x, sigma, unconditional * (sigma / level))
        parts = ancestral_step(level, level_next, eta)
        alpha_next = sigma_next / level_next
        x = alpha_next * (denoised + noise * parts.down)
        if eta > 0 and s_noise > 0:
            x = x + alpha_next * draw(sigma, sigma_next) * s_noise * parts.up
    return x


def euler_cfg_pp(model: Denoiser, x: Tensor, sigmas: Tensor, context: SamplerContext) -> Tensor:
    """First order, deterministic."""
    return euler_ancestral_cfg_pp(model, x, sigmas, context, eta=0.0, s_noise=0.0)
