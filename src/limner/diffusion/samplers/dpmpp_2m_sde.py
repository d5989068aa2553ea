"""DPM-Solver++(2M) for the diffusion SDE.

Lu et al. 2022, "DPM-Solver++", arXiv:2211.01095 (there SDE-DPM-Solver++(2M)), with `eta` between the ODE (0) and
the SDE of the paper (1). The noise is a Brownian path's increments.
"""

from typing import Literal

from torch import Tensor

from limner.diffusion.samplers.base import Denoiser, SamplerContext, denoise

SolverType = Literal["midpoint", "heun"]


def dpmpp_2m_sde(
    model: Denoiser,
    x: Tensor,
    sigmas: Tensor,
    context: SamplerContext,
    *,
    eta: float = 1.0,
    s_noise: float = 1.0,
    solver_type: SolverType = "midpoint",
    noise_on_cpu: bool = True,
) -> Tensor:
    """Second order, multistep, stochastic, one model call a step.

    `solver_type` says how the change between predictions enters: by the midpoint rule, or with the exact integral of
    its linear extrapolation (`heun`). Raises ValueError for another.
    """
    if solver_type not in ("midpoint", "heun"):
        raise ValueError(f"solver_type is 'midpoint' or 'heun', not {solver_type!r}")
    if len(sigmas) < 2:
        return x
    draw = context.brownian(x, sigmas, on_cpu=noise_on_cpu)
    sigmas = context.within_snr(sigmas)
    times = context.parameterization.prediction.half_log_snr(sigmas)
    previous: Tensor | None = None
    for step in range(len(sigmas) - 1):
        sigma, sigma_next = sigmas[step], sigmas[step + 1]
        denoised = denoise(model, x, sigma)
        context.report(step, denoised, x)
        if sigma_next == 0:
            x = denoised
            continue
        h = times[step + 1] - times[step]
        alpha_next = sigma_next * times[step + 1].exp()
        decay = -(-h * (1 + eta)).expm1()
        x = sigma_next / sigma * (-h * eta).exp() * x + alpha_next * decay * denoised
        if previous is not None:
            change = (denoised - previous) * (h / (times[step] - times[step - 1]))
            weight = decay / 2 if solver_type == "midpoint" else 1 - decay / (h * (1 + eta))
            x = x + alpha_next * weight * change
        if eta > 0 and s_noise > 0:
            x = x + draw(sigma, sigma_next) * sigma_next * (-(-2 * h * eta).expm1()).sqrt() * s_noise
        previous = denoised
    return x


def dpmpp_2m_sde_gpu(
    model: Denoiser,
    x: Tensor,
    sigmas: Tensor,
    context: SamplerContext,
    *,
    eta: float = 1.0,
    s_noise: float = 1.0,
    solver_type: SolverType = "midpoint",
) -> Tensor:
    """`dpmpp_2m_sde` with its noise drawn on the device of x."""
    return dpmpp_2m_sde(
        model, x, sigmas, context, eta=eta, s_noise=s_noise, solver_type=solver_type, noise_on_cpu=False
    )


def dpmpp_2m_sde_heun(
    model: Denoiser,
    x: Tensor,
    sigmas: Tensor,
    context: SamplerContext,
    *,
    eta: float = 1.0,
    s_noise: float = 1.0,
    noise_on_cpu: bool = True,
) -> Tensor:
    """`dpmpp_2m_sde` of solver type `heun`."""
    return dpmpp_2m_sde(
        model, x, sigmas, context, eta=eta, s_noise=s_noise, solver_type="heun", noise_on_cpu=noise_on_cpu
    )


def dpmpp_2m_sde_heun_gpu(
    model: Denoiser, x: Tensor, sigmas: Tensor, context: SamplerContext, *, eta: float = 1.0, s_noise: float = 1.0
) -> Tensor:
    """`dpmpp_2m_sde_heun` with its noise drawn on the device of x."""
    return dpmpp_2m_sde_heun(model, x, sigmas, context, eta=eta, s_noise=s_noise, noise_on_cpu=False)
