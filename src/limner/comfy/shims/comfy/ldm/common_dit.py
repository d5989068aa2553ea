"""ComfyUI's `comfy.ldm.common_dit`."""

from __future__ import annotations

import torch
from torch import Tensor


def pad_to_patch_size(img: Tensor, patch_size: tuple[int, ...] = (2, 2), padding_mode: str = "circular") -> Tensor:
    """The last dimensions padded at their ends to multiples of the patch's."""
    pad: list[int] = []
    for size, patch in zip(reversed(img.shape[2:]), reversed(patch_size), strict=False):
        pad += [0, -size % patch]
    return torch.nn.functional.pad(img, pad, mode=padding_mode)


def rms_norm(x: Tensor, weight: Tensor | None = None, eps: float = 1e-6) -> Tensor:
    """`x` divided by its root mean square along the last dimension."""
    shape = weight.shape if weight is not None else (x.shape[-1],)
    return torch.nn.functional.rms_norm(x, shape, None if weight is None else weight.to(x), eps)
