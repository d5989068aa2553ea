"""Menu `sampling/custom_sampling/schedulers`: the noise levels to visit."""

from __future__ import annotations

import math
from typing import Annotated

import torch

from limner.diffusion.schedules import SCHEDULERS, schedule
from limner.diffusion.schedules import beta as beta_schedule
from limner.sdk import Bool, Choice, Float, Int, Latent, Model, NodeContext, Presence, Sigmas, node

from ...origin import required
from ...tensors import sigmas as levels

MODULE = "comfy_extras.nodes_custom_sampler"
CATEGORY = "sampling/custom_sampling/schedulers"
Steps = Annotated[int, Int(default=20, min=1, max=10000)]
SigmaMax = Annotated[float, Float(default=14.614642, min=0.0, max=5000.0, step=0.01, round=False)]
SigmaMin = Annotated[float, Float(default=0.0291675, min=0.0, max=5000.0, step=0.01, round=False)]


@node(type="BasicScheduler", title="BasicScheduler", category=CATEGORY, module=MODULE, lane="cpu")
def basic(
    model: Model,
    scheduler: Annotated[str, Choice(*SCHEDULERS)],
    steps: Steps,
    denoise: Annotated[float, Float(default=1.0, min=0.0, max=1.0, step=0.01)],
    context: NodeContext,
) -> Sigmas:
    """The levels of a scheduler by name, for a model; below a denoise of 1 only the last of more steps."""
    if denoise <= 0:
        return torch.empty(0)
    space = required(model, "model", "MODEL", context).parameterization.space
    total = steps if denoise >= 1 else int(steps / denoise)
    return schedule(scheduler, space, total)[-(steps + 1) :]


@node(type="KarrasScheduler", title="KarrasScheduler", category=CATEGORY, module=MODULE, lane="cpu")
def karras(
    steps: Steps,
    sigma_max: SigmaMax,
    sigma_min: SigmaMin,
    rho: Annotated[float, Float(default=7.0, min=0.0, max=100.0, step=0.01, round=False)],
) -> Sigmas:
    """Even in sigma^(1/rho) (Karras et al. 2022)."""
    return levels.karras(steps, sigma_max, sigma_min, rho)


@node(type="ExponentialScheduler", title="ExponentialScheduler", category=CATEGORY, module=MODULE, lane="cpu")
def exponential(steps: Steps, sigma_max: SigmaMax, sigma_min: SigmaMin) -> Sigmas:
    """Even in the logarithm of sigma."""
    return levels.polyexponential(steps, sigma_max, sigma_min, 1.0)


@node(type="PolyexponentialScheduler", title="PolyexponentialScheduler", category=CATEGORY, module=MODULE, lane="cpu")
def polyexponential(
    steps: Steps,
    sigma_max: SigmaMax,
    sigma_min: SigmaMin,
    rho: Annotated[float, Float(default=1.0, min=0.0, max=100.0, step=0.01, round=False)],
) -> Sigmas:
    """A power `rho` of even steps in the logarithm of sigma."""
    return levels.polyexponential(steps, sigma_max, sigma_min, rho)


@node(type="LaplaceScheduler", title="LaplaceScheduler", category=CATEGORY, module=MODULE, lane="cpu")
def laplace(
    steps: Steps,
    sigma_max: SigmaMax,
    sigma_min: SigmaMin,
    mu: Annotated[float, Float(default=0.0, min=-10.0, max=10.0, step=0.1, round=False)],
    beta: Annotated[float, Float(default=0.5, min=0.0, max=10.0, step=0.1, round=False)],
) -> Sigmas:
    """Quantiles of a Laplace distribution of log sigma (Hang et al. 2024)."""
    return levels.laplace(steps, sigma_max, sigma_min, mu, beta)


@node(type="VPScheduler", title="VPScheduler", category=CATEGORY, module=MODULE, lane="cpu")
def variance_preserving(
    steps: Steps,
    beta_d: Annotated[float, Float(default=19.9, min=0.0, max=5000.0, step=0.01, round=False)],
    beta_min: Annotated[float, Float(default=0.1, min=0.0, max=5000.0, step=0.01, round=False)],
    eps_s: Annotated[float, Float(default=0.001, min=0.0, max=1.0, step=0.0001, round=False)],
) -> Sigmas:
    """The continuous variance-preserving schedule (Song et al. 2021)."""
    return levels.variance_preserving(steps, beta_d, beta_min, eps_s)


@node(type="SDTurboScheduler", title="SDTurboScheduler", category=CATEGORY, module=MODULE, lane="cpu")
def sd_turbo(
    model: Model,
    steps: Annotated[int, Int(default=1, min=1, max=10)],
    denoise: Annotated[float, Float(default=1.0, min=0, max=1.0, step=0.01)],
    context: NodeContext,
) -> Sigmas:
    """The ten levels that turbo models know, from a strength downwards."""
    space = required(model, "model", "MODEL", context).parameterization.space
    start = 10 - int(10 * denoise)
    times = (torch.arange(10, 0, -1) * 100 - 1)[start : start + steps]
    return levels.closed(space.sigma(times.float()).cpu())


@node(type="BetaSamplingScheduler", title="BetaSamplingScheduler", category=CATEGORY, module=MODULE, lane="cpu")
def beta(
    model: Model,
    steps: Steps,
    alpha: Annotated[float, Float(default=0.6, min=0.0, max=50.0, step=0.01, round=False)],
    beta: Annotated[float, Float(default=0.6, min=0.0, max=50.0, step=0.01, round=False)],
    context: NodeContext,
) -> Sigmas:
    """Levels at quantiles of a beta distribution (Lee et al. 2024)."""
    space = required(model, "model", "MODEL", context).parameterization.space
    return beta_schedule(space, steps, alpha=alpha, beta=beta)


@node(type="LTXVScheduler", category=CATEGORY, module="comfy_extras.nodes_lt", lane="cpu", v3=True)
def ltxv(
    steps: Steps,
    max_shift: Annotated[float, Float(default=2.05, min=0.0, max=100.0, step=0.01)],
    base_shift: Annotated[float, Float(default=0.95, min=0.0, max=100.0, step=0.01)],
    stretch: Annotated[bool, Bool(default=True, tooltip="Stretch the levels to end at the terminal one.")],
    terminal: Annotated[float, Float(default=0.1, min=0.0, max=0.99, step=0.01, tooltip="The last level above 0.")],
    latent: Annotated[Latent | None, Presence.OPTIONAL] = None,
) -> Sigmas:
    """The levels of LTX-Video: the larger the latent, the longer at high noise."""
    tokens = 4096 if latent is None else math.prod(latent["samples"].shape[2:])
    return levels.shifted(steps, tokens, (base_shift, max_shift), terminal if stretch else None)
