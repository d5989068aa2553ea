"""SA-Solver: stochastic Adams predictor and corrector.

Xue et al. 2023, "SA-Solver: Stochastic Adams Solver for Fast Sampling of Diffusion Models", arXiv:2309.05019,
algorithm 1 with data prediction; coefficients of eq. 15 and 18. Time is the half log SNR.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from limner.diffusion.samplers.base import Denoiser, SamplerContext, denoise


def sa_solver(
    model: Denoiser,
    x: Tensor,
    sigmas: Tensor,
    context: SamplerContext,
    *,
    eta: float = 1.0,
    sde_start_percent: float = 0.2,
    sde_end_percent: float = 0.8,
    s_noise: float = 1.0,
    predictor_order: int = 3,
    corrector_order: int = 4,
    use_pece: bool = False,
    simple_order_2: bool = False,
) -> Tensor:
    """Predict, evaluate, correct: one model call a step; with `use_pece` the corrected state is evaluated as well.

    Noise of strength `eta` (the paper's tau) is used between the two percentages of the model's time, elsewhere the
    ODE is solved. `corrector_order` 0 leaves correction out; orders fall towards the end, where high ones are
    unstable. `simple_order_2` uses the shorter second-order coefficients of the paper's appendix D.

    Where the levels end above 0, the result is the state at the last of them, uncorrected (ComfyUI 0.3.64 returns
    that of the level before). Raises ValueError for a `predictor_order` below 1.
    """
    if predictor_order < 1:
        raise ValueError(f"predictor_order is 1 or more, not {predictor_order}")
    if len(sigmas) < 2:
        return x
    prediction, space = context.parameterization.prediction, context.parameterization.space
    first_noisy, last_noisy = space.percent_to_sigma(sde_start_percent), space.percent_to_sigma(sde_end_percent)
    draw = context.gaussian(x)
    sigmas = context.within_snr(sigmas)
    path = _Path(sigmas, prediction.half_log_snr(sigmas.double()), simple_order_2)
    predicted, noise, tau = x, torch.zeros_like(x), 0.0
    known: list[Tensor] = []
    for step in range(len(sigmas) - 1):
        sigma_next = sigmas[step + 1]
        denoised = denoise(model, predicted, sigmas[step])
        context.report(step, denoised, predicted)
        known = [*known, denoised][-max(predictor_order, corrector_order, 1) :]
        order = path.order(corrector_order, known, step - 1)
        if step == 0 or order == 0 or (sigma_next == 0 and not use_pece):
            x = predicted
        else:
            x = path.advance(x, step - 1, tau, step, known[-order:]) + noise
            if use_pece:
                denoised = denoise(model, x, sigmas[step])
                known[-1] = denoised
        if sigma_next == 0:
            predicted = denoised
            continue
        tau = eta if first_noisy >= float(sigma_next) >= last_noisy else 0.0
        noise = torch.zeros_like(x)
        if tau > 0 and s_noise > 0:
            noise = draw(sigmas[step], sigma_next) * (path.noise_deviation(step, tau) * s_noise)
        known_here = known[-path.order(predictor_order, known, step) :]
        predicted = path.advance(x, step, tau, step, known_here) + noise
    return predicted


def sa_solver_pece(
    model: Denoiser, x: Tensor, sigmas: Tensor, context: SamplerContext, *, eta: float = 1.0, s_noise: float = 1.0
) -> Tensor:
    """`sa_solver` that evaluates each corrected state too: up to two model calls a step."""
    return sa_solver(model, x, sigmas, context, eta=eta, s_noise=s_noise, use_pece=True)


@dataclass(frozen=True, slots=True)
class _Path:
    """The levels and their times (float64), and moves along them."""

    sigmas: Tensor
    times: Tensor
    simple: bool

    def order(self, wanted: int, known: list[Tensor], step: int) -> int:
        """The order for the step from `step`: as wanted, as far as known, and falling where the path ends at 0."""
        left = len(self.sigmas) - 2 - step
        return min(wanted, len(known), left if self.sigmas[-1] == 0 else wanted)

    def noise_deviation(self, step: int, tau: float) -> float:
        """The standard deviation of what the SDE adds over the step from `step`."""
        decay = torch.expm1(-2 * tau**2 * (self.times[step + 1] - self.times[step]))
        return float(self.sigmas[step + 1] * (-decay).sqrt())

    def advance(self, x: Tensor, step: int, tau: float, newest: int, known: list[Tensor]) -> Tensor:
        """x over the step from `step`, by the polynomial through predictions, the last of them at level `newest`."""
        start, end = self.times[step], self.times[step + 1]
        visited = self.times[newest + 1 - len(known) : newest + 1]
        weigh = _simple_weights if self.simple and len(known) == 2 else adams_weights
        alpha_next = self.sigmas[step + 1].double() * end.exp()
        moved = x * float(self.sigmas[step + 1] / self.sigmas[step] * (-(tau**2) * (end - start)).exp())
        for weight, denoised in zip(weigh(visited, start, end, tau), known, strict=True):
            moved = moved + denoised * float(alpha_next * weight)
        return moved


def adams_weights(visited: Tensor, start: Tensor, end: Tensor, tau: float) -> Tensor:
    """Weights of predictions at the `visited` times, [k] float64, whose interpolating polynomial is integrated.

    Each is the integral of its Lagrange polynomial against `m e^(m (t - end))` with `m = 1 + tau^2`, from `start` to
    `end`. Times count from `start`, which keeps the powers small. The moments follow by parts:
    `I_p = end^p - start^p e^(-m h) - (p / m) I_(p-1)`.
    """
    rate = 1 + tau**2
    h = end - start
    moments = [-torch.expm1(-rate * h)]
    for power in range(1, len(visited)):
        moments.append(h**power - power / rate * moments[-1])
    powers = torch.vander(visited - start, len(visited), increasing=True)
    weights: Tensor = torch.linalg.solve(powers.T, torch.stack(moments))
    return weights


def _simple_weights(visited: Tensor, start: Tensor, end: Tensor, tau: float) -> Tensor:
    rate = 1 + tau**2
    h = end - start
    corrects = bool(visited[-1] == end)
    # The corrector weighs the newer prediction, at the step's end, by half the step; the predictor extrapolates.
    newer = rate * h / 2 if corrects else -torch.expm1(-rate * h) - rate * h**2 / 2 / (visited[0] - start)
    return torch.stack([-torch.expm1(-rate * h) - newer, newer])
