"""ComfyUI's `comfy.float`: rounding to 8 bits by chance, so that the mean stays."""

from __future__ import annotations

import torch
from torch import Tensor

EIGHT_BITS = {torch.float8_e4m3fn: (3, 7), torch.float8_e5m2: (2, 15)}
"""The bits of the mantissa, and the bias of the exponent."""


def stochastic_rounding(value: Tensor, dtype: torch.dtype, seed: int = 0) -> Tensor:
    """The value in a dtype; one of 8 bits is the number above or below, the nearer the likelier."""
    if dtype not in EIGHT_BITS:
        return value.to(dtype)
    mantissa, bias = EIGHT_BITS[dtype]
    exact = value.double()
    exponent = exact.abs().clamp(min=torch.finfo(torch.float64).tiny).log2().floor().clamp(min=1 - bias)
    step = torch.pow(2.0, exponent - mantissa)
    chance = torch.rand(value.shape, generator=torch.Generator(value.device).manual_seed(seed), device=value.device)
    limit = torch.finfo(dtype).max
    return ((exact / step + chance).floor() * step).clamp(-limit, limit).to(dtype)
