"""UniPC: a unified predictor and corrector, multistep, of up to third order.

Zhao et al. 2023, "UniPC: A Unified Predictor-Corrector Framework for Fast Sampling of Diffusion Models",
arXiv:2302.04867, with data prediction, for both choices of `B(h)`. Written for
`x / alpha`, so that the paper's `sigma_t / alpha_t` is the level.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

from limner.diffusion.samplers.base import Denoiser, SamplerContext, denoise

FINAL_SIGMA = 1e-3
"""Where sampling to 0 ends: log sigma has to be finite."""


def uni_pc(model: Denoiser, x: Tensor, sigmas: Tensor, context: SamplerContext) -> Tensor:
    """`B(h) = h`. One model call a step."""
    return _solve(model, x, sigmas, context, exponential=False)


def uni_pc_bh2(model: Denoiser, x: Tensor, sigmas: Tensor, context: SamplerContext) -> Tensor:
    """`B(h) = e^h - 1`, steadier with few steps. One model call a step."""
    return _solve(model, x, sigmas, context, exponential=True)


def _solve(model: Denoiser, x: Tensor, sigmas: Tensor, context: SamplerContext, *, exponential: bool) -> Tensor:
    """Each step predicts x, evaluates the model there and corrects with that; the last one only predicts.

    A single step is of first order (ComfyUI 0.3.64 returns x as it was).
    """
    steps = len(sigmas) - 1
    if steps < 1:
        return x
    if sigmas[-1] == 0:
        sigmas = torch.cat([sigmas[:-1], sigmas.new_tensor([FINAL_SIGMA])])
    times = _half_log_snr(sigmas).double()
    denoised = denoise(model, x, sigmas[0])
    context.report(0, denoised, x)
    known = [denoised]
    highest = max(1, min(3, steps - 1))
    for target in range(1, steps + 1):
        order = min(target, highest, steps + 1 - target)
        start = times[target - 1]
        update = _Update(x, known[:order], times[target - order : target].flip(0) - start, times[target] - start)
        x = update.predict(exponential)
        if target < steps:
            denoised = denoise(model, x, sigmas[target])
            x = update.correct(denoised, exponential)
            context.report(target, denoised, x)
            known = [denoised, *known][:highest]
    return x


def _half_log_snr(sigmas: Tensor) -> Tensor:
    """`log(alpha / s)` with `alpha = (1 + sigma^2)^(-1/2)` and `s = sqrt(1 - alpha^2)`, in float32.

    That is `-log(sigma)`, but for rounding: near `FINAL_SIGMA` `1 - alpha^2` has few digits left, and the field's
    pictures were made with those.
    """
    log_alpha = 0.5 * (1 / (sigmas.float().square() + 1)).log()
    return log_alpha - 0.5 * (1 - (2 * log_alpha).exp()).log()


class _Update:
    """A step of length `h` from x, given the predictions `known` at `offsets` (newest first, the first at 0)."""

    def __init__(self, x: Tensor, known: list[Tensor], offsets: Tensor, h: Tensor) -> None:
        self._newest = known[0]
        self._h = float(h)
        self._ratios = [float(offset / h) for offset in offsets[1:]]
        self._changes = [(past - known[0]) / ratio for past, ratio in zip(known[1:], self._ratios, strict=True)]
        self._first_order = x * math.exp(-self._h) - known[0] * math.expm1(-self._h)

    def predict(self, exponential: bool) -> Tensor:
        """UniP: from past predictions alone."""
        if not self._changes:
            return self._first_order
        weights = [0.5] if len(self._changes) == 1 else self._weights(self._ratios, exponential)
        return self._combine(weights, self._changes, exponential)

    def correct(self, denoised: Tensor, exponential: bool) -> Tensor:
        """UniC: with the prediction at the step's end as well."""
        weights = self._weights([*self._ratios, 1.0], exponential) if self._ratios else [0.5]
        return self._combine(weights, [*self._changes, denoised - self._newest], exponential)

    def _combine(self, weights: list[float], changes: list[Tensor], exponential: bool) -> Tensor:
        x = self._first_order
        for weight, change in zip(weights, changes, strict=True):
            x = x - change * (self._scale(exponential) * weight)
        return x

    def _scale(self, exponential: bool) -> float:
        return math.expm1(-self._h) if exponential else -self._h

    def _weights(self, ratios: list[float], exponential: bool) -> list[float]:
        """Solve `sum_m a_m r_m^(n-1) = n! phi_(n+1)(-h) (-h) / B(-h)` for n = 1 .. len(ratios)."""
        phi = math.expm1(-self._h) / -self._h - 1
        right, factorial = [], 1
        for power in range(1, len(ratios) + 1):
            right.append(phi * factorial / self._scale(exponential))
            factorial *= power + 1
            phi = phi / -self._h - 1 / factorial
        powers = torch.vander(torch.tensor(ratios, dtype=torch.float64), len(ratios), increasing=True).T
        solution = torch.linalg.solve(powers, torch.tensor(right, dtype=torch.float64))
        return [float(weight) for weight in solution]
