"""RES: a refined exponential solver, second-order multistep.

Zhang et al. 2023, "Improved Order Analysis and Design of Exponential Integrator for Diffusion Models Sampling",
arXiv:2308.02157, in its multistep form: plain, ancestral, and each with CFG++ guidance (Chung et al. 2024,
arXiv:2406.08070). Time is `-log(sigma)`.
"""

import torch
from torch import Tensor

from limner.diffusion.samplers.base import Denoiser, SamplerContext, ancestral_step, denoise, denoise_pair, slope


def res_multistep(model: Denoiser, x: Tensor, sigmas: Tensor, context: SamplerContext) -> Tensor:
    """Second order, deterministic, one model call a step."""
    return _solve(model, x, sigmas, context, eta=0.0, s_noise=1.0, cfg_pp=False)


def res_multistep_cfg_pp(model: Denoiser, x: Tensor, sigmas: Tensor, context: SamplerContext) -> Tensor:
    """The same, moving from the unconditional prediction to the guided one."""
    return _solve(model, x, sigmas, context, eta=0.0, s_noise=1.0, cfg_pp=True)


def res_multistep_ancestral(
    model: Denoiser, x: Tensor, sigmas: Tensor, context: SamplerContext, *, eta: float = 1.0, s_noise: float = 1.0
) -> Tensor:
    """The same with noise renewed at every step; options as for `euler_ancestral`."""
    return _solve(model, x, sigmas, context, eta=eta, s_noise=s_noise, cfg_pp=False)


def res_multistep_ancestral_cfg_pp(
    model: Denoiser, x: Tensor, sigmas: Tensor, context: SamplerContext, *, eta: float = 1.0, s_noise: float = 1.0
) -> Tensor:
    """Ancestral, with CFG++ guidance."""
    return _solve(model, x, sigmas, context, eta=eta, s_noise=s_noise, cfg_pp=True)


def _solve(
    model: Denoiser, x: Tensor, sigmas: Tensor, context: SamplerContext, *, eta: float, s_noise: float, cfg_pp: bool
) -> Tensor:
    draw = context.gaussian(x)
    # The last step's prediction, its length, and how far noise had been removed when it ended.
    previous: Tensor | None = None
    previous_down = sigmas[:1]
    for step in range(len(sigmas) - 1):
        sigma, sigma_next = sigmas[step], sigmas[step + 1]
        if cfg_pp:
            denoised, anchor = denoise_pair(model, x, sigma)
        else:
            denoised = anchor = denoise(model, x, sigma)
        context.report(step, denoised, x)
        parts = ancestral_step(sigma, sigma_next, eta)
        reach = (previous_down / sigmas[step - 1]).log() if step else torch.zeros_like(sigma)
        if previous is None or parts.down == 0 or reach == 0:
            x = denoised + slope(x, sigma, anchor) * parts.down
        else:
            x = x + (denoised - anchor)
            x = _second_order(x, anchor, previous, (sigma / parts.down).log(), reach)
        if sigma_next > 0 and eta > 0:
            x = x + draw(sigma, sigma_next) * s_noise * parts.up
        previous, previous_down = anchor, parts.down
    return x


def _second_order(x: Tensor, denoised: Tensor, previous: Tensor, h: Tensor, reach: Tensor) -> Tensor:
    """A step of `h` in time; `reach` (negative) is where `previous` lies, counted from here."""
    if h == 0:
        return x
    phi_1 = -torch.expm1(-h) / h
    phi_2 = (1 - phi_1) / h
    weight = phi_2 * h / reach
    return (-h).exp() * x + h * ((phi_1 - weight) * denoised + weight * previous)
