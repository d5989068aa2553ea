"""A denoiser that is known in closed form: the posterior mean of Gaussian data, and the recorded figures for it."""

import json
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from limner.diffusion.parameterization import (
    DiscreteSigmas,
    Epsilon,
    Flow,
    FlowSigmas,
    Parameterization,
    Velocity,
)

SHAPE = (2, 4, 8, 8)
VARIANCE = 0.25
FIGURES = Path(__file__).parents[2] / "fixtures" / "samplers.json"


def figures() -> dict[str, Any]:
    """What ComfyUI 0.3.64 computed; its `about` says how."""
    loaded: dict[str, Any] = json.loads(FIGURES.read_text())
    return loaded


def parameterizations() -> dict[str, Parameterization]:
    table = DiscreteSigmas.stable_diffusion()
    return {
        "eps": Parameterization(table, Epsilon()),
        "v": Parameterization(table, Velocity()),
        "flow3": Parameterization(FlowSigmas(shift=3.0), Flow()),
        "flux": Parameterization(FlowSigmas.flux(1.15), Flow()),
    }


class Gaussian:
    """Data of mean `mu` and variance 0.25; the unconditional prediction moves a tenth less far from the mean."""

    def __init__(self) -> None:
        self.mu = torch.randn(SHAPE, generator=torch.Generator().manual_seed(1234)) * 0.5
        self.calls = 0
        self.seen: list[Tensor] = []

    def __call__(self, x: Tensor, sigma: Tensor) -> Tensor:
        return self.pair(x, sigma)[0]

    def pair(self, x: Tensor, sigma: Tensor) -> tuple[Tensor, Tensor]:
        assert sigma.shape == (x.shape[0],)
        self.calls += 1
        self.seen.append(x)
        kept = VARIANCE / (VARIANCE + sigma.view(-1, 1, 1, 1).square())
        move = kept * (x - self.mu)
        return self.mu + move, self.mu + move * 0.9


class Plain:
    """A denoiser without `pair`."""

    def __init__(self, model: Gaussian) -> None:
        self.model = model

    def __call__(self, x: Tensor, sigma: Tensor) -> Tensor:
        return self.model(x, sigma)


def noise(seed: int = 42) -> Tensor:
    return torch.randn(SHAPE, generator=torch.Generator().manual_seed(seed))
