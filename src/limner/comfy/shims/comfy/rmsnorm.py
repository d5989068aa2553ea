"""ComfyUI's `comfy.rmsnorm`."""

from __future__ import annotations

import torch
from torch import Tensor

RMSNorm = torch.nn.RMSNorm


def rms_norm(x: Tensor, weight: Tensor | None = None, eps: float = 1e-6) -> Tensor:
    """`x` divided by its root mean square along the last dimensions, those of the weight."""
    shape = (x.shape[-1],) if weight is None else weight.shape
    return torch.nn.functional.rms_norm(x, shape, None if weight is None else weight.to(x), eps)
