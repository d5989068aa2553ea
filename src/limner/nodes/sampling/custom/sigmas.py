"""Menu `sampling/custom_sampling/sigmas`: changing lists of noise levels."""

from __future__ import annotations

import itertools
import math
from typing import Annotated, Literal

import torch

from limner.sdk import Bool, Float, Int, Model, Named, NodeContext, Options, Sigmas, node

from ...origin import required

MODULE = "comfy_extras.nodes_custom_sampler"
CATEGORY = "sampling/custom_sampling/sigmas"
HighAndLow = tuple[Annotated[Sigmas, Named("high_sigmas")], Annotated[Sigmas, Named("low_sigmas")]]
AFTER_ZERO = 0.0001
"""What a flipped list begins with in place of 0, which no sampler can begin at."""


@node(type="SplitSigmas", title="SplitSigmas", category=CATEGORY, module=MODULE, lane="cpu")
def split(sigmas: Sigmas, step: Annotated[int, Int(default=0, min=0, max=10000)]) -> HighAndLow:
    """Two lists, the second beginning where the first ends."""
    return sigmas[: step + 1], sigmas[step:]


@node(type="SplitSigmasDenoise", title="SplitSigmasDenoise", category=CATEGORY, module=MODULE, lane="cpu")
def split_denoise(
    sigmas: Sigmas, denoise: Annotated[float, Float(default=1.0, min=0.0, max=1.0, step=0.01)]
) -> HighAndLow:
    """Two lists, the second with this share of the steps."""
    last = round(max(sigmas.shape[-1] - 1, 0) * denoise)
    return sigmas[:-last] if last else sigmas[:0], sigmas[-(last + 1) :]


@node(type="FlipSigmas", title="FlipSigmas", category=CATEGORY, module=MODULE, lane="cpu")
def flip(sigmas: Sigmas) -> Sigmas:
    """The levels from low to high, to add noise in the steps of a sampler."""
    flipped = sigmas.flip(0)
    if len(flipped) > 0 and flipped[0] == 0:
        flipped[0] = AFTER_ZERO
    return flipped


@node(type="SetFirstSigma", title="SetFirstSigma", category=CATEGORY, module=MODULE, lane="cpu")
def set_first(
    sigmas: Sigmas, sigma: Annotated[float, Float(default=136.0, min=0.0, max=20000.0, step=0.001, round=False)]
) -> Sigmas:
    """The levels with another first one."""
    changed = sigmas.clone()
    changed[:1] = sigma
    return changed


@node(type="ExtendIntermediateSigmas", title="ExtendIntermediateSigmas", category=CATEGORY, module=MODULE, lane="cpu")
def extend(
    sigmas: Sigmas,
    steps: Annotated[int, Int(default=2, min=1, max=100)],
    start_at_sigma: Annotated[float, Float(default=-1.0, min=-1.0, max=20000.0, step=0.01, round=False)],
    end_at_sigma: Annotated[float, Float(default=12.0, min=0.0, max=20000.0, step=0.01, round=False)],
    spacing: Literal["linear", "cosine", "sine"],
) -> Sigmas:
    """Each step within a range cut into several; a start below 0 is no limit."""
    highest = math.inf if start_at_sigma < 0 else start_at_sigma
    share = torch.linspace(0, 1, steps + 1)[1:-1]
    curves = {
        "linear": share,
        "cosine": torch.sin(share * math.pi / 2),
        "sine": 1 - torch.cos(share * math.pi / 2),
    }
    extended: list[float] = []
    for current, following in itertools.pairwise(sigmas.tolist()):
        extended.append(current)
        if end_at_sigma <= current <= highest:
            extended.extend((curves[spacing] * (following - current) + current).tolist())
    return torch.tensor([*extended, *sigmas[-1:].tolist()])


@node(type="SamplingPercentToSigma", title="SamplingPercentToSigma", category=CATEGORY, module=MODULE, lane="cpu")
def percent_to_sigma(
    model: Annotated[Model, Options()],
    sampling_percent: Annotated[float, Float(default=0.0, min=0.0, max=1.0, step=0.0001)],
    return_actual_sigma: Annotated[
        bool, Bool(default=False, tooltip="At 0 and 1, the model's own highest and lowest level.")
    ],
    context: NodeContext,
) -> Annotated[float, Named("sigma_value")]:
    """The noise level at a share of the sampling."""
    space = required(model, "model", "MODEL", context).parameterization.space
    if return_actual_sigma and sampling_percent in (0.0, 1.0):
        return float(space.sigma_max if sampling_percent == 0 else space.sigma_min)
    return float(space.percent_to_sigma(sampling_percent))
