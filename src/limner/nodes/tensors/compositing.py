"""Pasting one picture, latent or mask into another."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType

import torch
from torch import Tensor
from torch.nn.functional import interpolate

from .batches import check_channels, masks_3d, masks_4d, repeat_to


@dataclass(frozen=True, slots=True)
class Overlap:
    """Where a source placed at (x, y) lies within the destination, as slices of the last two dimensions of each."""

    destination: tuple[slice, slice]
    source: tuple[slice, slice]

    @classmethod
    def of(cls, destination: Tensor, source: Tensor, x: int, y: int) -> Overlap:
        rows = _span(destination.shape[-2], source.shape[-2], y)
        columns = _span(destination.shape[-1], source.shape[-1], x)
        return cls((rows[0], columns[0]), (rows[1], columns[1]))


def _span(outer: int, inner: int, offset: int) -> tuple[slice, slice]:
    """The slices of the outer and the inner length that coincide; both empty where nothing does."""
    start, end = max(0, offset), min(outer, offset + inner)
    if start >= end:
        return slice(0, 0), slice(0, 0)
    return slice(start, end), slice(start - offset, end - offset)


def paste(
    destination: Tensor, source: Tensor, x: int, y: int, mask: Tensor | None = None, *, fit: bool = False
) -> Tensor:
    """A copy of `destination` [batch, channels, ..., height, width] with `source` over it, its corner at (x, y).

    What lies outside is cut off. Where `mask` is 1 the source shows, where it is 0 the destination; it is stretched
    to the source's size. `fit` stretches the source to the destination first. The batch is the destination's. Raises
    `UnusableInput` where the channels differ.
    """
    check_channels(destination, source)
    result = destination.clone()
    source = source.to(destination.device)
    if fit:
        source = interpolate(source, size=destination.shape[-2:], mode="bilinear")
    source = repeat_to(source, destination.shape[0])
    overlap = Overlap.of(destination, source, x, y)
    shown = source[(..., *overlap.source)]
    target = (..., *overlap.destination)
    if mask is not None:
        weight = interpolate(masks_4d(mask.to(destination.device)), size=source.shape[-2:], mode="bilinear")
        weight = repeat_to(weight, source.shape[0])[(..., *overlap.source)]
        weight = weight.reshape(weight.shape[0], *[1] * (source.ndim - 3), *weight.shape[-2:])
        shown = weight * shown + (1.0 - weight) * result[target]
    result[target] = shown.to(result.dtype)
    return result


def _truth(operation: Callable[[Tensor, Tensor], Tensor]) -> Callable[[Tensor, Tensor], Tensor]:
    return lambda a, b: operation(a.round().bool(), b.round().bool()).float()


MASK_OPERATIONS: Mapping[str, Callable[[Tensor, Tensor], Tensor]] = MappingProxyType(
    {
        "multiply": torch.mul,
        "add": torch.add,
        "subtract": torch.sub,
        "and": _truth(torch.bitwise_and),
        "or": _truth(torch.bitwise_or),
        "xor": _truth(torch.bitwise_xor),
    }
)


def combine_masks(destination: Tensor, source: Tensor, x: int, y: int, operation: str) -> Tensor:
    """A copy of `destination` combined with `source` where that lies over it, its corner at (x, y); clamped to 0..1."""
    result = masks_3d(destination).clone()
    source = repeat_to(masks_3d(source), result.shape[0])
    overlap = Overlap.of(result, source, x, y)
    target = (..., *overlap.destination)
    result[target] = MASK_OPERATIONS[operation](result[target], source[(..., *overlap.source)])
    return result.clamp(0.0, 1.0)
