"""ComfyUI's `openaimodel`: the U-Net over diffusers', and names for the classes of its layers."""

from __future__ import annotations

from diffusers.models.downsampling import Downsample2D
from diffusers.models.resnet import ResnetBlock2D
from diffusers.models.transformers.transformer_2d import Transformer2DModel
from diffusers.models.upsampling import Upsample2D
from torch import nn

from limner.comfy.shims.absent import absent_class
from limner.comfy.shims.objects.unet import (
    TimestepEmbedSequential,
    UNetModel,
    apply_control,
    forward_timestep_embed,
)

__all__ = ["TimestepEmbedSequential", "UNetModel", "apply_control", "forward_timestep_embed"]

_ATTENTION = "comfy.ldm.modules.attention"
ResBlock = absent_class(f"{__name__}.ResBlock", ResnetBlock2D)
Upsample = absent_class(f"{__name__}.Upsample", Upsample2D)
Downsample = absent_class(f"{__name__}.Downsample", Downsample2D)
SpatialTransformer = absent_class(f"{_ATTENTION}.SpatialTransformer", Transformer2DModel)


class TimestepBlock(nn.Module):
    """A layer that takes the time beside the latent."""
