"""ComfyUI's `comfy.ops`: layers that cast their weights."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from limner.comfy.shims.objects.dtypes import cast_to
from limner.comfy.shims.objects.operations import (
    CastWeightBiasOp,
    cast_bias_weight,
    cast_to_input,
    disable_weight_init,
    fp8_ops,
    manual_cast,
    pick_operations,
    scaled_fp8_ops,
)

__all__ = ["CastWeightBiasOp", "cast_bias_weight", "cast_to", "cast_to_input", "disable_weight_init", "fp8_ops"]
__all__ += ["manual_cast", "pick_operations", "scaled_fp8_ops", "torch"]

CUBLAS_IS_AVAILABLE = False


def scaled_dot_product_attention(q: Tensor, k: Tensor, v: Tensor, *args: Any, **kwargs: Any) -> Tensor:
    return torch.nn.functional.scaled_dot_product_attention(q, k, v, *args, **kwargs)


def fp8_linear(self: Any, input: Tensor) -> None:
    """Nothing: products of 8 bits are not computed here, so that callers cast instead."""
