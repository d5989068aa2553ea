"""ComfyUI's `comfy.k_diffusion.sampling`: solvers as functions, and what they are made of."""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor

from limner.comfy.shims.objects.samplers import comfy_function
from limner.diffusion.samplers import SAMPLERS
from limner.diffusion.samplers.brownian import BrownianNoise

__all__ = ["math", "torch"]


class BrownianTreeNoiseSampler:
    """Increments of a Brownian path between two levels."""

    def __init__(
        self, x: Tensor, sigma_min: Any, sigma_max: Any, seed: Any = None, transform: Any = None, cpu: bool = False
    ) -> None:
        self.transform = transform or (lambda sigma: sigma)
        low, high = (self.transform(torch.as_tensor(sigma)) for sigma in (sigma_min, sigma_max))
        self._noise = BrownianNoise(x, low, high, 0 if seed is None else int(seed), on_cpu=cpu)

    def __call__(self, sigma: Any, sigma_next: Any) -> Tensor:
        start, end = (self.transform(torch.as_tensor(level)) for level in (sigma, sigma_next))
        return self._noise(start, end)


def append_zero(x: Tensor) -> Tensor:
    return torch.cat([x, x.new_zeros(1)])


def append_dims(x: Tensor, target_dims: int) -> Tensor:
    return x.reshape(*x.shape, *[1] * (target_dims - x.ndim))


def to_d(x: Tensor, sigma: Tensor, denoised: Tensor) -> Tensor:
    """The slope of the trajectory: (x - denoised) / sigma."""
    return (x - denoised) / append_dims(sigma, x.ndim)


def get_ancestral_step(sigma_from: Any, sigma_to: Any, eta: float = 1.0) -> tuple[Any, Any]:
    """(down, up): the level to go down to, and the deviation of the noise to add."""
    if not eta:
        return sigma_to, 0.0
    up = min(sigma_to, eta * (sigma_to**2 * (sigma_from**2 - sigma_to**2) / sigma_from**2) ** 0.5)
    return (sigma_to**2 - up**2) ** 0.5, up


def default_noise_sampler(x: Tensor, seed: int | None = None) -> Any:
    """Gaussian noise of a seed, or of torch's generator where there is none."""
    generator = None if seed is None else torch.Generator(x.device).manual_seed(seed)

    def draw(sigma: Any, sigma_next: Any) -> Tensor:
        return torch.randn(x.size(), dtype=x.dtype, layout=x.layout, device=x.device, generator=generator)

    return draw


def get_sigmas_karras(n: int, sigma_min: float, sigma_max: float, rho: float = 7.0, device: Any = "cpu") -> Tensor:
    """Even in `sigma^(1/rho)` (Karras et al. 2022, eq. 5)."""
    low, high = sigma_min ** (1 / rho), sigma_max ** (1 / rho)
    return append_zero((high + torch.linspace(0, 1, n) * (low - high)) ** rho).to(device)


def get_sigmas_exponential(n: int, sigma_min: float, sigma_max: float, device: Any = "cpu") -> Tensor:
    """Even in the logarithm."""
    return append_zero(torch.linspace(math.log(sigma_max), math.log(sigma_min), n).exp()).to(device)


def get_sigmas_polyexponential(
    n: int, sigma_min: float, sigma_max: float, rho: float = 1.0, device: Any = "cpu"
) -> Tensor:
    """A polynomial in the logarithm."""
    ramp = torch.linspace(1, 0, n) ** rho
    low, high = math.log(sigma_min), math.log(sigma_max)
    return append_zero((ramp * (high - low) + low).exp()).to(device)


def __getattr__(name: str) -> Any:
    """`sample_euler` and its like."""
    solver = name.removeprefix("sample_")
    if solver != name and solver in SAMPLERS:
        function = comfy_function(solver)
        globals()[name] = function
        return function
    raise AttributeError(f"module 'comfy.k_diffusion.sampling' has no attribute {name!r}")
