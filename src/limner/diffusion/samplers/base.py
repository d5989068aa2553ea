"""What every solver is given, and the few steps that many share.

A solver is a function `(model, x, sigmas, context, **options) -> x`:

- `model(x, sigma) -> denoised`: x and denoised [batch, ...], sigma [batch] float32;
- `x`: the noised latent at `sigmas[0]`;
- `sigmas`: the levels to visit, [steps + 1], float32, descending, on the CPU so that comparing them costs no
  synchronisation with the device; the last is usually 0;
- `context`: what the solver needs besides, below;
- the result is `x` at `sigmas[-1]`. With fewer than two sigmas nothing is done.

A solver draws its noise from `context` alone and keeps its state in local variables, so its result is a function of
x, sigmas, the seed and what the model answered.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Concatenate, Protocol, runtime_checkable

import torch
from torch import Tensor

from limner.diffusion.parameterization import Parameterization
from limner.diffusion.samplers.brownian import BrownianNoise

NoiseSampler = Callable[[Tensor, Tensor], Tensor]
"""`(sigma, sigma_next) -> unit-variance noise` in the shape of x, for the step between two levels."""

StepCallback = Callable[[int, Tensor, Tensor], None]
"""`(step, denoised, x)`, after the first model call of each step."""


class Denoiser(Protocol):
    """A guided model: the clean latent it sees in a noised one."""

    def __call__(self, x: Tensor, sigma: Tensor, /) -> Tensor:
        """x [batch, ...], sigma [batch] -> denoised, shape of x."""


@runtime_checkable
class PairDenoiser(Protocol):
    """A denoiser that can also tell its unconditional prediction, which the CFG++ solvers need."""

    def pair(self, x: Tensor, sigma: Tensor, /) -> tuple[Tensor, Tensor]:
        """x [batch, ...], sigma [batch] -> (guided denoised, unconditional denoised), shapes of x."""


@dataclass(frozen=True, slots=True)
class SamplerContext:
    """What a solver needs besides model, x and sigmas.

    `seed` (0 .. 2^64 - 1) seeds the noise of stochastic solvers; `noise_sampler` replaces that noise altogether.
    """

    parameterization: Parameterization
    seed: int = 0
    on_step: StepCallback | None = None
    noise_sampler: NoiseSampler | None = None

    def report(self, step: int, denoised: Tensor, x: Tensor) -> None:
        """Tell the listener, if there is one, what step `step` (from 0) saw."""
        if self.on_step is not None:
            self.on_step(step, denoised, x)

    def gaussian(self, x: Tensor) -> NoiseSampler:
        """Independent noise each call, drawn on the device of `x`."""
        if self.noise_sampler is not None:
            return self.noise_sampler
        generator = torch.Generator(x.device).manual_seed(self.seed)

        def draw(sigma: Tensor, sigma_next: Tensor) -> Tensor:
            return torch.randn(x.shape, dtype=x.dtype, device=x.device, generator=generator)

        return draw

    def brownian(self, x: Tensor, sigmas: Tensor, *, on_cpu: bool = True) -> NoiseSampler:
        """Increments of one Brownian path over the levels, so that more steps refine the same picture."""
        if self.noise_sampler is not None:
            return self.noise_sampler
        return BrownianNoise(x, sigmas[sigmas > 0].min(), sigmas.max(), self.seed, on_cpu=on_cpu)

    def within_snr(self, sigmas: Tensor) -> Tensor:
        """`sigmas` with the first moved off pure noise where its half log SNR would be minus infinity (flow, 1)."""
        if not self.parameterization.prediction.flow or len(sigmas) < 2 or float(sigmas[0]) < 1:
            return sigmas
        start = self.parameterization.space.percent_to_sigma(1e-4)
        return torch.cat([sigmas.new_tensor([start]), sigmas[1:]])


Solver = Callable[Concatenate[Denoiser, Tensor, Tensor, SamplerContext, ...], Tensor]


def denoise(model: Denoiser, x: Tensor, sigma: Tensor) -> Tensor:
    """The model's answer at one level for the whole batch."""
    return model(x, sigma.to(x.device).expand(x.shape[0]))


