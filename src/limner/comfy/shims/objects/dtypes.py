"""Sizes and casts of tensors."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor


def size(dtype: torch.dtype | None) -> int:
    """Bytes of one value; 4 where the dtype is not known."""
    return 4 if dtype is None else dtype.itemsize


def module_size(module: torch.nn.Module) -> int:
    """Bytes of a module's weights."""
    return sum(tensor.nelement() * tensor.element_size() for tensor in module.state_dict().values())


def cast_to(
    weight: Tensor,
    dtype: torch.dtype | None = None,
    device: Any = None,
    non_blocking: bool = False,
    copy: bool = False,
    stream: Any = None,
) -> Tensor:
    """A tensor in another dtype and on another device, where they are given."""
    return weight.to(device=device or weight.device, dtype=dtype or weight.dtype, copy=copy)


def cast_to_device(tensor: Tensor, device: Any, dtype: torch.dtype | None, copy: bool = False) -> Tensor:
    """A tensor on a device, in a dtype."""
    return tensor.to(device=device, dtype=dtype or tensor.dtype, copy=copy)
