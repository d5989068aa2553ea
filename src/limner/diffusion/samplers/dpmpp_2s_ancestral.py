"""DPM-Solver++(2S) with noise renewed at every step, plain and with CFG++ guidance.

Lu et al. 2022, "DPM-Solver++", arXiv:2211.01095, algorithm 1 with r = 1/2, down to the ancestral level; Chung et al.
2024, "CFG++", arXiv:2406.08070, for the guided form.
"""

import torch
from torch import Tensor

from limner.diffusion.samplers.base import (
    Denoiser,
    SamplerContext,
    ancestral_split,
    ancestral_step,
    blend,
    denoise,
    denoise_pair,
)

NEARLY_ONE = 0.9999


def dpmpp_2s_ancestral(
    model: Denoiser, x: Tensor, sigmas: Tensor, context: SamplerContext, *, eta: float = 1.0, s_noise: float = 1.0
) -> Tensor:
    """Second order, stochastic, two model calls a step (one on the step to 0); options as for `euler_ancestral`."""
    draw = context.gaussian(x)
    split = ancestral_split(context)
    for step in range(len(sigmas) - 1):
        sigma, sigma_next = sigmas[step], sigmas[step + 1]
        denoised = denoise(model, x, sigma)
        context.report(step, denoised, x)
        if sigma_next == 0:
            x = denoised
            continue
        parts = split(sigma, sigma_next, eta)
        middle = _middle(context, sigma, parts.down)
        denoised = denoise(model, blend(x, denoised, middle / sigma), middle)
        x = blend(x, denoised, parts.down / sigma) * parts.scale
        if eta > 0:
            x = x + draw(sigma, sigma_next) * s_noise * parts.up
    return x


def dpmpp_2s_ancestral_cfg_pp(
    model: Denoiser, x: Tensor, sigmas: Tensor, context: SamplerContext, *, eta: float = 1.0, s_noise: float = 1.0
) -> Tensor:
    """The same, renoised with the latest unconditional prediction; always in variance-exploding form."""
    draw = context.gaussian(x)
    for step in range(len(sigmas) - 1):
        sigma, sigma_next = sigmas[step], sigmas[step + 1]
        denoised, unconditional = denoise_pair(model, x, sigma)
        context.report(step, denoised, x)
        if sigma_next == 0:
            x = denoised
            continue
        parts = ancestral_step(sigma, sigma_next, eta)
        middle = (sigma * parts.down).sqrt()
        halfway = blend(x, denoised, middle / sigma) + (denoised - unconditional) * (middle / sigma)
        second, unconditional = denoise_pair(model, halfway, middle)
        ratio = parts.down / sigma
        x = blend(x, second, ratio) + (denoised - unconditional) * ratio
        x = x + draw(sigma, sigma_next) * s_noise * parts.up
    return x


def _middle(context: SamplerContext, sigma: Tensor, down: Tensor) -> Tensor:
    """The level halfway in half log SNR."""
    prediction = context.parameterization.prediction
    if prediction.flow and sigma == 1:
        # Pure noise has no finite half log SNR; the stage is put just behind it.
        return torch.full_like(sigma, NEARLY_ONE)
    return prediction.sigma_at((prediction.half_log_snr(sigma) + prediction.half_log_snr(down)) / 2)
