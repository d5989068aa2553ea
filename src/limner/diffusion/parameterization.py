"""How a model's noise levels are numbered, and what its output means.

Two independent halves make a `Parameterization`:

- a `SigmaSpace` says which noise levels (sigmas) the model was trained on and which time step each has: a table
  from betas (Stable Diffusion 1.x, 2.x, XL) or a rectified-flow time shift (Stable Diffusion 3, Flux);
- a `Prediction` says how a noised latent is made, how it enters the network and how the network's output becomes a
  denoised latent.

In sigma space a noised latent is `x = latent + sigma * noise` (variance exploding; Karras et al. 2022,
arXiv:2206.00364, Table 1), whatever scaling the network itself wants; rectified flow interpolates instead,
`x = (1 - sigma) * latent + sigma * noise` (Lipman et al. 2023, arXiv:2210.02747). Both have a scale `alpha` with
`x ~ alpha * latent + sigma * noise`, and the solvers need no more of a model than `alpha / sigma`: its logarithm, the
half log signal-to-noise ratio, is `Prediction.half_log_snr`.

Sigmas are float32 tensors without unit: the standard deviation of the noise relative to a latent of unit scale.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property
from typing import Literal, Protocol

import torch
from torch import Tensor

BetaSchedule = Literal["scaled_linear", "linear"]

UNREACHABLE_SIGMA = 999_999_999.9
"""What `percent_to_sigma(0)` answers for unbounded spaces: above every sigma, so that a range from 0 % holds all."""


class SigmaSpace(Protocol):
    """The noise levels of a model."""

    @property
    def sigmas(self) -> Tensor:
        """All trained levels, shape [levels], float32, ascending."""

    @property
    def sigma_min(self) -> float:
        """The lowest trained level."""

    @property
    def sigma_max(self) -> float:
        """The highest trained level."""

    def timestep(self, sigma: Tensor) -> Tensor:
        """The time step that the network is given for each sigma; any shape, kept."""

    def sigma(self, timestep: Tensor) -> Tensor:
        """The sigma that schedules place at each time step; any shape, kept."""

    def percent_to_sigma(self, percent: float) -> float:
        """The sigma reached after a share of the trained time, 0 (pure noise) to 1 (clean)."""


class Prediction(Protocol):
    """What a network's output means. `sigma` is always of shape [batch], or scalar."""

    @property
    def flow(self) -> bool:
        """Whether noising interpolates (rectified flow) instead of adding."""

    def scale_input(self, x: Tensor, sigma: Tensor) -> Tensor:
        """The noised latent as the network wants it; shape of `x`."""

    def denoised(self, output: Tensor, x: Tensor, sigma: Tensor) -> Tensor:
        """The clean latent that `output`, predicted for the unscaled `x`, implies; shape of `x`."""

    def add_noise(self, latent: Tensor, noise: Tensor, sigma: Tensor, *, max_denoise: bool = False) -> Tensor:
        """`latent` with unit-variance `noise` at level `sigma`; `max_denoise` says that nothing of it should remain."""

    def finish(self, x: Tensor, sigma: Tensor) -> Tensor:
        """Undo the scale that `add_noise` gave the latent, where sampling stopped at `sigma`."""

    def half_log_snr(self, sigma: Tensor) -> Tensor:
        """`log(alpha / sigma)`; any shape."""

    def sigma_at(self, half_log_snr: Tensor) -> Tensor:
        """The inverse of `half_log_snr`."""


