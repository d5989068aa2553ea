"""Gradient estimation: Euler steps along a slope extrapolated from the last one.

Permenter & Yuan 2024, "Interpreting and Improving Diffusion Models from an Optimization Perspective",
arXiv:2306.04848, algorithm 2 with `gamma` = 2; with CFG++ guidance (Chung et al. 2024, arXiv:2406.08070) the slopes
are those of the unconditional prediction.
"""

from torch import Tensor

from limner.diffusion.samplers.base import Denoiser, SamplerContext, denoise, denoise_pair, slope


def gradient_estimation(
    model: Denoiser, x: Tensor, sigmas: Tensor, context: SamplerContext, *, gamma: float = 2.0
) -> Tensor:
    """Second order, multistep, one model call a step; `gamma` 1 is `euler`."""
    return _solve(model, x, sigmas, context, gamma=gamma, cfg_pp=False)


def gradient_estimation_cfg_pp(
    model: Denoiser, x: Tensor, sigmas: Tensor, context: SamplerContext, *, gamma: float = 2.0
) -> Tensor:
    """The same with CFG++ guidance."""
    return _solve(model, x, sigmas, context, gamma=gamma, cfg_pp=True)


def _solve(
    model: Denoiser, x: Tensor, sigmas: Tensor, context: SamplerContext, *, gamma: float, cfg_pp: bool
) -> Tensor:
    previous: Tensor | None = None
    for step in range(len(sigmas) - 1):
        sigma, sigma_next = sigmas[step], sigmas[step + 1]
        if cfg_pp:
            denoised, anchor = denoise_pair(model, x, sigma)
        else:
            denoised = anchor = denoise(model, x, sigma)
        context.report(step, denoised, x)
        direction = slope(x, sigma, anchor)
        x = denoised + direction * sigma_next
        if previous is not None and sigma_next > 0:
            x = x + (gamma - 1) * (direction - previous) * (sigma_next - sigma)
        previous = direction
    return x
