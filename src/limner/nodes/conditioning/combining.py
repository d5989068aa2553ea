"""Menus `conditioning` and `advanced/conditioning`: combining and restricting conditioning."""

from __future__ import annotations

from typing import Annotated, Literal

from limner.diffusion import conditioning as operations
from limner.sdk import Conditioning, Float, Int, Mask, node

from ..errors import UnusableInput
from ..ranges import MAX_RESOLUTION

CATEGORY = "conditioning"
ADVANCED = "advanced/conditioning"
Length = Annotated[int, Int(default=64, min=64, max=MAX_RESOLUTION, step=8)]
Offset = Annotated[int, Int(default=0, min=0, max=MAX_RESOLUTION, step=8)]
Strength = Annotated[float, Float(default=1.0, min=0.0, max=10.0, step=0.01)]
Share = Annotated[float, Float(default=1.0, min=0, max=1.0, step=0.01)]
Place = Annotated[float, Float(default=0, min=0, max=1.0, step=0.01)]


@node(type="ConditioningCombine", title="Conditioning (Combine)", category=CATEGORY, lane="cpu")
def combine(conditioning_1: Conditioning, conditioning_2: Conditioning) -> Conditioning:
    """Use both: what the model predicts for each is averaged."""
    return operations.combine(conditioning_1, conditioning_2)


@node(type="ConditioningConcat", title="Conditioning (Concat)", category=CATEGORY, lane="cpu")
def concat(conditioning_to: Conditioning, conditioning_from: Conditioning) -> Conditioning:
    """Put one prompt behind the other, in chunks of their own."""
    return operations.concat(conditioning_to, _filled(conditioning_from, "conditioning_from"))


@node(type="ConditioningAverage", title="ConditioningAverage", category=CATEGORY, lane="cpu")
def average(
    conditioning_to: Conditioning,
    conditioning_from: Conditioning,
    conditioning_to_strength: Annotated[float, Float(default=1.0, min=0.0, max=1.0, step=0.01)],
) -> Conditioning:
    """Mix two prompts: at strength 1 only the first counts, at 0 only the second."""
    source = _filled(conditioning_from, "conditioning_from")
    return operations.average(conditioning_to, source, conditioning_to_strength)


@node(type="ConditioningSetArea", title="Conditioning (Set Area)", category=CATEGORY, lane="cpu")
def set_area(
    conditioning: Conditioning, width: Length, height: Length, x: Offset, y: Offset, strength: Strength
) -> Conditioning:
    """Let the prompt act in a rectangle of the picture, in pixels."""
    return operations.set_area(conditioning, width, height, x, y, strength=strength)


@node(
    type="ConditioningSetAreaPercentage",
    title="Conditioning (Set Area with Percentage)",
    category=CATEGORY,
    lane="cpu",
)
def set_area_percentage(
    conditioning: Conditioning, width: Share, height: Share, x: Place, y: Place, strength: Strength
) -> Conditioning:
    """Let the prompt act in a rectangle of the picture, in shares of its width and height."""
    return operations.set_area_percentage(conditioning, width, height, x, y, strength=strength)


@node(type="ConditioningSetAreaStrength", title="ConditioningSetAreaStrength", category=CATEGORY, lane="cpu")
def set_area_strength(conditioning: Conditioning, strength: Strength) -> Conditioning:
    """Weigh the prompt against others that overlap it."""
    return operations.set_area_strength(conditioning, strength)


@node(type="ConditioningSetMask", title="Conditioning (Set Mask)", category=CATEGORY, lane="cpu")
def set_mask(
    conditioning: Conditioning,
    mask: Mask,
    strength: Strength,
    set_cond_area: Literal["default", "mask bounds"],
) -> Conditioning:
    """Let the prompt act where the mask is set."""
    return operations.set_mask(conditioning, mask, strength, set_cond_area != "default")


@node(type="ConditioningSetTimestepRange", title="ConditioningSetTimestepRange", category=ADVANCED, lane="cpu")
def set_timestep_range(
    conditioning: Conditioning,
    start: Annotated[float, Float(default=0.0, min=0.0, max=1.0, step=0.001)],
    end: Annotated[float, Float(default=1.0, min=0.0, max=1.0, step=0.001)],
) -> Conditioning:
    """Let the prompt act in a part of the sampling only: 0 is its start, 1 its end."""
    return operations.set_timestep_range(conditioning, start, end)


@node(type="ConditioningZeroOut", title="ConditioningZeroOut", category=ADVANCED, lane="cpu")
def zero_out(conditioning: Conditioning) -> Conditioning:
    """Conditioning of the same form that says nothing."""
    return operations.zero_out(conditioning)


def _filled(conditioning: Conditioning, name: str) -> Conditioning:
    if not conditioning:
        raise UnusableInput(f"input '{name}' holds no prompt", "Connect the output of a node that encodes one")
    return conditioning
