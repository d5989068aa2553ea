"""ComfyUI's `comfy_extras.nodes_lt`: what packs call of it for video latents [batch, channels, frames, h, w]."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor


def conditioning_get_any_value(conditioning: Any, key: str, default: Any = None) -> Any:
    """The first value of this name among the parts."""
    return next((options[key] for _, options in conditioning if key in options), default)


def get_noise_mask(latent: Mapping[str, Any]) -> Tensor:
    """A copy of the LATENT's mask; ones [batch, 1, frames, 1, 1] where it has none."""
    mask: Tensor | None = latent.get("noise_mask")
    if mask is not None:
        return mask.clone()
    samples: Tensor = latent["samples"]
    return torch.ones((samples.shape[0], 1, samples.shape[2], 1, 1), device=samples.device)


def get_keyframe_idxs(cond: Any) -> tuple[Tensor | None, int]:
    """The coordinates of the frames that are given, and how many frames those are."""
    found: Tensor | None = conditioning_get_any_value(cond, "keyframe_idxs")
    return (None, 0) if found is None else (found, len(torch.unique(found[:, 0])))
