"""Noise levels from numbers alone: float32 [steps + 1], descending, the last 0 where nothing else is said."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from ..errors import UnusableInput

FEW_TOKENS, MANY_TOKENS = 1024, 4096


def closed(sigmas: Tensor) -> Tensor:
    """With a 0 behind them."""
    return torch.cat([sigmas, sigmas.new_zeros(1)])


def karras(steps: int, highest: float, lowest: float, rho: float) -> Tensor:
    """Even in sigma^(1/rho) (Karras et al. 2022, eq. 5). Raises `UnusableInput` for a rho of 0."""
    if rho == 0:
        raise UnusableInput("input 'rho' is 0", "Choose a number above 0; 7 is usual")
    start, end = highest ** (1 / rho), lowest ** (1 / rho)
    return closed((start + torch.linspace(0, 1, steps) * (end - start)) ** rho)


def polyexponential(steps: int, highest: float, lowest: float, rho: float) -> Tensor:
    """A power `rho` of even steps in log sigma. Raises `UnusableInput` for a level of 0."""
    if highest <= 0 or lowest <= 0:
        raise UnusableInput("input 'sigma_max' or 'sigma_min' is 0", "Choose levels above 0")
    start, end = math.log(highest), math.log(lowest)
    return closed((torch.linspace(1, 0, steps) ** rho * (start - end) + end).exp())


def laplace(steps: int, highest: float, lowest: float, mu: float, beta: float) -> Tensor:
    """Quantiles of a Laplace distribution of log sigma (Hang et al. 2024), cut at both ends; not closed by 0."""
    offset = 0.5 - torch.linspace(0, 1, steps)
    log_sigma = mu - beta * offset.sign() * (1 - 2 * offset.abs() + 1e-5).log()
    return log_sigma.exp().clamp(lowest, highest)


def variance_preserving(steps: int, beta_d: float, beta_min: float, last_time: float) -> Tensor:
    """The continuous variance-preserving schedule (Song et al. 2021; Karras et al. 2022, table 1)."""
    time = torch.linspace(1, last_time, steps)
    return closed(torch.expm1(beta_d * time**2 / 2 + beta_min * time).sqrt())


def shifted(steps: int, tokens: int, shifts: tuple[float, float], terminal: float | None) -> Tensor:
    """Even times of a flow, shifted the more the larger the latent (Esser et al. 2024, sec. 5.3.2).

    `shifts` are those for 1024 and for 4096 tokens, linear between and beyond. With `terminal` the levels are stretched
    so that the last above 0 is that.
    """
    base, most = shifts
    slope = (most - base) / (MANY_TOKENS - FEW_TOKENS)
    factor = math.exp(base + slope * (tokens - FEW_TOKENS))
    times = torch.linspace(1.0, 0.0, steps + 1)[:-1]
    sigmas = factor / (factor + (1 / times - 1))
    if terminal is not None:
        cleared = 1.0 - sigmas
        sigmas = 1.0 - cleared / (cleared[-1] / (1.0 - terminal))
    return closed(sigmas)
