"""CLIP's image encoders (Radford et al. 2021, arXiv:2103.00020), by transformers.

A file has transformers' names (`vision_model.*`, `visual_projection.weight`) or OpenCLIP's (`visual.*`, or the same
without the prefix). Sizes are read off the shapes; heads and activation are those of the published encoders.
"""

from collections.abc import Mapping
from typing import Any

import torch

from limner.diffusion.errors import CheckpointError
from limner.diffusion.families.base import Shapes
from limner.diffusion.families.loading import Loader

HEADS: Mapping[int, int] = {768: 12, 1024: 16, 1280: 16, 1664: 16}
"""Heads by width: ViT-B, -L, -H and -bigG."""
QUICK_GELU_WIDTHS = frozenset({768, 1024})
"""OpenAI's own encoders; the larger ones are OpenCLIP's, with the exact function."""
_OUTER = {
    "class_embedding": "vision_model.embeddings.class_embedding",
    "conv1.weight": "vision_model.embeddings.patch_embedding.weight",
    "positional_embedding": "vision_model.embeddings.position_embedding.weight",
    "ln_pre.weight": "vision_model.pre_layrnorm.weight",
    "ln_pre.bias": "vision_model.pre_layrnorm.bias",
    "ln_post.weight": "vision_model.post_layernorm.weight",
    "ln_post.bias": "vision_model.post_layernorm.bias",
}
_INNER = {
    "ln_1": "layer_norm1",
    "ln_2": "layer_norm2",
    "mlp.c_fc": "mlp.fc1",
    "mlp.c_proj": "mlp.fc2",
    "attn.out_proj": "self_attn.out_proj",
}


def converted(tensors: dict[str, torch.Tensor], prefix: str = "") -> dict[str, torch.Tensor]:
    """The tensors under `prefix` by transformers' names, whichever of the two namings they had; others are left out."""
    own = {name[len(prefix) :]: tensor for name, tensor in tensors.items() if name.startswith(prefix)}
    if not any(name.startswith("transformer.resblocks.") for name in own):
        return own
    made: dict[str, torch.Tensor] = {}
    for name, tensor in own.items():
        if name in _OUTER:
            made[_OUTER[name]] = tensor
        elif name == "proj":
            made["visual_projection.weight"] = tensor.T.contiguous()
        elif name.startswith("transformer.resblocks."):
            number, _, inner = name.removeprefix("transformer.resblocks.").partition(".")
            made |= _layer(f"vision_model.encoder.layers.{number}.", inner, tensor)
    return made


def _layer(place: str, inner: str, tensor: torch.Tensor) -> dict[str, torch.Tensor]:
    kind = inner.rpartition("_")[2]  # of attn.in_proj_weight
    if inner.startswith("attn.in_proj_"):
        parts = zip(("q_proj", "k_proj", "v_proj"), tensor.chunk(3), strict=True)
        return {f"{place}self_attn.{name}.{kind}": part for name, part in parts}
    head, _, last = inner.rpartition(".")
    return {f"{place}{_INNER.get(head, head)}.{last}": tensor}


def config_of(shapes: Shapes) -> dict[str, Any]:
    """The CLIPVisionConfig of tensors in transformers' names. Raises KeyError where one is missing."""
    width, _, patch, _ = shapes["vision_model.embeddings.patch_embedding.weight"]
    places = shapes["vision_model.embeddings.position_embedding.weight"][0]
    layers = 0
    while f"vision_model.encoder.layers.{layers}.mlp.fc1.weight" in shapes:
        layers += 1
    return {
        "hidden_size": width,
        "intermediate_size": shapes["vision_model.encoder.layers.0.mlp.fc1.weight"][0],
        "num_hidden_layers": layers,
        "num_attention_heads": HEADS.get(width, max(1, width // 64)),
        "image_size": round((places - 1) ** 0.5) * patch,
        "patch_size": patch,
        "projection_dim": shapes["visual_projection.weight"][0],
        "hidden_act": "quick_gelu" if width in QUICK_GELU_WIDTHS else "gelu",
    }


def build_clip_vision(loader: Loader) -> torch.nn.Module:
    """The encoder of a file in transformers' names. Raises CheckpointError where it holds none."""
    from limner.diffusion.families import networks

    try:
        config = config_of(loader.file.shapes())
    except (KeyError, ValueError) as error:
        problem = f"holds no CLIP image encoder ({error} is missing)"
        raise CheckpointError(loader.file.path, problem, "Choose a CLIP vision file") from error
    sources = loader.sources("", str)
    return loader.build(lambda: networks.clip_vision(config), sources, loader.precision.text, "image encoder")