def denoise_pair(model: Denoiser, x: Tensor, sigma: Tensor) -> tuple[Tensor, Tensor]:
    """The model's guided and unconditional answers. Raises TypeError if it cannot tell them apart."""
    return pair_of(model)(x, sigma.to(x.device).expand(x.shape[0]))


def pair_of(model: Denoiser) -> Callable[[Tensor, Tensor], tuple[Tensor, Tensor]]:
    """The model's `pair`. Raises TypeError if it has none."""
    if not isinstance(model, PairDenoiser):
        raise TypeError("CFG++ samplers need a denoiser with `pair(x, sigma) -> (denoised, unconditional)`")
    return model.pair


def slope(x: Tensor, sigma: Tensor, denoised: Tensor) -> Tensor:
    """`dx/dsigma` of the probability-flow ODE: `(x - denoised) / sigma` (Karras et al. 2022, eq. 3)."""
    return (x - denoised) / sigma


def blend(x: Tensor, denoised: Tensor, ratio: Tensor | float) -> Tensor:
    """`ratio * x + (1 - ratio) * denoised`: the exact ODE step to `ratio * sigma` if `denoised` stayed constant."""
    return ratio * x + (1 - ratio) * denoised


@dataclass(frozen=True, slots=True)
class AncestralStep:
    """A step from sigma to sigma_next, split: denoise to `down`, multiply by `scale`, add noise of deviation `up`."""

    down: Tensor
    up: Tensor
    scale: Tensor | float = 1.0


def ancestral_step(sigma: Tensor, sigma_next: Tensor, eta: float) -> AncestralStep:
    """The split under which the noise level ends at sigma_next, with `eta` (0: none, 1: full) of the noise renewed.

    `up^2 = eta^2 * sigma_next^2 * (1 - sigma_next^2 / sigma^2)` and `down^2 + up^2 = sigma_next^2`
    (Song et al. 2020, arXiv:2010.02502, eq. 16, in sigma space).
    """
    if not eta:
        return AncestralStep(sigma_next, torch.zeros_like(sigma_next))
    up = torch.minimum(sigma_next, eta * sigma_next * (1 - (sigma_next / sigma) ** 2) ** 0.5)
    return AncestralStep((sigma_next**2 - up**2) ** 0.5, up)


def ancestral_flow_step(sigma: Tensor, sigma_next: Tensor, eta: float) -> AncestralStep:
    """The same for rectified flow, where the latent's scale `1 - sigma` has to come out right as well.

    `down` lies `eta` of the way from sigma_next to `sigma_next^2 / sigma`; then `scale = (1 - sigma_next) / (1 - down)`
    and `up^2 = sigma_next^2 - (scale * down)^2`.
    """
    down = sigma_next * (1 + (sigma_next / sigma - 1) * eta)
    scale = (1 - sigma_next) / (1 - down)
    return AncestralStep(down, (sigma_next**2 - (scale * down) ** 2).clamp(min=0) ** 0.5, scale)


def ancestral_split(context: SamplerContext) -> Callable[[Tensor, Tensor, float], AncestralStep]:
    """The split that fits how the model's latents are noised."""
    return ancestral_flow_step if context.parameterization.prediction.flow else ancestral_step


@dataclass(frozen=True, slots=True)
class Churn:
    """Noise put back before each step (Karras et al. 2022, algorithm 2): S_churn, S_tmin, S_tmax, S_noise.

    `amount` 0 leaves the solver deterministic; it acts on sigmas from `low` to `high`; `noise` scales what is added.
    """

    amount: float = 0.0
    low: float = 0.0
    high: float = math.inf
    noise: float = 1.0

    def raise_level(
        self, x: Tensor, sigma: Tensor, sigma_next: Tensor, steps: int, draw: NoiseSampler
    ) -> tuple[Tensor, Tensor]:
        """`x` at a level a little above `sigma`, and that level."""
        if self.amount <= 0 or not self.low <= float(sigma) <= self.high:
            return x, sigma
        raised = sigma * (1 + min(self.amount / steps, math.sqrt(2) - 1))
        return x + draw(sigma, sigma_next) * self.noise * (raised**2 - sigma**2) ** 0.5, raised


NO_CHURN = Churn()
