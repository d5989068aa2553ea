"""The architectures, all of them kept by their authors: diffusers' networks and transformers' text encoders.

Importing this module takes seconds (both libraries load much besides), so it is imported at the first load of a file.
"""

from collections.abc import Mapping
from typing import Any

import torch
from diffusers.models.autoencoders.autoencoder_kl import AutoencoderKL
from diffusers.models.controlnets.controlnet import ControlNetModel
from diffusers.models.unets.unet_2d_condition import UNet2DConditionModel
from transformers.models.clip.configuration_clip import CLIPTextConfig, CLIPVisionConfig
from transformers.models.clip.modeling_clip import CLIPTextModel, CLIPVisionModelWithProjection


def unet(config: Mapping[str, Any]) -> torch.nn.Module:
    """diffusers' UNet2DConditionModel. Raises TypeError or ValueError on a configuration that it does not know."""
    module: torch.nn.Module = UNet2DConditionModel(**_without_private(config))
    return module


def controlnet(config: Mapping[str, Any]) -> torch.nn.Module:
    """diffusers' ControlNetModel."""
    module: torch.nn.Module = ControlNetModel(**_without_private(config))
    return module


def autoencoder_kl(config: Mapping[str, Any]) -> torch.nn.Module:
    """diffusers' AutoencoderKL."""
    module: torch.nn.Module = AutoencoderKL(**_without_private(config))
    return module


def clip_text(config: Mapping[str, Any]) -> torch.nn.Module:
    """transformers' CLIPTextModel."""
    module: torch.nn.Module = CLIPTextModel(CLIPTextConfig(**_without_private(config)))
    return module


def clip_vision(config: Mapping[str, Any]) -> torch.nn.Module:
    """transformers' CLIPVisionModelWithProjection."""
    module: torch.nn.Module = CLIPVisionModelWithProjection(CLIPVisionConfig(**_without_private(config)))
    return module


def _without_private(config: Mapping[str, Any]) -> dict[str, Any]:
    """Configurations saved by the libraries carry `_class_name` and the like beside the arguments."""
    return {name: value for name, value in config.items() if not name.startswith("_")}
