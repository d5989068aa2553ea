"""Schedulers: which sigmas a sampler visits.

Each takes a model's `SigmaSpace` and a number of steps (1 or more) and returns descending sigmas, shape
[about steps + 1], float32 on the CPU, the last of them 0. Most give exactly `steps + 1`; `ddim_uniform` strides the
model's table in whole strides and may give more, `beta` drops repeated levels and may give fewer.

`SCHEDULERS` names them in the order in which user interfaces list them.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from types import MappingProxyType

import numpy as np
import torch
from scipy.special import betaincinv
from torch import Tensor

from limner.diffusion.parameterization import SigmaSpace

Schedule = Callable[[SigmaSpace, int], Tensor]

NEGLIGIBLE = 1e-5
"""A lowest trained level below this already is the clean end: no zero is put behind it."""


def simple(space: SigmaSpace, steps: int) -> Tensor:
    """Evenly spaced entries of the model's table, from its highest level down."""
    stride = len(space.sigmas) / steps
    return _closed([float(space.sigmas[-1 - int(step * stride)]) for step in range(steps)])


def ddim_uniform(space: SigmaSpace, steps: int) -> Tensor:
    """Every n-th table entry upwards from the second (Song et al. 2020, arXiv:2010.02502, sec. 5)."""
    has_clean_end = float(space.sigmas[1]) <= NEGLIGIBLE
    stride = max(len(space.sigmas) // (steps + has_clean_end), 1)
    visited = space.sigmas[1::stride].flip(0)
    return visited.clone() if has_clean_end else torch.cat([visited, visited.new_zeros(1)])


def normal(space: SigmaSpace, steps: int) -> Tensor:
    """Time steps evenly spaced from the highest level to the lowest, both included."""
    start, end = _time_range(space)
    has_clean_end = float(space.sigma(torch.tensor(end))) <= NEGLIGIBLE
    times = torch.linspace(start, end, steps + has_clean_end)
    sigmas = [float(space.sigma(time)) for time in times]
    return torch.tensor(sigmas) if has_clean_end else _closed(sigmas)


def sgm_uniform(space: SigmaSpace, steps: int) -> Tensor:
    """Time steps evenly spaced with the lowest left out, as Stability's generative-models spaces them."""
    start, end = _time_range(space)
    return _closed([float(space.sigma(time)) for time in torch.linspace(start, end, steps + 1)[:-1]])


def karras(space: SigmaSpace, steps: int, *, rho: float = 7.0) -> Tensor:
    """Even in `sigma^(1/rho)` (Karras et al. 2022, arXiv:2206.00364, eq. 5)."""
    low, high = space.sigma_min ** (1 / rho), space.sigma_max ** (1 / rho)
    return _closed_tensor((high + torch.linspace(0, 1, steps) * (low - high)) ** rho)


def exponential(space: SigmaSpace, steps: int) -> Tensor:
    """Even in `log sigma`."""
    return _closed_tensor(torch.linspace(math.log(space.sigma_max), math.log(space.sigma_min), steps).exp())


def beta(space: SigmaSpace, steps: int, *, alpha: float = 0.6, beta: float = 0.6) -> Tensor:
    """Table entries at quantiles of a beta distribution, dense at both ends (Lee et al. 2024, arXiv:2407.12173)."""
    quantiles = betaincinv(alpha, beta, 1 - np.linspace(0, 1, steps, endpoint=False))
    indices = np.rint(quantiles * (len(space.sigmas) - 1)).astype(int)
    distinct = indices[np.insert(np.diff(indices) != 0, 0, True)]
    return _closed([float(space.sigmas[index]) for index in distinct])


def linear_quadratic(space: SigmaSpace, steps: int, *, threshold: float = 0.025) -> Tensor:
    """Half the steps remove the first `threshold` of the noise linearly, the others the rest quadratically.

    The schedule of Movie Gen (Polyak et al. 2024, arXiv:2410.13720) as Mochi made it: the parabola
    continues the line's value and slope at the joint and ends at 1.
    """
    if steps == 1:
        removed = torch.tensor([0.0, 1.0], dtype=torch.float64)
    else:
        linear = steps // 2
        slope = threshold / linear
        rest = steps - linear
        curvature = (1 - threshold - slope * rest) / rest**2
        line = torch.arange(linear, dtype=torch.float64) * slope
        beyond = torch.arange(rest + 1, dtype=torch.float64)
        removed = torch.cat([line, threshold + slope * beyond + curvature * beyond.square()])
        removed[-1] = 1.0
    return (1 - removed).float() * space.sigma_max


def kl_optimal(space: SigmaSpace, steps: int) -> Tensor:
    """Even in `atan sigma` (Sabour et al. 2024, "Align Your Steps", arXiv:2404.14507, theorem 3.1)."""
    share = torch.arange(steps, dtype=torch.float32) / max(steps - 1, 1)
    angle = share * math.atan(space.sigma_min) + (1 - share) * math.atan(space.sigma_max)
    return _closed_tensor(angle.tan())


SCHEDULERS: Mapping[str, Schedule] = MappingProxyType(
    {
        "simple": simple,
        "sgm_uniform": sgm_uniform,
        "karras": karras,
        "exponential": exponential,
        "ddim_uniform": ddim_uniform,
        "beta": beta,
        "normal": normal,
        "linear_quadratic": linear_quadratic,
        "kl_optimal": kl_optimal,
    }
)


def schedule(name: str, space: SigmaSpace, steps: int) -> Tensor:
    """The sigmas of a scheduler by name; see the module's docstring for their form.

    Raises ValueError for an unknown name, naming those there are, and for fewer than one step.
    """
    if name not in SCHEDULERS:
        raise ValueError(f"unknown scheduler {name!r}: choose one of {', '.join(SCHEDULERS)}")
    if steps < 1:
        raise ValueError(f"a schedule has at least 1 step, not {steps}")
    return SCHEDULERS[name](space, steps)


def _time_range(space: SigmaSpace) -> tuple[float, float]:
    ends = torch.tensor([space.sigma_max, space.sigma_min])
    start, end = (float(time) for time in space.timestep(ends))
    return start, end


def _closed(sigmas: list[float]) -> Tensor:
    return torch.tensor([*sigmas, 0.0], dtype=torch.float32)


def _closed_tensor(sigmas: Tensor) -> Tensor:
    return torch.cat([sigmas, sigmas.new_zeros(1)])
