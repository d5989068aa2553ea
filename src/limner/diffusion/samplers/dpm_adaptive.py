"""DPM-Solver-12 and DPM-Solver-23: step sizes chosen by comparing two orders.

Lu et al. 2022, arXiv:2206.00927, appendix C, for the solver; Soderlind 2003, "Digital filters in adaptive
time-stepping", for the controller of step sizes.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field

import torch
from torch import Tensor

from limner.diffusion.samplers.base import Denoiser, SamplerContext, ancestral_step
from limner.diffusion.samplers.dpm_fast import lowest_positive
from limner.diffusion.samplers.dpm_solver import DpmStep, level

DONE_WITHIN = 1e-5


def dpm_adaptive(
    model: Denoiser,
    x: Tensor,
    sigmas: Tensor,
    context: SamplerContext,
    *,
    order: int = 3,
    rtol: float = 0.05,
    atol: float = 0.0078,
    h_init: float = 0.05,
    pcoeff: float = 0.0,
    icoeff: float = 1.0,
    dcoeff: float = 0.0,
    accept_safety: float = 0.81,
    eta: float = 0.0,
    s_noise: float = 1.0,
) -> Tensor:
    """From the first sigma to the last that is not 0 in as many steps as the tolerances ask for.

    Of `sigmas` only the two ends are used. `order` is 2 or 3; a step of half log SNR `h` (first `h_init`) is accepted
    if the two orders differ by no more than about `max(atol, rtol * |x|)` per element in the root mean square.
    `pcoeff`, `icoeff`, `dcoeff` are the controller's gains; a step whose size would shrink below `accept_safety` of
    itself is tried again.

    Raises ValueError for another order.
    """
    if order not in (2, 3):
        raise ValueError(f"dpm_adaptive is of order 2 or 3, not {order}")
    if len(sigmas) < 2:
        return x
    draw = context.gaussian(x)
    t, end = -sigmas[0].log(), -lowest_positive(sigmas).log()
    control = StepControl(abs(h_init), (pcoeff, icoeff, dcoeff), 1.5 if eta else order, accept_safety)
    previous, tried = x, 0
    while t < end - DONE_WITHIN:
        t_next = torch.minimum(end, t + control.h)
        down = torch.minimum(end, -ancestral_step(level(t), level(t_next), eta).down.log()) if eta else t_next
        step = DpmStep(model, x, t)
        low, high = _two_orders(step, down, order)
        tolerance = (rtol * torch.maximum(low.abs(), previous.abs())).clamp(min=atol)
        error = torch.linalg.norm((low - high) / tolerance) / math.sqrt(x.numel())
        if control.accepts(float(error)):
            previous, x = low, high
            if eta:
                up = (level(t_next) ** 2 - level(down) ** 2).clamp(min=0).sqrt()
                x = x + draw(level(t), level(t_next)) * s_noise * up
            t = t_next
        context.report(tried, step.denoised, x)
        tried += 1
    return x


def _two_orders(step: DpmStep, target: Tensor, order: int) -> tuple[Tensor, Tensor]:
    """The step in the order below and in `order`, sharing their model calls."""
    if order == 2:
        return step.first_order(target), step.second_order(target)
    return step.second_order(target, r1=1 / 3), step.third_order(target)


@dataclass
class StepControl:
    """A PID controller of the step size `h`: it aims at an error of 1."""

    h: float
    gains: tuple[float, float, float]
    order: float
    accept_safety: float
    _accuracies: list[float] = field(default_factory=list)

    def accepts(self, error: float) -> bool:
        """Whether a step with this error stands; `h` becomes the size to try next."""
        accuracy = 1 / (error + 1e-8)
        past = self._accuracies or [accuracy, accuracy]
        proportional, integral, derivative = self.gains
        exponents = (proportional + integral + derivative, -(proportional + 2 * derivative), derivative)
        factor = math.prod(
            value ** (exponent / self.order) for value, exponent in zip([accuracy, *past], exponents, strict=True)
        )
        # Bounded growth and shrinkage, smooth around 1.
        factor = 1 + math.atan(factor - 1)
        accepted = factor >= self.accept_safety
        self._accuracies = [accuracy, past[0]] if accepted else past
        self.h *= factor
        return accepted
