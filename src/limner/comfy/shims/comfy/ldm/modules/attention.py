"""ComfyUI's `comfy.ldm.modules.attention`: attention as a function, by torch's own kernel."""

from __future__ import annotations

from typing import Any

import torch
from diffusers.models import attention as diffusers_block
from diffusers.models import attention_processor as diffusers_attention
from diffusers.models.transformers.transformer_2d import Transformer2DModel
from torch import Tensor

from limner.comfy.shims.absent import absent_class

SDP_BATCH_LIMIT = 2**15


def attention_pytorch(
    q: Tensor,
    k: Tensor,
    v: Tensor,
    heads: int,
    mask: Tensor | None = None,
    attn_precision: torch.dtype | None = None,
    skip_reshape: bool = False,
    skip_output_reshape: bool = False,
    **kwargs: Any,
) -> Tensor:
    """softmax(q k^T / sqrt(width)) v.

    q, k and v are [batch, tokens, heads * width], with `skip_reshape` [batch, heads, tokens, width]; the result is
    [batch, tokens, heads * width], with `skip_output_reshape` [batch, heads, tokens, width]. A mask of 2 or 3
    dimensions is broadcast over batch and heads.
    """
    if not skip_reshape:
        q, k, v = (part.reshape(*part.shape[:2], heads, -1).transpose(1, 2) for part in (q, k, v))
    if mask is not None:
        mask = mask.reshape(1, *mask.shape) if mask.ndim == 2 else mask
        mask = mask.unsqueeze(1) if mask.ndim == 3 else mask
    out = torch.nn.functional.scaled_dot_product_attention(q, k, v, attn_mask=mask, dropout_p=0.0, is_causal=False)
    return out if skip_output_reshape else out.transpose(1, 2).flatten(2)


attention_basic = attention_split = attention_sub_quad = attention_pytorch
optimized_attention = optimized_attention_masked = attention_pytorch
REGISTERED_ATTENTION_FUNCTIONS = {"pytorch": attention_pytorch}


def optimized_attention_for_device(device: Any, mask: bool = False, small_input: bool = False) -> Any:
    return attention_pytorch


def get_attention_function(name: str, default: Any = None) -> Any:
    """The function of a name; the default, or the one there is, where none is given."""
    if name == "optimized":
        return optimized_attention
    return REGISTERED_ATTENTION_FUNCTIONS.get(name, default)


def register_attention_function(name: str, func: Any) -> None:
    REGISTERED_ATTENTION_FUNCTIONS.setdefault(name, func)


def get_attn_precision(attn_precision: Any, current_dtype: Any = None) -> Any:
    return attn_precision


def exists(val: Any) -> bool:
    return val is not None


def default(val: Any, d: Any) -> Any:
    return d if val is None else val


CrossAttention = absent_class(f"{__name__}.CrossAttention", diffusers_attention.Attention)
BasicTransformerBlock = absent_class(f"{__name__}.BasicTransformerBlock", diffusers_block.BasicTransformerBlock)
FeedForward = absent_class(f"{__name__}.FeedForward", diffusers_block.FeedForward)
SpatialTransformer = absent_class(f"{__name__}.SpatialTransformer", Transformer2DModel)
"""Names for the classes of diffusers' layers, which packs ask of what they find in a model."""
