"""Names of the original latent-diffusion files, and what diffusers calls the same tensors.

The original UNet numbers its blocks in one row (`input_blocks.0..n`), diffusers by level and layer; a level has
`layers` residual blocks (one more on the way up) and, but for the last, one resampling step. The original VAE numbers
its decoder's levels from the finest, diffusers from the coarsest. The functions map one name each, both are pure text,
and they hold for any number of levels and layers.
"""

import re

UNET = "model.diffusion_model."
VAE = "first_stage_model."

_UNET_OUTER = {
    "time_embed.0": "time_embedding.linear_1",
    "time_embed.2": "time_embedding.linear_2",
    "label_emb.0.0": "add_embedding.linear_1",
    "label_emb.0.2": "add_embedding.linear_2",
    "input_blocks.0.0": "conv_in",
    "out.0": "conv_norm_out",
    "out.2": "conv_out",
}
_RESNET = {
    "in_layers.0": "norm1",
    "in_layers.2": "conv1",
    "out_layers.0": "norm2",
    "out_layers.3": "conv2",
    "emb_layers.1": "time_emb_proj",
    "skip_connection": "conv_shortcut",
}
_VAE_ATTENTION = {
    "norm": "group_norm",
    "q": "to_q",
    "k": "to_k",
    "v": "to_v",
    "proj_out": "to_out.0",
    "query": "to_q",
    "key": "to_k",
    "value": "to_v",
    "proj_attn": "to_out.0",
}
_BLOCK = re.compile(r"(input_blocks|output_blocks|middle_block)\.(\d+)\.(.+)")
_VAE_LEVEL = re.compile(r"(encoder\.down|decoder\.up)\.(\d+)\.(.+)")


def _first(table: dict[str, str], name: str) -> str:
    for old, new in table.items():
        if name.startswith(old + "."):
            return new + name[len(old) :]
    return name


def unet_key(name: str, layers: int) -> str:
    """The diffusers name of an original UNet tensor (without prefix), in a UNet of `layers` blocks a level.

    A name that belongs to no block of the original layout comes back as it is.
    """
    outer = _first(_UNET_OUTER, name)
    match = _BLOCK.fullmatch(name)
    if outer != name or match is None:
        return outer
    side, number, rest = match[1], int(match[2]), match[3]
    if side == "middle_block":
        kind = "attentions.0" if number == 1 else f"resnets.{number // 2}"
        return f"mid_block.{kind}.{rest if number == 1 else _first(_RESNET, rest)}"
    part, _, inner = rest.partition(".")
    if side == "input_blocks":
        level, layer = divmod(number - 1, layers + 1)
        if inner.startswith("op."):
            return f"down_blocks.{level}.downsamplers.0.conv.{inner[3:]}"
        block = f"down_blocks.{level}"
    else:
        level, layer = divmod(number, layers + 1)
        if inner.startswith("conv."):
            return f"up_blocks.{level}.upsamplers.0.{inner}"
        block = f"up_blocks.{level}"
    if part == "0":
        return f"{block}.resnets.{layer}.{_first(_RESNET, inner)}"
    return f"{block}.attentions.{layer}.{inner}"


def vae_key(name: str, levels: int) -> str:
    """The diffusers name of an original VAE tensor (without prefix), in a VAE of `levels` levels."""
    name = name.replace(".norm_out.", ".conv_norm_out.")
    side, _, rest = name.partition(".")
    if rest.startswith("mid.attn_1."):
        return f"{side}.mid_block.attentions.0.{_first(_VAE_ATTENTION, rest[len('mid.attn_1.') :])}"
    if rest.startswith("mid.block_"):
        number, _, inner = rest[len("mid.block_") :].partition(".")
        return f"{side}.mid_block.resnets.{int(number) - 1}.{inner.replace('nin_shortcut', 'conv_shortcut')}"
    match = _VAE_LEVEL.fullmatch(name)
    if match is None:
        return _old_attention(name)
    level, rest = int(match[2]), match[3].replace("nin_shortcut", "conv_shortcut")
    if match[1] == "decoder.up":
        block = f"decoder.up_blocks.{levels - 1 - level}"
        return f"{block}.upsamplers.0.{rest[9:]}" if rest.startswith("upsample.") else _layer(block, rest)
    block = f"encoder.down_blocks.{level}"
    return f"{block}.downsamplers.0.{rest[11:]}" if rest.startswith("downsample.") else _layer(block, rest)


def _layer(block: str, rest: str) -> str:
    return f"{block}.resnets.{rest[len('block.') :]}" if rest.startswith("block.") else f"{block}.{rest}"


def _old_attention(name: str) -> str:
    """diffusers' own earlier names of the VAE's attention, in files that were saved with them."""
    head, found, inner = name.partition(".mid_block.attentions.0.")
    return f"{head}{found}{_first(_VAE_ATTENTION, inner)}" if found else name
