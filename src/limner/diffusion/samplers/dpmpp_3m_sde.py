"""DPM-Solver++(3M) for the diffusion SDE.

The multistep solver of Lu et al. 2022, "DPM-Solver++", arXiv:2211.01095, one order higher, as k-diffusion derived it:
the denoised predictions are interpolated by a parabola over half log SNR, integrated exactly.
"""

from torch import Tensor

from limner.diffusion.samplers.base import Denoiser, SamplerContext, denoise


def dpmpp_3m_sde(
    model: Denoiser,
    x: Tensor,
    sigmas: Tensor,
    context: SamplerContext,
    *,
    eta: float = 1.0,
    s_noise: float = 1.0,
    noise_on_cpu: bool = True,
) -> Tensor:
    """Third order, multistep, stochastic, one model call a step; options as for `dpmpp_2m_sde`."""
    if len(sigmas) < 2:
        return x
    draw = context.brownian(x, sigmas, on_cpu=noise_on_cpu)
    sigmas = context.within_snr(sigmas)
    times = context.parameterization.prediction.half_log_snr(sigmas)
    past: list[Tensor] = []
    for step in range(len(sigmas) - 1):
        sigma, sigma_next = sigmas[step], sigmas[step + 1]
        denoised = denoise(model, x, sigma)
        context.report(step, denoised, x)
        if sigma_next == 0:
            x = denoised
            continue
        past = [denoised, *past][:3]
        h = times[step + 1] - times[step]
        h_eta = h * (1 + eta)
        alpha_next = sigma_next * times[step + 1].exp()
        x = sigma_next / sigma * (-h * eta).exp() * x - alpha_next * (-h_eta).expm1() * denoised
        phi_2 = (-h_eta).expm1() / h_eta + 1
        first, second = _derivatives(past, times[: step + 1], h)
        if first is not None:
            x = x + alpha_next * phi_2 * first
        if second is not None:
            x = x - alpha_next * (phi_2 / h_eta - 0.5) * second
        if eta > 0 and s_noise > 0:
            x = x + draw(sigma, sigma_next) * sigma_next * (-(-2 * h * eta).expm1()).sqrt() * s_noise
    return x


def dpmpp_3m_sde_gpu(
    model: Denoiser, x: Tensor, sigmas: Tensor, context: SamplerContext, *, eta: float = 1.0, s_noise: float = 1.0
) -> Tensor:
    """`dpmpp_3m_sde` with its noise drawn on the device of x."""
    return dpmpp_3m_sde(model, x, sigmas, context, eta=eta, s_noise=s_noise, noise_on_cpu=False)


def _derivatives(past: list[Tensor], times: Tensor, h: Tensor) -> tuple[Tensor | None, Tensor | None]:
    """First and second derivative, per step of length `h`, at the newest of `past` (newest first); None if unknown."""
    if len(past) < 2:
        return None, None
    r0 = (times[-1] - times[-2]) / h
    newer = (past[0] - past[1]) / r0
    if len(past) < 3:
        return newer, None
    r1 = (times[-2] - times[-3]) / h
    older = (past[1] - past[2]) / r1
    second = (newer - older) / (r0 + r1)
    return newer + second * r0, second
