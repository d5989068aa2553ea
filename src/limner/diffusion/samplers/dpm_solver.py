"""DPM-Solver: single steps of order 1, 2 and 3 in noise prediction.

Lu et al. 2022, "DPM-Solver: A Fast ODE Solver for Diffusion Probabilistic Model Sampling in Around 10 Steps",
arXiv:2206.00927, algorithms 1 and 2, in sigma space (alpha = 1): time is the half log SNR `t = -log(sigma)`, and
`eps(x, t) = (x - denoised) / sigma`.
"""

from __future__ import annotations

import torch
from torch import Tensor

from limner.diffusion.samplers.base import Denoiser, denoise, slope


def level(t: Tensor) -> Tensor:
    """The sigma at a half log SNR."""
    return (-t).exp()


class DpmStep:
    """One step from (x, t), t a scalar, that may be tried with several orders and lengths.

    Predicted noise is kept, so that trying a higher order calls the model only for the stages that are new.
    """

    def __init__(self, model: Denoiser, x: Tensor, t: Tensor) -> None:
        self._model = model
        self._x = x
        self._t = t
        self._known: dict[float, Tensor] = {}
        self.denoised = denoise(model, x, level(t))
        self._eps = slope(x, level(t), self.denoised)

    def first_order(self, t_next: Tensor) -> Tensor:
        """`x - sigma_next (e^h - 1) eps`: DPM-Solver-1, which is DDIM."""
        return self._x - level(t_next) * torch.expm1(t_next - self._t) * self._eps

    def second_order(self, t_next: Tensor, *, r1: float = 1 / 2) -> Tensor:
        """DPM-Solver-2 with its stage at the share `r1` of the step."""
        h = t_next - self._t
        change = self._stage(r1, h, self._along(r1, h)) - self._eps
        return self.first_order(t_next) - level(t_next) / (2 * r1) * torch.expm1(h) * change

    def third_order(self, t_next: Tensor, *, r1: float = 1 / 3, r2: float = 2 / 3) -> Tensor:
        """DPM-Solver-3 with stages at the shares `r1` and `r2` of the step."""
        h = t_next - self._t
        change = self._stage(r1, h, self._along(r1, h)) - self._eps
        second = self._along(r2, h) - level(self._t + r2 * h) * (r2 / r1) * _phi(r2 * h) * change
        change = self._stage(r2, h, second) - self._eps
        return self.first_order(t_next) - level(t_next) / r2 * _phi(h) * change

    def _along(self, share: float, h: Tensor) -> Tensor:
        """`first_order` over a share of `h`; from `h` itself, since a difference of times would lose digits."""
        return self._x - level(self._t + share * h) * torch.expm1(share * h) * self._eps

    def _stage(self, share: float, h: Tensor, x: Tensor) -> Tensor:
        if share not in self._known:
            sigma = level(self._t + share * h)
            self._known[share] = slope(x, sigma, denoise(self._model, x, sigma))
        return self._known[share]


def _phi(h: Tensor) -> Tensor:
    """`(e^h - 1) / h - 1`."""
    return torch.expm1(h) / h - 1
