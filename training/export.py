"""Write the trained networks as one half-precision file in Stable Diffusion 1.x's layout.

Run: `python -m training.export`, with `--every 20` to repeat that every 20 minutes.
"""

import argparse
import json
import os
import re
import time
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save_file
from torch import Tensor

from training.models import TEXT_CONFIG, UNET_CONFIG, VAE_CONFIG
from training.paths import LATENTS, UNET_CHECKPOINT, WEIGHTS

UNET_PREFIX = "model.diffusion_model."
VAE_PREFIX = "first_stage_model."
TEXT_PREFIX = "cond_stage_model.transformer.text_model."

LICENSE = "Apache-2.0 for the weights; trained on MIT, Apache-2.0 and CC-BY-4.0 artwork"
TITLE = "Limner Emoji"

UNET_RESNET = {
    "norm1": "in_layers.0",
    "conv1": "in_layers.2",
    "time_emb_proj": "emb_layers.1",
    "norm2": "out_layers.0",
    "conv2": "out_layers.3",
    "conv_shortcut": "skip_connection",
}
UNET_ENDS = {
    "conv_in.": "input_blocks.0.0.",
    "time_embedding.linear_1.": "time_embed.0.",
    "time_embedding.linear_2.": "time_embed.2.",
    "conv_norm_out.": "out.0.",
    "conv_out.": "out.2.",
    "mid_block.resnets.0.": "middle_block.0.",
    "mid_block.attentions.0.": "middle_block.1.",
    "mid_block.resnets.1.": "middle_block.2.",
}


def unet_blocks(config: dict[str, Any]) -> dict[str, str]:
    """Prefixes of the diffusers UNet's parts and what they are called in the 1.x layout."""
    layers, levels = config["layers_per_block"], len(config["block_out_channels"])
    names = dict(UNET_ENDS)
    place = 1
    for level in range(levels):
        for layer in range(layers):
            names[f"down_blocks.{level}.resnets.{layer}."] = f"input_blocks.{place}.0."
            names[f"down_blocks.{level}.attentions.{layer}."] = f"input_blocks.{place}.1."
            place += 1
        names[f"down_blocks.{level}.downsamplers.0.conv."] = f"input_blocks.{place}.0.op."
        place += 1
    place = 0
    for level, kind in enumerate(config["up_block_types"]):
        for layer in range(layers + 1):
            names[f"up_blocks.{level}.resnets.{layer}."] = f"output_blocks.{place}.0."
            names[f"up_blocks.{level}.attentions.{layer}."] = f"output_blocks.{place}.1."
            place += 1
        part = 2 if "CrossAttn" in kind else 1
        target = f"output_blocks.{place - 1}.{part}.conv."
        names[f"up_blocks.{level}.upsamplers.0.conv."] = target
    return names


def renamed(name: str, blocks: dict[str, str], resnet: dict[str, str]) -> str:
    """A parameter's name in the 1.x layout."""
    prefix = max((p for p in blocks if name.startswith(p)), key=len, default="")
    rest = name[len(prefix) :]
    if "resnets" in prefix:
        layer, kind = rest.rsplit(".", 1)
        rest = f"{resnet.get(layer, layer)}.{kind}"
    return blocks.get(prefix, "") + rest


def unet_tensors(state: dict[str, Tensor], config: dict[str, Any]) -> dict[str, Tensor]:
    """The UNet's tensors under their 1.x names."""
    blocks = unet_blocks(config)
    return {UNET_PREFIX + renamed(name, blocks, UNET_RESNET): t for name, t in state.items()}


def vae_tensors(state: dict[str, Tensor], config: dict[str, Any]) -> dict[str, Tensor]:
    """The autoencoder's tensors under their 1.x names."""
    levels = len(config["block_out_channels"])
    tensors = {}
    for name, tensor in state.items():
        target = name.replace("conv_shortcut", "nin_shortcut").replace("conv_norm_out", "norm_out")
        target = re.sub(r"down_blocks\.(\d+)\.resnets\.", r"down.\1.block.", target)
        target = re.sub(r"down_blocks\.(\d+)\.downsamplers\.0", r"down.\1.downsample", target)
        target = re.sub(r"mid_block\.resnets\.0", "mid.block_1", target)
        target = re.sub(r"mid_block\.resnets\.1", "mid.block_2", target)
        if found := re.search(r"up_blocks\.(\d+)\.", target):
            level = levels - 1 - int(found[1])
            target = re.sub(r"up_blocks\.\d+\.resnets\.", f"up.{level}.block.", target)
            target = re.sub(r"up_blocks\.\d+\.upsamplers\.0", f"up.{level}.upsample", target)
        tensors[VAE_PREFIX + target] = tensor
    return tensors


def text_tensors(state: dict[str, Tensor]) -> dict[str, Tensor]:
    """The text transformer's tensors under their 1.x names."""
    return {TEXT_PREFIX + name.removeprefix("text_model."): t for name, t in state.items()}


def part(state: dict[str, Tensor], name: str) -> dict[str, Tensor]:
    """The entries of one module, without its prefix."""
    return {k.removeprefix(f"{name}."): v for k, v in state.items() if k.startswith(f"{name}.")}


def header(factors: list[list[float]], bias: list[float]) -> dict[str, str]:
    """The file's metadata: configurations, preview factors, title and licence."""
    config = {
        "family": "sd1",
        "title": TITLE,
        "license": LICENSE,
        "resolution": 128,
        "unet": UNET_CONFIG,
        "vae": VAE_CONFIG,
        "text": TEXT_CONFIG,
        "latent_rgb_factors": [[round(v, 5) for v in row] for row in factors],
        "latent_rgb_bias": [round(v, 5) for v in bias],
    }
    return {"format": "pt", "limner.config": json.dumps(config)}


def export(target: Path, weights: str = "average") -> None:
    """Write `target` from the latest checkpoints, replacing it at once."""
    vae = torch.load(LATENTS, weights_only=True)
    trained = torch.load(UNET_CHECKPOINT, weights_only=True)
    state = trained[weights]
    tensors = {
        **unet_tensors(part(state, "unet"), UNET_CONFIG),
        **vae_tensors(vae["vae"], VAE_CONFIG),
        **text_tensors(part(state, "text")),
    }
    halves = {name: t.detach().half().contiguous() for name, t in tensors.items()}
    if bad := [name for name, tensor in halves.items() if not tensor.isfinite().all()]:
        raise ValueError(f"not finite in half precision: {', '.join(bad)}")
    target.parent.mkdir(parents=True, exist_ok=True)
    temporary = target.with_suffix(".part")
    save_file(halves, temporary, metadata=header(vae["factors"], vae["bias"]))
    temporary.chmod(0o644)
    os.replace(temporary, target)
    megabytes = target.stat().st_size / 1e6
    print(f"step {trained['step']}: {len(halves)} tensors, {megabytes:.1f} MB", flush=True)


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--output", type=Path, default=WEIGHTS)
    parser.add_argument("--weights", choices=("average", "model"), default="average")
    parser.add_argument("--every", type=float, default=0, help="minutes between exports; 0: once")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    export(arguments.output, arguments.weights)
    while arguments.every:
        time.sleep(arguments.every * 60)
        export(arguments.output, arguments.weights)


if __name__ == "__main__":
    main()