@dataclass(frozen=True)
class DiscreteSigmas:
    """The levels of a model trained on discrete time steps.

    `betas` are the variances added per step, shape [steps], float64 in (0, 1);
    `sigma_t = sqrt((1 - abar_t) / abar_t)` with `abar_t = prod_{s <= t} (1 - beta_s)` (Ho et al. 2020,
    arXiv:2006.11239, eq. 4, in the variables of Karras et al. 2022).

    `zero_terminal_snr` shifts the levels so that the last carries no signal (Lin et al. 2023, arXiv:2305.08891,
    algorithm 1).

    Raises ValueError if betas are not one-dimensional or lie outside (0, 1).
    """

    betas: Tensor
    zero_terminal_snr: bool = False

    def __post_init__(self) -> None:
        if self.betas.ndim != 1 or not bool(((self.betas > 0) & (self.betas < 1)).all()):
            raise ValueError(f"betas must be a vector of numbers between 0 and 1, not shape {list(self.betas.shape)}")

    @classmethod
    def stable_diffusion(
        cls,
        schedule: BetaSchedule = "scaled_linear",
        *,
        start: float = 0.00085,
        end: float = 0.012,
        steps: int = 1000,
        zero_terminal_snr: bool = False,
    ) -> DiscreteSigmas:
        """Stable Diffusion's betas: linear in their square roots (`scaled_linear`), or linear."""
        if schedule == "scaled_linear":
            betas = torch.linspace(math.sqrt(start), math.sqrt(end), steps, dtype=torch.float64).square()
        elif schedule == "linear":
            betas = torch.linspace(start, end, steps, dtype=torch.float64)
        else:
            raise ValueError(f"unknown beta schedule {schedule!r}: use 'scaled_linear' or 'linear'")
        return cls(betas, zero_terminal_snr)

    @cached_property
    def _exact_sigmas(self) -> Tensor:
        signal = torch.cumprod(1 - self.betas.double(), dim=0)
        if self.zero_terminal_snr:
            root = signal.sqrt()
            first, last = root[0], root[-1]
            signal = ((root - last) * (first / (first - last))).square()
            # An exact zero would make sigma infinite; this is the smallest signal the field's models are run with.
            signal[-1] = 4.8973451890853435e-08
        return ((1 - signal) / signal).sqrt()

    @cached_property
    def sigmas(self) -> Tensor:
        return self._exact_sigmas.float()

    @cached_property
    def log_sigmas(self) -> Tensor:
        """Natural logarithm of `sigmas`, shape [levels], float32."""
        return self._exact_sigmas.log().float()

    @property
    def sigma_min(self) -> float:
        return float(self.sigmas[0])

    @property
    def sigma_max(self) -> float:
        return float(self.sigmas[-1])

    def timestep(self, sigma: Tensor) -> Tensor:
        """The index whose log sigma is nearest, int64: networks of this kind know whole steps only."""
        distance = sigma.log().to(self.log_sigmas.device).reshape(1, -1) - self.log_sigmas.reshape(-1, 1)
        return distance.abs().argmin(dim=0).reshape(sigma.shape).to(sigma.device)

    def sigma(self, timestep: Tensor) -> Tensor:
        """Linear interpolation of the log sigmas; time steps outside the table are clamped to it."""
        position = timestep.float().to(self.log_sigmas.device).clamp(0, len(self.sigmas) - 1)
        below, above, weight = position.floor().long(), position.ceil().long(), position.frac()
        log_sigma = (1 - weight) * self.log_sigmas[below] + weight * self.log_sigmas[above]
        return log_sigma.exp().to(timestep.device)

    def percent_to_sigma(self, percent: float) -> float:
        if percent <= 0:
            return UNREACHABLE_SIGMA
        if percent >= 1:
            return 0.0
        # 999 whatever the table's length: ranges saved in workflows were made with it.
        return float(self.sigma(torch.tensor((1.0 - percent) * 999.0)))


@dataclass(frozen=True)
class FlowSigmas:
    """The levels of a rectified-flow model: `sigma = shift * t / (1 + (shift - 1) * t)` for t in (0, 1].

    Esser et al. 2024 (arXiv:2403.03206), eq. 23; `shift` above 1 spends more of the time at high noise. The network
    is given `sigma * multiplier`, that is the shifted time, while `sigma` shifts: the two are no inverses of each
    other, and schedules of even time steps shift twice towards their low end, as the field's do. `levels` is the
    length of the table that table-based schedules read.
    """

    shift: float = 1.0
    multiplier: float = 1000.0
    levels: int = 1000

    @classmethod
    def flux(cls, mu: float = 1.15) -> FlowSigmas:
        """Flux's levels: the same shift, given by its logarithm, and time steps from 0 to 1."""
        return cls(shift=math.exp(mu), multiplier=1.0, levels=10_000)

    @cached_property
    def sigmas(self) -> Tensor:
        return self._shifted(torch.arange(1, self.levels + 1) / self.levels)

    @property
    def sigma_min(self) -> float:
        return float(self.sigmas[0])

    @property
    def sigma_max(self) -> float:
        return float(self.sigmas[-1])

    def timestep(self, sigma: Tensor) -> Tensor:
        """`sigma * multiplier`; float32."""
        return sigma * self.multiplier

    def sigma(self, timestep: Tensor) -> Tensor:
        """The shifted level of a time that counts as 1 per `multiplier`."""
        return self._shifted(timestep / self.multiplier)

    def percent_to_sigma(self, percent: float) -> float:
        if percent <= 0:
            return 1.0
        if percent >= 1:
            return 0.0
        time = 1.0 - percent
        return self.shift * time / (1 + (self.shift - 1) * time)

    def _shifted(self, time: Tensor) -> Tensor:
        return self.shift * time / (1 + (self.shift - 1) * time)


