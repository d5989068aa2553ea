"""DPM-Solver++ as a single-step solver of the diffusion SDE.

Lu et al. 2022, "DPM-Solver++", arXiv:2211.01095, algorithm 1, made stochastic by k-diffusion: each of the two stages
goes down to an ancestral level and is renoised with increments of one Brownian path.
"""

from torch import Tensor

from limner.diffusion.samplers.base import Denoiser, SamplerContext, ancestral_step, blend, denoise


def dpmpp_sde(
    model: Denoiser,
    x: Tensor,
    sigmas: Tensor,
    context: SamplerContext,
    *,
    eta: float = 1.0,
    s_noise: float = 1.0,
    r: float = 1 / 2,
    noise_on_cpu: bool = True,
) -> Tensor:
    """Second order, stochastic, two model calls a step (one on the step to 0).

    `eta` is the share of the noise that is renewed, `s_noise` scales it; the stage lies at the share `r` of a step in
    half log SNR. Works on `x / alpha`, in which the level is `sigma / alpha`.
    """
    if len(sigmas) < 2:
        return x
    prediction = context.parameterization.prediction
    draw = context.brownian(x, sigmas, on_cpu=noise_on_cpu)
    sigmas = context.within_snr(sigmas)

    def advance(x: Tensor, denoised: Tensor, sigma: Tensor, target: Tensor) -> Tensor:
        level, target_level = ((-prediction.half_log_snr(value)).exp() for value in (sigma, target))
        parts = ancestral_step(level, target_level, eta)
        moved = blend(x * (level / sigma), denoised, parts.down / level)
        if eta > 0 and s_noise > 0:
            moved = moved + draw(sigma, target) * s_noise * parts.up
        return moved * (target / target_level)

    for step in range(len(sigmas) - 1):
        sigma, sigma_next = sigmas[step], sigmas[step + 1]
        denoised = denoise(model, x, sigma)
        context.report(step, denoised, x)
        if sigma_next == 0:
            x = denoised
            continue
        start, end = prediction.half_log_snr(sigma), prediction.half_log_snr(sigma_next)
        middle = prediction.sigma_at(start + r * (end - start))
        second = denoise(model, advance(x, denoised, sigma, middle), middle)
        x = advance(x, denoised + (second - denoised) / (2 * r), sigma, sigma_next)
    return x


def dpmpp_sde_gpu(
    model: Denoiser,
    x: Tensor,
    sigmas: Tensor,
    context: SamplerContext,
    *,
    eta: float = 1.0,
    s_noise: float = 1.0,
    r: float = 1 / 2,
) -> Tensor:
    """`dpmpp_sde` with its noise drawn on the device of x: faster there, other numbers than the CPU's."""
    return dpmpp_sde(model, x, sigmas, context, eta=eta, s_noise=s_noise, r=r, noise_on_cpu=False)
