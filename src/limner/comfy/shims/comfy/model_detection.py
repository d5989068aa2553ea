"""ComfyUI's `comfy.model_detection`: what a file's names tell, as far as packs ask for it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from torch import Tensor

from limner.comfy.shims.objects.supported import models

PREFIXES = ("model.diffusion_model.", "model.model.", "net.")


def count_blocks(state_dict_keys: Iterable[str], prefix_string: str) -> int:
    """How many numbers from 0 on, put into the text, begin one of the names."""
    names, count = list(state_dict_keys), 0
    while any(name.startswith(prefix_string.format(count)) for name in names):
        count += 1
    return count


def unet_prefix_from_state_dict(state_dict: Iterable[str]) -> str:
    """What stands before the names of the denoising network's tensors."""
    names = list(state_dict)
    counts = {prefix: sum(name.startswith(prefix) for name in names) for prefix in PREFIXES}
    most = max(counts, key=lambda prefix: counts[prefix])
    return most if counts[most] > 5 else "model."


def convert_config(unet_config: Mapping[str, Any]) -> dict[str, Any]:
    """A U-Net's configuration with the depth of attention for each layer, in place of the sizes that have attention."""
    config = dict(unet_config)
    levels = config.get("channel_mult") or ()
    layers: Any = config.get("num_res_blocks")
    layers = [layers] * len(levels) if isinstance(layers, int) else layers
    if "attention_resolutions" in config:
        sizes = config.pop("attention_resolutions")
        depth: Any = config.get("transformer_depth")
        depths = [depth] * len(levels) if isinstance(depth, int) else list(depth)
        at = [depths[level] if 2**level in sizes else 0 for level in range(len(layers))]
        middle = config.get("transformer_depth_middle")
        config["transformer_depth"] = [found for found, count in zip(at, layers, strict=True) for _ in range(count)]
        config["transformer_depth_output"] = [
            found for found, count in zip(at, layers, strict=True) for _ in range(count + 1)
        ]
        config["transformer_depth_middle"] = depths[-1] if middle is None else middle
    config["num_res_blocks"] = layers
    return config


def model_config_from_unet_config(
    unet_config: Mapping[str, Any], state_dict: Mapping[str, Tensor] | None = None
) -> Any:
    """The configuration of the family that a network is of; None where it is not known."""
    found = next((kind for kind in models if kind.matches(unet_config, state_dict)), None)
    return None if found is None else found(unet_config)
