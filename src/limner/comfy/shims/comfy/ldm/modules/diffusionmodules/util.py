"""ComfyUI's `comfy.ldm.modules.diffusionmodules.util`: small parts of networks."""

from __future__ import annotations

import math
from typing import TypeVar

import torch
from torch import Tensor, nn

M = TypeVar("M", bound=nn.Module)


def timestep_embedding(timesteps: Tensor, dim: int, max_period: float = 10000, repeat_only: bool = False) -> Tensor:
    """Cosines and sines [batch, dim] of steps [batch], at falling frequencies (Ho et al. 2020, arXiv:2006.11239)."""
    if repeat_only:
        return timesteps[:, None].repeat(1, dim)
    half = dim // 2
    powers = torch.arange(half, dtype=torch.float32, device=timesteps.device) / half
    angles = timesteps[:, None].float() * torch.exp(-math.log(max_period) * powers)
    embedded = torch.cat([angles.cos(), angles.sin()], dim=-1)
    return torch.nn.functional.pad(embedded, (0, dim % 2))


def zero_module(module: M) -> M:
    """The module with every weight 0."""
    for weight in module.parameters():
        weight.detach().zero_()
    return module


def mean_flat(tensor: Tensor) -> Tensor:
    """The mean over all but the batch."""
    return tensor.mean(dim=list(range(1, tensor.ndim)))
