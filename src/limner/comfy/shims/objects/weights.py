"""Changes to weights in the form that packs hand to `ModelPatcher.add_patches`.

An entry is `(strength, value, strength_model, offset, function)`; the result is
`weight * strength_model + function(strength * value)`, on the part of the weight that `offset` (dimension, start,
length) names. A value is `(difference,)`, `("diff", (difference,))`, `("set", (weight,))`,
`("lora", (up, down, alpha, mid, magnitude, ...))`, `("model_as_lora", (weight,))`, which goes towards that weight, a
list of entries behind a weight, or an object with `calculate_weight`.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from limner.diffusion.weight_changes import LowRank

log = logging.getLogger(__name__)

DIFFUSION = "diffusion_model."
"""What stands before the names of a denoising network's weights in ComfyUI's models."""


def calculate_weight(
    patches: Sequence[Any],
    weight: Tensor,
    key: str,
    intermediate_dtype: torch.dtype = torch.float32,
    original_weights: Any = None,
) -> Tensor:
    """The weight with every entry applied in order; it may be changed in place.

    `original_weights` holds, by name, what the weight was before any change: [(tensor, ...), ...].
    """
    before = original_weights[key][0][0] if original_weights and key in original_weights else None
    for strength, given, strength_model, offset, function in patches:
        value = given
        part = weight if offset is None else weight.narrow(*offset)
        if strength_model != 1.0:
            part.mul_(strength_model)
        if isinstance(value, list):
            base, convert = value[0]
            start = convert(base.to(part.device, intermediate_dtype, copy=True), inplace=True)
            value = (calculate_weight(value[1:], start, key, intermediate_dtype),)
        if hasattr(value, "calculate_weight"):
            result = value.calculate_weight(
                part, key, strength, strength_model, offset, function or _same, intermediate_dtype, original_weights
            )
        else:
            result = _applied(part, value, strength, function or _same, key, before)
        if offset is None:
            weight = part if result is None else result
        elif result is not None and result is not part:
            part.copy_(result)
    return weight


def _applied(
    part: Tensor,
    value: Any,
    strength: float,
    function: Callable[[Tensor], Tensor],
    key: str,
    original: Tensor | None,
) -> Tensor:
    kind, content = ("diff", value) if len(value) == 1 else value
    if kind == "set":
        return part.copy_(content[0])
    change: Tensor | None = None
    if kind == "diff":
        change = content[0].to(part.device, part.dtype)
    elif kind == "model_as_lora":
        change = content[0].to(part.device, part.dtype) - (part if original is None else original.to(part))
    elif kind == "lora":
        up, down, alpha, mid, magnitude = (*content, *[None] * 5)[:5]
        scale = 1.0 if alpha is None else float(alpha) / down.shape[0]
        lora = LowRank(up, down, scale, mid, magnitude)
        change = lora.delta(part).to(part) if lora.fits(part.shape) else None
    if change is None or change.shape != part.shape:
        log.warning("a change of kind %r to %s does not fit a weight of %s", kind, key, list(part.shape))
        return part
    return part.add_(function(strength * change))


def _same(value: Tensor) -> Tensor:
    return value


@dataclass(frozen=True, slots=True, eq=False)
class PackPatch:
    """All entries of one weight, as a `WeightPatch`."""

    key: str
    entries: tuple[Any, ...]

    def delta(self, weight: Tensor) -> Tensor:
        """What the entries add, float32, in the weight's shape."""
        start = weight.to(torch.float32, copy=True)
        known = {self.key: [(start,)]}
        return calculate_weight(self.entries, start.clone(), self.key, original_weights=known).to(start) - start


def weight_patches(keys: Mapping[str, str], patches: Mapping[str, Iterable[Any]]) -> dict[str, tuple[PackPatch, float]]:
    """Entries by ComfyUI's names as patches by the network's; `keys` maps its names to those of the original layout."""
    names = {DIFFUSION + original: name for name, original in keys.items()}
    return {names[key]: (PackPatch(key, tuple(found)), 1.0) for key, found in patches.items() if key in names}
