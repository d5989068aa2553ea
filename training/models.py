"""The three networks, small but laid out as in Stable Diffusion 1.x."""

from typing import Any

import torch
from diffusers import AutoencoderKL, UNet2DConditionModel
from torch import nn
from transformers import CLIPTextConfig, CLIPTextModel

SCALING_FACTOR = 0.18215
TRAIN_STEPS = 1000
BETA_START, BETA_END = 0.00085, 0.012

VAE_CONFIG: dict[str, Any] = {
    "in_channels": 3,
    "out_channels": 3,
    "latent_channels": 4,
    "down_block_types": ["DownEncoderBlock2D"] * 4,
    "up_block_types": ["UpDecoderBlock2D"] * 4,
    "block_out_channels": [32, 64, 128, 128],
    "layers_per_block": 1,
    "norm_num_groups": 16,
    "mid_block_add_attention": False,
    "sample_size": 128,
    "scaling_factor": SCALING_FACTOR,
}

UNET_CONFIG: dict[str, Any] = {
    "sample_size": 16,
    "in_channels": 4,
    "out_channels": 4,
    "down_block_types": ["DownBlock2D", "CrossAttnDownBlock2D", "DownBlock2D"],
    "up_block_types": ["UpBlock2D", "CrossAttnUpBlock2D", "UpBlock2D"],
    "block_out_channels": [128, 256, 256],
    "layers_per_block": 1,
    "norm_num_groups": 16,
    "cross_attention_dim": 256,
    "attention_head_dim": 4,
    "transformer_layers_per_block": 1,
}

TEXT_CONFIG: dict[str, Any] = {
    "vocab_size": 8192,
    "hidden_size": 256,
    "intermediate_size": 512,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "max_position_embeddings": 77,
    "hidden_act": "quick_gelu",
    "projection_dim": 256,
    "bos_token_id": 8190,
    "eos_token_id": 8191,
    "pad_token_id": 8191,
}


def make_vae() -> AutoencoderKL:
    """An untrained autoencoder: pixels (N, 3, 8h, 8w) in -1..1, latents (N, 4, h, w)."""
    return AutoencoderKL(**VAE_CONFIG)


def make_unet() -> UNet2DConditionModel:
    """An untrained UNet that predicts the noise of latents (N, 4, 16, 16)."""
    return UNet2DConditionModel(**UNET_CONFIG)


def make_text() -> CLIPTextModel:
    """An untrained text transformer: ids (N, 77) to states (N, 77, 256)."""
    return CLIPTextModel(CLIPTextConfig(**TEXT_CONFIG, attn_implementation="sdpa"))


def alphas_cumprod() -> torch.Tensor:
    """Signal variance after each of the training steps ("scaled linear"), float64 (1000,)."""
    roots = torch.linspace(BETA_START**0.5, BETA_END**0.5, TRAIN_STEPS, dtype=torch.float64)
    return torch.cumprod(1 - roots.square(), 0)


def count(module: nn.Module) -> int:
    """Number of parameters."""
    return sum(parameter.numel() for parameter in module.parameters())
