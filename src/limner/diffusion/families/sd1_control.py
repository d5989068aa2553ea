"""ControlNets of Stable Diffusion 1.x (Zhang et al. 2023, arXiv:2302.05543), by diffusers' ControlNetModel.

A file has the original names (`control_model.*`, or the same without a prefix) or those of diffusers.
"""

import re
from collections.abc import Mapping
from functools import partial
from typing import Any

import torch

from limner.diffusion.errors import CheckpointError
from limner.diffusion.families import ldm_keys, sd1_config
from limner.diffusion.families.base import Shapes
from limner.diffusion.families.loading import Loader

PREFIX = "control_model."
HINT = "controlnet_cond_embedding."
_ORIGINAL = re.compile(r"(zero_convs|input_hint_block|middle_block_out)\.(\d+)\.(.+)")
_LEVEL = re.compile(r"down_blocks\.(\d+)\.(resnets|attentions)\.(\d+)\.(.+)")


def prefix_of(shapes: Shapes) -> str | None:
    """What stands before the names of a ControlNet in a file; None where it holds none."""
    for prefix, mark in ((PREFIX, "input_hint_block.0.weight"), ("", "input_hint_block.0.weight"), ("", HINT)):
        if any(name.startswith(prefix + mark) for name in shapes):
            return prefix
    return None


def is_difference(shapes: Shapes) -> bool:
    """Whether the file holds what is added to a certain model's weights, and not the weights."""
    return "difference" in shapes


def control_key(name: str, layers: int, hints: int) -> str:
    """The diffusers name of an original tensor (without prefix); `hints` is the number of the last hint layer."""
    match = _ORIGINAL.fullmatch(name)
    if match is None:
        return ldm_keys.unet_key(name, layers)
    part, number, rest = match[1], int(match[2]), match[3]
    if part == "middle_block_out":
        return f"controlnet_mid_block.{rest}"
    if part == "zero_convs":
        return f"controlnet_down_blocks.{number}.{rest.removeprefix('0.')}"
    place = "conv_in" if number == 0 else "conv_out" if number == hints else f"blocks.{number // 2 - 1}"
    return f"{HINT}{place}.{rest}"


def build_control(loader: Loader) -> torch.nn.Module:
    """The network. Raises CheckpointError where the file holds none of this family."""
    from limner.diffusion.families import networks

    shapes = loader.file.shapes()
    prefix = prefix_of(shapes)
    if prefix is None:
        raise CheckpointError(loader.file.path, "holds no ControlNet", "Choose a ControlNet of Stable Diffusion 1.x")
    if is_difference(shapes):
        problem = "is the difference of a ControlNet from a certain model, which is not supported"
        raise CheckpointError(loader.file.path, problem, "Use the whole ControlNet's file")
    own = {name[len(prefix) :]: shape for name, shape in shapes.items() if name.startswith(prefix)}
    original = "input_hint_block.0.weight" in own
    config = _original_config(own) if original else _diffusers_config(own)
    if config["cross_attention_dim"] != 768:
        problem = "is a ControlNet of another family than Stable Diffusion 1.x, which is not supported"
        raise CheckpointError(loader.file.path, problem, "Use one that was made for Stable Diffusion 1.x")
    hints = max((int(name.split(".")[1]) for name in own if name.startswith("input_hint_block.")), default=0)
    layers = config["layers_per_block"]
    rename = partial(control_key, layers=layers, hints=hints) if original else str
    sources = loader.sources(prefix, rename)
    return loader.build(lambda: networks.controlnet(config), sources, loader.precision.network, "ControlNet")


def _original_config(own: Shapes) -> dict[str, Any]:
    config = sd1_config.unet_config({**own, "out.2.weight": (4,)})
    hints = [
        int(name.split(".")[1]) for name in own if name.startswith("input_hint_block.") and name.endswith("weight")
    ]
    widths = [own[f"input_hint_block.{number}.weight"][0] for number in sorted(hints)[:-1:2]]
    return _control_config(config, widths, own["input_hint_block.0.weight"][1])


def _diffusers_config(own: Shapes) -> dict[str, Any]:
    levels: dict[int, set[int]] = {}
    attending: set[int] = set()
    for name in own:
        if match := _LEVEL.fullmatch(name):
            level = int(match[1])
            levels.setdefault(level, set()).add(int(match[3]))
            attending |= {level} if match[2] == "attentions" else set()
    widths = [own[f"down_blocks.{level}.resnets.0.conv1.weight"][0] for level in sorted(levels)]
    count = sum(name.startswith(f"{HINT}blocks.") and name.endswith("weight") for name in own)
    hint_widths = [own[f"{HINT}conv_in.weight"][0]]
    hint_widths += [own[f"{HINT}blocks.{number}.weight"][0] for number in range(1, count, 2)]
    config: dict[str, Any] = {
        "in_channels": own["conv_in.weight"][1],
        "block_out_channels": widths,
        "down_block_types": [
            "CrossAttnDownBlock2D" if level in attending else "DownBlock2D" for level in sorted(levels)
        ],
        "layers_per_block": len(levels[0]),
        "cross_attention_dim": sd1_config.context_width(own),
        "attention_head_dim": sd1_config.UNET_HEADS,
    }
    return _control_config(config, hint_widths, own[f"{HINT}conv_in.weight"][1])


def _control_config(config: Mapping[str, Any], hint_widths: list[int], channels: int) -> dict[str, Any]:
    sizes = ("in_channels", "block_out_channels", "down_block_types", "layers_per_block")
    return {
        **{name: config[name] for name in (*sizes, "cross_attention_dim", "attention_head_dim")},
        "conditioning_embedding_out_channels": hint_widths,
        "conditioning_channels": channels,
    }