@dataclass(frozen=True, slots=True)
class Epsilon:
    """The network predicts the noise: `denoised = x - sigma * output` (Ho et al. 2020)."""

    flow: Literal[False] = False

    def scale_input(self, x: Tensor, sigma: Tensor) -> Tensor:
        return x / (_like(sigma, x).square() + 1).sqrt()

    def denoised(self, output: Tensor, x: Tensor, sigma: Tensor) -> Tensor:
        return x - output * _like(sigma, x)

    def add_noise(self, latent: Tensor, noise: Tensor, sigma: Tensor, *, max_denoise: bool = False) -> Tensor:
        """`latent + sigma * noise`.

        With `max_denoise` the noise gets the standard deviation `sqrt(1 + sigma^2)` that a latent of unit variance
        has at this level: the network expects it, and the latent (often zeros) is not meant to show.
        """
        level = _like(sigma, noise)
        return latent + noise * ((1 + level.square()).sqrt() if max_denoise else level)

    def finish(self, x: Tensor, sigma: Tensor) -> Tensor:
        return x

    def half_log_snr(self, sigma: Tensor) -> Tensor:
        """`-log(sigma)`: alpha is 1."""
        return -sigma.log()

    def sigma_at(self, half_log_snr: Tensor) -> Tensor:
        return (-half_log_snr).exp()


@dataclass(frozen=True, slots=True)
class Velocity(Epsilon):
    """The network predicts `v = (noise - sigma * latent) / sqrt(1 + sigma^2)`.

    Salimans & Ho 2022 (arXiv:2202.00512), appendix D.
    """

    def denoised(self, output: Tensor, x: Tensor, sigma: Tensor) -> Tensor:
        level = _like(sigma, x)
        variance = level.square() + 1
        return x / variance - output * level / variance.sqrt()


@dataclass(frozen=True, slots=True)
class Flow:
    """The network predicts `noise - latent`, and noising interpolates (Liu et al. 2022, arXiv:2209.03003)."""

    flow: Literal[True] = True

    def scale_input(self, x: Tensor, sigma: Tensor) -> Tensor:
        return x

    def denoised(self, output: Tensor, x: Tensor, sigma: Tensor) -> Tensor:
        return x - output * _like(sigma, x)

    def add_noise(self, latent: Tensor, noise: Tensor, sigma: Tensor, *, max_denoise: bool = False) -> Tensor:
        """`sigma * noise + (1 - sigma) * latent`; nothing of the latent is left at sigma 1 in any case."""
        level = _like(sigma, noise)
        return level * noise + (1 - level) * latent

    def finish(self, x: Tensor, sigma: Tensor) -> Tensor:
        """`x / (1 - sigma)`: a latent that still carries noise gets its own scale back."""
        return x / (1 - _like(sigma, x))

    def half_log_snr(self, sigma: Tensor) -> Tensor:
        """`log((1 - sigma) / sigma)`: alpha is `1 - sigma`."""
        return -sigma.logit()

    def sigma_at(self, half_log_snr: Tensor) -> Tensor:
        return (-half_log_snr).sigmoid()


@dataclass(frozen=True)
class Parameterization:
    """A model's noise levels and the meaning of its output."""

    space: SigmaSpace
    prediction: Prediction

    def is_max_denoise(self, sigma: float) -> bool:
        """Whether sampling that starts at `sigma` starts from pure noise."""
        highest = self.space.sigma_max
        return sigma > highest or math.isclose(sigma, highest, rel_tol=1e-5)


def _like(sigma: Tensor, x: Tensor) -> Tensor:
    """`sigma` of shape [batch] or scalar, with the trailing dimensions that broadcast it over `x`."""
    return sigma.reshape(sigma.shape[:1] + (1,) * (x.ndim - 1)) if sigma.ndim else sigma
