"""Names of U-Net and CLIP tensors in the original files, in diffusers and in transformers, as in `comfy.utils`."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from torch import Tensor

from limner.diffusion.families.ldm_keys import unet_key


def _both(*stems: str) -> list[str]:
    """Weight and bias of each."""
    return [f"{stem}.{end}" for stem in stems for end in ("weight", "bias")]


UNET_MAP_ATTENTIONS = set(_both("proj_in", "proj_out", "norm"))
TRANSFORMER_BLOCKS = {
    *_both("norm1", "norm2", "norm3", "attn1.to_out.0", "attn2.to_out.0", "ff.net.0.proj", "ff.net.2"),
    *(f"attn{number}.to_{part}.weight" for number in (1, 2) for part in "qkv"),
}
_RESNET = _both("in_layers.2", "emb_layers.1", "out_layers.3", "skip_connection", "in_layers.0", "out_layers.0")
UNET_MAP_RESNET = {
    name: unet_key(f"input_blocks.1.0.{name}", 2).removeprefix("down_blocks.0.resnets.0.") for name in _RESNET
}
_BASIC = _both("label_emb.0.0", "label_emb.0.2", "input_blocks.0.0", "out.0", "out.2", "time_embed.0", "time_embed.2")
UNET_MAP_BASIC = {(name, unet_key(name, 2)) for name in _BASIC} | {
    (name, unet_key(name, 2).replace("add_embedding", "class_embedding"))
    for name in _both("label_emb.0.0", "label_emb.0.2")
}


def unet_to_diffusers(unet_config: Mapping[str, Any]) -> dict[str, str]:
    """diffusers' name -> the original name, of every tensor that a U-Net of this configuration may have."""
    if "num_res_blocks" not in unet_config:
        return {}
    layers = unet_config["num_res_blocks"][0]
    found = {unet_key(name, layers): name for name in _originals(unet_config, layers)}
    return found | {there: here for here, there in UNET_MAP_BASIC}


def _originals(config: Mapping[str, Any], layers: int) -> Iterator[str]:
    levels = len(config["channel_mult"])
    depths, depths_up = list(config["transformer_depth"]), list(config["transformer_depth_output"])
    for level in range(levels):
        first = 1 + (layers + 1) * level
        for layer in range(layers):
            yield from _block(f"input_blocks.{first + layer}", depths[level * layers + layer])
        yield from _both(f"input_blocks.{first + layers}.0.op")
    yield from (f"middle_block.{number}.{name}" for number in (0, 2) for name in _RESNET)
    yield from _attention("middle_block.1", config.get("transformer_depth_middle") or 0)
    for number in range(levels * (layers + 1)):
        depth = depths_up[-1 - number]
        yield from _block(f"output_blocks.{number}", depth)
        if number % (layers + 1) == layers:
            yield from _both(f"output_blocks.{number}.{2 if depth else 1}.conv")


def _block(name: str, depth: int) -> Iterator[str]:
    yield from (f"{name}.0.{inner}" for inner in _RESNET)
    if depth > 0:
        yield from _attention(f"{name}.1", depth)


def _attention(name: str, depth: int) -> Iterator[str]:
    yield from (f"{name}.{inner}" for inner in UNET_MAP_ATTENTIONS)
    yield from (f"{name}.transformer_blocks.{n}.{inner}" for n in range(depth) for inner in TRANSFORMER_BLOCKS)


_CLIP_OUTER = {
    "positional_embedding": "embeddings.position_embedding.weight",
    "token_embedding.weight": "embeddings.token_embedding.weight",
    "ln_final.weight": "final_layer_norm.weight",
    "ln_final.bias": "final_layer_norm.bias",
}
_CLIP_INNER = {
    "ln_1": "layer_norm1",
    "ln_2": "layer_norm2",
    "mlp.c_fc": "mlp.fc1",
    "mlp.c_proj": "mlp.fc2",
    "attn.out_proj": "self_attn.out_proj",
}


def transformers_convert(sd: dict[str, Tensor], prefix_from: str, prefix_to: str, number: int) -> dict[str, Tensor]:
    """Tensors of OpenAI's CLIP under transformers' names; `number` layers at most. Changes `sd`."""
    for old, new in _CLIP_OUTER.items():
        if prefix_from + old in sd:
            sd[prefix_to + new] = sd.pop(prefix_from + old)
    for layer in range(number):
        source, target = f"{prefix_from}transformer.resblocks.{layer}.", f"{prefix_to}encoder.layers.{layer}."
        for old, new in _CLIP_INNER.items():
            for end in ("weight", "bias"):
                if f"{source}{old}.{end}" in sd:
                    sd[f"{target}{new}.{end}"] = sd.pop(f"{source}{old}.{end}")
        for end in ("weight", "bias"):
            joined = sd.pop(f"{source}attn.in_proj_{end}", None)
            for part, tensor in zip("qkv", () if joined is None else joined.chunk(3), strict=False):
                sd[f"{target}self_attn.{part}_proj.{end}"] = tensor
    return sd


def clip_text_transformers_convert(sd: dict[str, Tensor], prefix_from: str, prefix_to: str) -> dict[str, Tensor]:
    """The same of a text encoder, with its projection. Changes `sd`."""
    transformers_convert(sd, prefix_from, f"{prefix_to}text_model.", 32)
    name = f"{prefix_to}text_projection.weight"
    if f"{prefix_from}text_projection.weight" in sd:
        sd[name] = sd.pop(f"{prefix_from}text_projection.weight")
    if f"{prefix_from}text_projection" in sd:
        sd[name] = sd.pop(f"{prefix_from}text_projection").transpose(0, 1).contiguous()
    return sd
