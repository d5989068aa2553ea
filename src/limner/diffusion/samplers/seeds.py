"""SEEDS: stochastic exponential derivative-free solvers, of two and of three stages.

Gonzalez et al. 2023, "SEEDS: Exponential SDE Solvers for Fast High-Quality Sampling from Diffusion Models",
arXiv:2305.14267, for data prediction. The noises of a step's stages are values of one process
`z`, which decays by `e^(-eta d)` over a stretch `d` of half log SNR and gains fresh noise of the variance it lost.
"""

from __future__ import annotations

import torch
from torch import Tensor

from limner.diffusion.samplers.base import Denoiser, NoiseSampler, SamplerContext, denoise


def seeds_2(
    model: Denoiser,
    x: Tensor,
    sigmas: Tensor,
    context: SamplerContext,
    *,
    eta: float = 1.0,
    s_noise: float = 1.0,
    r: float = 0.5,
) -> Tensor:
    """Second order, stochastic, two model calls a step (one on the step to 0).

    `eta` is the strength of the SDE's noise, `s_noise` scales it; the stage lies at the share `r` of a step.
    """
    draw = context.gaussian(x)
    sigmas = context.within_snr(sigmas)
    for step in range(len(sigmas) - 1):
        denoised = denoise(model, x, sigmas[step])
        context.report(step, denoised, x)
        if sigmas[step + 1] == 0:
            x = denoised
            continue
        stages = _Step(context, x, sigmas[step : step + 2], draw, eta=eta, s_noise=s_noise)
        middle = stages.reach(r, -torch.expm1(-r * stages.h_eta) * denoised)
        second = denoise(model, middle, stages.sigma)
        target = denoised + (second - denoised) / (2 * r)
        x = stages.reach(1.0, -torch.expm1(-stages.h_eta) * target)
    return x


def seeds_3(
    model: Denoiser,
    x: Tensor,
    sigmas: Tensor,
    context: SamplerContext,
    *,
    eta: float = 1.0,
    s_noise: float = 1.0,
    r_1: float = 1 / 3,
    r_2: float = 2 / 3,
) -> Tensor:
    """Third order, three model calls a step (one on the step to 0); stages at the shares `r_1` and `r_2`."""
    draw = context.gaussian(x)
    sigmas = context.within_snr(sigmas)
    for step in range(len(sigmas) - 1):
        denoised = denoise(model, x, sigmas[step])
        context.report(step, denoised, x)
        if sigmas[step + 1] == 0:
            x = denoised
            continue
        stages = _Step(context, x, sigmas[step : step + 2], draw, eta=eta, s_noise=s_noise)
        h = stages.h_eta
        middle = stages.reach(r_1, -torch.expm1(-r_1 * h) * denoised)
        second = denoise(model, middle, stages.sigma)
        change = (second - denoised) * (r_2 / r_1)
        middle = stages.reach(r_2, -torch.expm1(-r_2 * h) * denoised + _ramp(r_2 * h) * change)
        third = denoise(model, middle, stages.sigma)
        x = stages.reach(1.0, -torch.expm1(-h) * denoised + _ramp(h) * (third - denoised) / r_2)
    return x


def _ramp(h: Tensor) -> Tensor:
    """`1 - (1 - e^-h) / h`: the exact weight of a prediction that changes linearly over the step."""
    return 1 + torch.expm1(-h) / h


class _Step:
    """One step's start, and the noise process along it. `sigma` is the level last reached."""

    def __init__(
        self, context: SamplerContext, x: Tensor, ends: Tensor, draw: NoiseSampler, *, eta: float, s_noise: float
    ) -> None:
        self._prediction = context.parameterization.prediction
        times = self._prediction.half_log_snr(ends)
        self._start, self._h = times[0], times[1] - times[0]
        self._x, self._sigma_start, self._sigma_end = x, ends[0], ends[1]
        self._eta, self._s_noise, self._draw = eta, s_noise, draw
        self._share, self._noise = 0.0, torch.zeros_like(x)
        self.h_eta = self._h * (1 + eta)
        self.sigma = self._sigma_start

    def reach(self, share: float, contribution: Tensor) -> Tensor:
        """x at a share of the step, to which the predictions contribute so much (in units of alpha)."""
        time = self._start + share * self._h
        sigma = self._sigma_end if share == 1 else self._prediction.sigma_at(time)
        alpha = sigma * time.exp()
        x = sigma / self._sigma_start * (-share * self._h * self._eta).exp() * self._x + alpha * contribution
        if self._eta > 0 and self._s_noise > 0:
            stretch = (share - self._share) * self._h * self._eta
            fresh = self._draw(self.sigma, sigma) * (-torch.expm1(-2 * stretch)).sqrt()
            self._noise = self._noise * (-stretch).exp() + fresh
            x = x + self._noise * sigma * self._s_noise
        self.sigma, self._share = sigma, share
        return x
