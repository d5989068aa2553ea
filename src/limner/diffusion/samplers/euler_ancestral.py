"""Euler's method with noise renewed at every step.

Karras et al. 2022 (arXiv:2206.00364) for the step, Song et al. 2020 (arXiv:2010.02502, eq. 16) for the split into a
step down and noise; rectified flow splits as in `base.ancestral_flow_step`.
"""

from torch import Tensor

from limner.diffusion.samplers.base import Denoiser, SamplerContext, ancestral_split, blend, denoise


def euler_ancestral(
    model: Denoiser, x: Tensor, sigmas: Tensor, context: SamplerContext, *, eta: float = 1.0, s_noise: float = 1.0
) -> Tensor:
    """First order, stochastic, one model call a step.

    `eta` is the share of the noise that is renewed (0: `euler`), `s_noise` scales it.
    """
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
        x = blend(x, denoised, parts.down / sigma) * parts.scale
        if eta > 0:
            x = x + draw(sigma, sigma_next) * s_noise * parts.up
    return x
