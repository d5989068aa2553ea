"""Menu `latent/advanced`: arithmetic on latents. The second latent is fitted to the size and batch of the first."""

from __future__ import annotations

from typing import Annotated, Literal

import torch
from torch import Tensor

from limner.sdk import Choice, Float, Int, Latent, node

from ..errors import UnusableInput
from ..ranges import MAX_RESOLUTION
from ..tensors.batches import check_channels, repeat_to
from ..tensors.resize import fitted

MODULE = "comfy_extras.nodes_latent"
CATEGORY = "latent/advanced"


def _both(samples1: Latent, samples2: Latent) -> tuple[Tensor, Tensor]:
    first: Tensor = samples1["samples"]
    return first, repeat_to(fitted(samples2["samples"], first), first.shape[0])


@node(type="LatentAdd", category=CATEGORY, module=MODULE, lane="cpu", v3=True)
def add(samples1: Latent, samples2: Latent) -> Latent:
    """The sum of two latents."""
    first, second = _both(samples1, samples2)
    return {**samples1, "samples": first + second}


@node(type="LatentSubtract", category=CATEGORY, module=MODULE, lane="cpu", v3=True)
def subtract(samples1: Latent, samples2: Latent) -> Latent:
    """The first latent less the second."""
    first, second = _both(samples1, samples2)
    return {**samples1, "samples": first - second}


@node(type="LatentMultiply", category=CATEGORY, module=MODULE, lane="cpu", v3=True)
def multiply(
    samples: Latent, multiplier: Annotated[float, Float(default=1.0, min=-10.0, max=10.0, step=0.01)]
) -> Latent:
    """A latent times a number."""
    return {**samples, "samples": samples["samples"] * multiplier}


@node(type="LatentInterpolate", category=CATEGORY, module=MODULE, lane="cpu", v3=True)
def interpolate(
    samples1: Latent,
    samples2: Latent,
    ratio: Annotated[float, Float(default=1.0, min=0.0, max=1.0, step=0.01)],
) -> Latent:
    """Between two latents: directions and lengths of their vectors are mixed apart; ratio 1 gives the first."""
    first, second = _both(samples1, samples2)
    lengths = [torch.linalg.vector_norm(latent, dim=1, keepdim=True) for latent in (first, second)]
    one, two = (torch.nan_to_num(latent / size) for latent, size in zip((first, second), lengths, strict=True))
    mixed = one * ratio + two * (1.0 - ratio)
    direction = torch.nan_to_num(mixed / torch.linalg.vector_norm(mixed, dim=1, keepdim=True))
    return {**samples1, "samples": direction * (lengths[0] * ratio + lengths[1] * (1.0 - ratio))}


@node(type="LatentConcat", category=CATEGORY, module=MODULE, lane="cpu", v3=True)
def concat(samples1: Latent, samples2: Latent, dim: Literal["x", "-x", "y", "-y", "t", "-t"]) -> Latent:
    """Put two latents side by side, one above the other, or one after the other; `-` puts the second first."""
    first: Tensor = samples1["samples"]
    pair = [first, repeat_to(samples2["samples"], first.shape[0])]
    _check_sides(pair[0], pair[1], _axis(dim[-1]))
    return {**samples1, "samples": torch.cat(pair[::-1] if dim[0] == "-" else pair, dim=_axis(dim[-1]))}


@node(type="LatentCut", category=CATEGORY, module=MODULE, lane="cpu", v3=True)
def cut(
    samples: Latent,
    dim: Literal["x", "y", "t"],
    index: Annotated[int, Int(default=0, min=-MAX_RESOLUTION, max=MAX_RESOLUTION, step=1)],
    amount: Annotated[int, Int(default=1, min=1, max=MAX_RESOLUTION, step=1)],
) -> Latent:
    """Cut a stretch out; a negative index counts from the end."""
    latent: Tensor = samples["samples"]
    length = latent.shape[_axis(dim)]
    start = min(index, length - 1) if index >= 0 else max(index, -length) + length
    return {**samples, "samples": latent.narrow(_axis(dim), start, min(amount, length - start))}


@node(type="LatentBatchSeedBehavior", category=CATEGORY, module=MODULE, lane="cpu", v3=True)
def batch_seed_behavior(
    samples: Latent, seed_behavior: Annotated[Literal["random", "fixed"], Choice(default="fixed")]
) -> Latent:
    """Whether the latents of a batch get noise of their own, or all the same."""
    if seed_behavior == "random":
        return {key: value for key, value in samples.items() if key != "batch_index"}
    first = samples.get("batch_index", [0])[0]
    return {**samples, "batch_index": [first] * samples["samples"].shape[0]}


def _check_sides(first: Tensor, second: Tensor, axis: int) -> None:
    """Raises `UnusableInput` where the latents differ in anything but the length along the axis."""
    along_channels = first.ndim == second.ndim == 1 - axis  # a latent without frames: `t` is the dimension of channels
    if not along_channels:
        check_channels(first, second)
    sizes = [
        [length for place, length in enumerate(latent.shape) if place != latent.ndim + axis]
        for latent in (first, second)
    ]
    if sizes[0] != sizes[1]:
        raise UnusableInput(
            f"the latents are {list(first.shape)} and {list(second.shape)}",
            "Scale or crop one to the size of the other",
        )


def _axis(name: str) -> int:
    return {"x": -1, "y": -2, "t": -3}[name]
