"""Blend modes: how the colours of one picture act on those of another.

The formulas are those of the W3C's Compositing and Blending Level 1, except that `difference` keeps its sign until
the result is clamped.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType

import torch
from torch import Tensor


def _screen(base: Tensor, top: Tensor) -> Tensor:
    return 1 - (1 - base) * (1 - top)


def _overlay(base: Tensor, top: Tensor) -> Tensor:
    return torch.where(base <= 0.5, 2 * base * top, 1 - 2 * (1 - base) * (1 - top))


def _soft_light(base: Tensor, top: Tensor) -> Tensor:
    lifted = torch.where(base <= 0.25, ((16 * base - 12) * base + 4) * base, torch.sqrt(base))
    darker = base - (1 - 2 * top) * base * (1 - base)
    return torch.where(top <= 0.5, darker, base + (2 * top - 1) * (lifted - base))


BLEND_MODES: Mapping[str, Callable[[Tensor, Tensor], Tensor]] = MappingProxyType(
    {
        "normal": lambda base, top: top,
        "multiply": torch.mul,
        "screen": _screen,
        "overlay": _overlay,
        "soft_light": _soft_light,
        "difference": torch.sub,
    }
)


def blend(base: Tensor, top: Tensor, factor: float, mode: str) -> Tensor:
    """`factor` 0 gives `base`, 1 the blend of `top` over it. Clamped to 0..1."""
    return (base * (1 - factor) + BLEND_MODES[mode](base, top) * factor).clamp(0, 1)
