"""Stable Diffusion 1.x configurations, read off the shapes of the tensors in the original layout.

Only what shapes cannot tell is assumed: 8 attention heads in the UNet, heads of 64 in the text encoder, 32 groups in
the normalisations; these are the same in every SD 1.x model. A model that differs carries its configuration in the
header instead.
"""

from typing import Any

from limner.diffusion.families.base import Shapes

UNET_HEADS = 8
CLIP_HEAD = 64
SCALE = 0.18215
"""The standard deviation of SD 1.x latents is its reciprocal (Rombach et al. 2022, arXiv:2112.10752, appendix G)."""


def unet_config(shapes: Shapes) -> dict[str, Any]:
    """The UNet2DConditionModel configuration of original UNet tensors (names without prefix)."""
    count = 1 + max((int(name.split(".")[1]) for name in shapes if name.startswith("input_blocks.")), default=0)
    widths: list[int] = []
    kinds: list[str] = []
    layers = 0
    level: list[int] = []
    for number in range(1, count + 1):
        out = shapes.get(f"input_blocks.{number}.0.out_layers.3.weight")
        if out is not None:
            level.append(number)
            continue
        if level:  # a resampling step, or the end
            widths.append(shapes[f"input_blocks.{level[-1]}.0.out_layers.3.weight"][0])
            attention = any(name.startswith(f"input_blocks.{level[0]}.1.") for name in shapes)
            kinds.append("CrossAttn" if attention else "")
            layers = len(level)
        level = []
    return {
        "in_channels": shapes["input_blocks.0.0.weight"][1],
        "out_channels": shapes["out.2.weight"][0],
        "block_out_channels": widths,
        "down_block_types": [f"{kind}DownBlock2D" for kind in kinds],
        "up_block_types": [f"{kind}UpBlock2D" for kind in reversed(kinds)],
        "layers_per_block": layers,
        "cross_attention_dim": context_width(shapes),
        # diffusers' historical name: for this network it is the number of heads.
        "attention_head_dim": UNET_HEADS,
        "sample_size": 64,
    }


def context_width(shapes: Shapes) -> int | None:
    """The width of the text that a UNet attends to; None in one that attends to none."""
    for name, shape in shapes.items():
        if name.endswith("attn2.to_k.weight"):
            return shape[1]
    return None


def vae_config(shapes: Shapes) -> dict[str, Any]:
    """The AutoencoderKL configuration of VAE tensors in diffusers' names (without prefix)."""
    widths: list[int] = []
    while (shape := shapes.get(f"encoder.down_blocks.{len(widths)}.resnets.0.conv2.weight")) is not None:
        widths.append(shape[0])
    layers = 0
    while f"encoder.down_blocks.0.resnets.{layers}.conv2.weight" in shapes:
        layers += 1
    return {
        "in_channels": shapes["encoder.conv_in.weight"][1],
        "out_channels": shapes["decoder.conv_out.weight"][0],
        "latent_channels": shapes["decoder.conv_in.weight"][1],
        "block_out_channels": widths,
        "down_block_types": ["DownEncoderBlock2D"] * len(widths),
        "up_block_types": ["UpDecoderBlock2D"] * len(widths),
        "layers_per_block": layers,
        "norm_num_groups": 32,
        "scaling_factor": SCALE,
        "use_quant_conv": "quant_conv.weight" in shapes,
        "use_post_quant_conv": "post_quant_conv.weight" in shapes,
        "mid_block_add_attention": any(".mid_block.attentions.0." in name for name in shapes),
    }


def vae_levels(shapes: Shapes) -> int:
    """How many levels a VAE in original names has."""
    numbers = {int(name.split(".")[2]) for name in shapes if name.startswith("encoder.down.")}
    return len(numbers)


def clip_config(shapes: Shapes) -> dict[str, Any]:
    """The CLIPTextConfig of text-encoder tensors in transformers' names (without prefix)."""
    vocabulary, width = shapes["embeddings.token_embedding.weight"]
    layers = 0
    while f"encoder.layers.{layers}.mlp.fc1.weight" in shapes:
        layers += 1
    return {
        "vocab_size": vocabulary,
        "hidden_size": width,
        "max_position_embeddings": shapes["embeddings.position_embedding.weight"][0],
        "num_hidden_layers": layers,
        "num_attention_heads": max(1, width // CLIP_HEAD),
        "intermediate_size": shapes["encoder.layers.0.mlp.fc1.weight"][0],
        "hidden_act": "quick_gelu",
        "bos_token_id": vocabulary - 2,
        "eos_token_id": vocabulary - 1,
    }
