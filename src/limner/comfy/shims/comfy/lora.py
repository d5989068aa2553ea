"""ComfyUI's `comfy.lora`: LoRA files as patches."""

from __future__ import annotations

from typing import Any

from torch import Tensor

from limner.comfy.shims.objects.lora import load_lora, model_lora_keys_clip, model_lora_keys_unet
from limner.comfy.shims.objects.weights import calculate_weight

__all__ = ["calculate_weight", "load_lora", "model_lora_keys_clip", "model_lora_keys_unet", "weight_decompose"]


def weight_decompose(
    dora_scale: Tensor,
    weight: Tensor,
    lora_diff: Tensor,
    alpha: float,
    strength: float,
    intermediate_dtype: Any = None,
    function: Any = None,
) -> Tensor:
    """The weight with a difference added and scaled to a magnitude (Liu et al. 2024, arXiv:2402.09353)."""
    moved = weight.float() + lora_diff.float() * alpha
    axis = 0 if dora_scale.shape[0] == weight.shape[0] else 1
    norm = moved.norm(dim=[dim for dim in range(weight.ndim) if dim != axis], keepdim=True)
    scaled: Tensor = moved * (dora_scale.to(moved).reshape(norm.shape) / norm)
    changed: Tensor = weight.float() + strength * (scaled - weight.float())
    return changed.to(weight)
