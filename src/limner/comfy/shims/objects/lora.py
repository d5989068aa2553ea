"""LoRA tensors as `ModelPatcher.add_patches` takes them."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import Any

from torch import Tensor

from limner.comfy.shims.objects.text import full_name
from limner.comfy.shims.objects.weights import DIFFUSION
from limner.diffusion.adapters import network_aliases, text_aliases
from limner.diffusion.lora import ROLES

log = logging.getLogger(__name__)


def model_lora_keys_unet(model: Any, key_map: dict[str, str] | None = None) -> dict[str, str]:
    """What trainers call each module of a denoising network -> the name of its weight."""
    found = {} if key_map is None else key_map
    keys = model.core.keys
    for alias, name in network_aliases(keys).items():
        original = keys.get(f"{name}.weight")
        if original is not None:
            found[alias] = DIFFUSION + original
    return found


def model_lora_keys_clip(model: Any, key_map: dict[str, str] | None = None) -> dict[str, str]:
    """The same for a text encoder (`clip.cond_stage_model`)."""
    found = {} if key_map is None else key_map
    for alias, name in text_aliases(model.keys).items():
        found[alias] = full_name(f"{name}.weight")
    return found


def load_lora(lora: Mapping[str, Tensor], to_load: Mapping[str, Any], log_missing: bool = True) -> dict[Any, Any]:
    """Weight -> patch, of the modules in `to_load` that the tensors change."""
    parts: dict[str, dict[str, Tensor]] = {}
    for name, tensor in lora.items():
        role = next((suffix for suffix in ROLES if name.endswith(suffix)), None)
        if role is not None:
            parts.setdefault(name.removesuffix(role), {})[ROLES[role]] = tensor
    patches: dict[Any, Any] = {}
    for base, found in parts.items():
        if base not in to_load:
            if log_missing:
                log.warning("the LoRA changes %s, which the model does not have", base)
            continue
        target = to_load[base]
        if "up" in found and "down" in found:
            alpha = float(found["alpha"]) if "alpha" in found else None
            content = (found["up"], found["down"], alpha, found.get("mid"), found.get("magnitude"), None)
            patches[target] = ("lora", content)
        elif "diff" in found:
            patches[target] = ("diff", (found["diff"],))
        if "diff_bias" in found and isinstance(target, str):
            patches[target.removesuffix(".weight") + ".bias"] = ("diff", (found["diff_bias"],))
    return patches
