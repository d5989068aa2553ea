"""ComfyUI's `comfy.ldm.flux.math`: rotary positions (Su et al. 2021, arXiv:2104.09864)."""

from __future__ import annotations

from importlib import import_module
from typing import Any

import torch
from torch import Tensor


def rope(pos: Tensor, dim: int, theta: float) -> Tensor:
    """Rotations [batch, n, dim / 2, 2, 2], float32, of positions [batch, n]; dim is even."""
    powers = torch.linspace(0, (dim - 2) / dim, dim // 2, dtype=torch.float64, device=pos.device)
    angles = pos.float()[..., None] * (1.0 / theta**powers)
    cosines, sines = angles.cos(), angles.sin()
    rotations = torch.stack([cosines, -sines, sines, cosines], dim=-1)
    return rotations.reshape(*angles.shape, 2, 2).float()


def apply_rope1(x: Tensor, freqs_cis: Tensor) -> Tensor:
    """x [..., dim], its numbers in pairs, turned by the rotations."""
    pairs = x.to(freqs_cis.dtype).reshape(*x.shape[:-1], -1, 1, 2)
    turned = freqs_cis[..., 0] * pairs[..., 0] + freqs_cis[..., 1] * pairs[..., 1]
    return turned.reshape(x.shape).to(x.dtype)


def apply_rope(xq: Tensor, xk: Tensor, freqs_cis: Tensor) -> tuple[Tensor, Tensor]:
    return apply_rope1(xq, freqs_cis), apply_rope1(xk, freqs_cis)


def attention(
    q: Tensor, k: Tensor, v: Tensor, pe: Tensor | None, mask: Tensor | None = None, transformer_options: Any = None
) -> Tensor:
    """Attention [batch, n, heads * width] of q, k, v [batch, heads, n, width], q and k turned by their positions."""
    if pe is not None:
        q, k = (apply_rope1(part, pe).to(v.dtype) for part in (q, k))
    module = import_module("comfy.ldm.modules.attention")
    attended: Tensor = module.optimized_attention(
        q, k, v, q.shape[1], skip_reshape=True, mask=mask, transformer_options=transformer_options or {}
    )
    return attended
