"""Conditioning entries made ready for one sampling run: where each acts, when, and with which weight.

Areas in shares become latent cells, masks take the latent's size, shares of the denoising become sigmas. An entry
that is restricted to an area gets a counterpart in the other list with the same area, so that guidance compares
predictions of the same crop.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import torch

from limner.diffusion.conditioning import Conditioning
from limner.diffusion.parameterization import SigmaSpace

FEATHER = 8
"""Cells over which an area's weight rises from its edges."""

Area = tuple[int, int, int, int]
"""(height, width, y, x) in latent cells."""


@dataclass(frozen=True, slots=True, eq=False)
class Entry:
    """One conditioning entry, ready. Acts at sigmas from `start` down to `end`."""

    vectors: torch.Tensor
    options: Mapping[str, Any] = field(default_factory=dict)
    area: Area | None = None
    mask: torch.Tensor | None = None
    strength: float = 1.0
    start: float | None = None
    end: float | None = None

    def active(self, sigma: float) -> bool:
        """Whether the entry acts at this noise level."""
        return not ((self.start is not None and sigma > self.start) or (self.end is not None and sigma < self.end))

    def crop(self, x: torch.Tensor) -> torch.Tensor:
        """The part of x [..., h, w] that the entry acts on."""
        if self.area is None:
            return x
        height, width, top, left = self.area
        return x[..., top : top + height, left : left + width]

    def weight(self, x: torch.Tensor) -> torch.Tensor:
        """The weight of each cell of `crop(x)`, in its shape."""
        part = self.crop(x)
        if self.mask is not None:
            mask = self.crop(self.mask[: x.shape[0]])[:, None]
            repeats = math.ceil(x.shape[0] / mask.shape[0])
            return mask.repeat(repeats, 1, 1, 1)[: x.shape[0]].expand_as(part) * self.strength
        weight = torch.full_like(part, self.strength)
        if self.area is not None:
            _feather(weight, self.area, x.shape[-2:])
        return weight


def prepare(
    positive: Conditioning, negative: Conditioning, size: tuple[int, int], space: SigmaSpace, device: torch.device
) -> tuple[list[Entry], list[Entry]]:
    """Both lists ready for latents of `size` (h, w). Entries whose area lies outside of it are left out."""
    lists = tuple(
        [made for vectors, options in given if (made := _entry(vectors, options, size, space, device)) is not None]
        for given in (positive, negative)
    )
    for entries, others in (lists, lists[::-1]):
        for entry in entries:  # grows while it is read, but what is appended adds nothing
            _counterpart(entry, others)
    _share_controls(lists[0], lists[1])
    return lists[0], lists[1]


def _entry(
    vectors: torch.Tensor, options: Mapping[str, Any], size: tuple[int, int], space: SigmaSpace, device: torch.device
) -> Entry | None:
    area = _area(options.get("area"), size)
    mask = options.get("mask")
    strength = float(options.get("strength", 1.0))
    if mask is not None:
        mask = _resized(mask.to(device), size)
        if options.get("set_area_to_bounds", False):
            area = _bounds(mask)
        mask = mask * float(options.get("mask_strength", 1.0))
    if area is not None:
        height, width, top, left = area
        area = (min(size[0] - top, height), min(size[1] - left, width), top, left)
        if min(area) < 0 or not area[0] or not area[1]:
            return None
    start, end = options.get("start_percent"), options.get("end_percent")
    return Entry(
        vectors.to(device),
        options,
        area,
        mask,
        strength,
        None if start is None else space.percent_to_sigma(start),
        None if end is None else space.percent_to_sigma(end),
    )


def _area(area: Any, size: tuple[int, int]) -> Area | None:
    if area is None:
        return None
    if area[0] != "percentage":
        height, width, top, left = (int(value) for value in area)
        return height, width, top, left
    shares = [float(value) for value in area[1:]]
    height, width = (max(1, round(share * cells)) for share, cells in zip(shares[:2], size, strict=True))
    top, left = (round(share * cells) for share, cells in zip(shares[2:], size, strict=True))
    return height, width, top, left


def _resized(mask: torch.Tensor, size: tuple[int, int]) -> torch.Tensor:
    batched = (mask if mask.ndim >= 3 else mask[None]).float()
    if tuple(batched.shape[1:]) == tuple(size):
        return batched
    return torch.nn.functional.interpolate(batched[:, None], size=size, mode="bilinear")[:, 0]


def _bounds(mask: torch.Tensor) -> Area:
    """The rectangle, at least 8 by 8, around what is not zero; the corner where everything is."""
    rows, columns = torch.where(mask.abs().amax(0) > 0)
    if not len(rows):
        return FEATHER, FEATHER, 0, 0
    top, left = int(rows.min()), int(columns.min())
    return max(FEATHER, int(rows.max()) - top + 1), max(FEATHER, int(columns.max()) - left + 1), top, left


def _feather(weight: torch.Tensor, area: Area, size: torch.Size) -> None:
    """Let the weight rise from every edge of the area that is not the picture's own."""
    for axis in (0, 1):
        length, start = area[axis], area[axis + 2]
        steps = min(FEATHER, length // 4)
        for step in range(steps):
            share = (step + 1) / steps
            if start:
                weight.select(axis - 2, step).mul_(share)
            if start + length < size[axis]:
                weight.select(axis - 2, length - 1 - step).mul_(share)


def _counterpart(entry: Entry, others: list[Entry]) -> None:
    """Give `others` an entry of the same area: the smallest that covers it, restricted to it."""
    if entry.area is None:
        return
    covering = [other for other in others if other.area is None or _inside(entry.area, other.area)]
    if not covering:
        return
    smallest = min(covering, key=lambda other: math.inf if other.area is None else other.area[0] * other.area[1])
    if smallest.area != entry.area:
        others.append(replace(entry, vectors=smallest.vectors))


def _inside(inner: Area, outer: Area) -> bool:
    return all(
        inner[axis + 2] >= outer[axis + 2] and inner[axis] + inner[axis + 2] <= outer[axis] + outer[axis + 2]
        for axis in (0, 1)
    )


def _share_controls(positive: list[Entry], negative: list[Entry]) -> None:
    """Let the controls of positive entries, where they ask for it, act on negative entries that have none."""
    controls = [
        entry.options["control"]
        for entry in positive
        if entry.area is None
        and entry.options.get("control") is not None
        and entry.options.get("control_apply_to_uncond", False)
    ]
    plain = [number for number, entry in enumerate(negative) if entry.area is None]
    if not plain or any(negative[number].options.get("control") is not None for number in plain):
        return
    for index, control in enumerate(controls):
        number = plain[index % len(plain)]
        entry = negative[number]
        negative[number] = replace(entry, options={**entry.options, "control": control})
