"""ComfyUI's `comfy.ldm.wan.model`: what of it is no network."""

from __future__ import annotations

import torch
from torch import Tensor


def sinusoidal_embedding_1d(dim: int, position: Tensor) -> Tensor:
    """Cosines and sines [n, dim] of positions [n]; dim is even."""
    half = dim // 2
    place = position.float()
    angles = torch.outer(place, torch.pow(10000, -torch.arange(half).to(place) / half))
    return torch.cat([angles.cos(), angles.sin()], dim=1)
