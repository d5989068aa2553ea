"""ComfyUI's `comfy.ops`: layers of torch that leave their weights as they are when they are made, and cast them.

A layer of `disable_weight_init` computes as torch's does until it is told to cast (`comfy_cast_weights`), or has
functions that change its weights as it runs; one of `manual_cast` casts its weights to each input's dtype and device.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ClassVar

import torch
from torch import Tensor, nn
from torch.nn import functional

from limner.comfy.shims.objects.dtypes import cast_to

Change = Callable[[Tensor], Tensor]


class CastWeightBiasOp:
    """What makes a layer cast. The functions change the weight, and the bias, as the layer runs."""

    comfy_cast_weights: bool = False
    weight_function: ClassVar[list[Change]] = []
    bias_function: ClassVar[list[Change]] = []


def cast_to_input(weight: Tensor, input: Tensor, non_blocking: bool = False, copy: bool = True) -> Tensor:
    return cast_to(weight, input.dtype, input.device, non_blocking, copy)


def cast_bias_weight(
    s: Any,
    input: Tensor | None = None,
    dtype: torch.dtype | None = None,
    device: Any = None,
    bias_dtype: torch.dtype | None = None,
) -> tuple[Tensor, Tensor | None]:
    """A layer's weight and bias for an input, or for a dtype and a device, with the layer's functions applied."""
    if input is not None:
        dtype, device = dtype or input.dtype, device or input.device
    weight = _changed(s.weight, s.weight_function, dtype, device)
    bias = None if s.bias is None else _changed(s.bias, s.bias_function, bias_dtype or dtype, device)
    return weight, bias


def _changed(tensor: Tensor, functions: list[Change], dtype: Any, device: Any) -> Tensor:
    tensor = cast_to(tensor, dtype, device, copy=bool(functions))
    for function in functions:
        tensor = function(tensor)
    return tensor


def _layer(base: Any, compute: Callable[..., Tensor]) -> Any:
    """A layer of torch that can cast; `compute(layer, weight, bias, input, ...)` is what it does with cast weights."""

    class Layer(base, CastWeightBiasOp):  # type: ignore[misc]
        def reset_parameters(self) -> None:
            """Nothing: weights come from a file."""

        def forward_comfy_cast_weights(self, input: Tensor, *args: Any, **kwargs: Any) -> Tensor:
            return compute(self, input, *args, **kwargs)

        def forward(self, *args: Any, **kwargs: Any) -> Tensor:
            if self.comfy_cast_weights or self.weight_function or self.bias_function:
                return self.forward_comfy_cast_weights(*args, **kwargs)
            plain: Tensor = super().forward(*args, **kwargs)
            return plain

    Layer.__name__, Layer.__qualname__ = base.__name__, f"disable_weight_init.{base.__name__}"
    return Layer


def _linear(layer: Any, input: Tensor) -> Tensor:
    return functional.linear(input, *cast_bias_weight(layer, input))


def _convolution(layer: Any, input: Tensor) -> Tensor:
    convolved: Tensor = layer._conv_forward(input, *cast_bias_weight(layer, input))
    return convolved


def _transposed(dimensions: int) -> Callable[..., Tensor]:
    function = functional.conv_transpose1d if dimensions == 1 else functional.conv_transpose2d

    def compute(layer: Any, input: Tensor, output_size: list[int] | None = None) -> Tensor:
        sizes = (layer.stride, layer.padding, layer.kernel_size, dimensions, layer.dilation)
        padding = layer._output_padding(input, output_size, *sizes)
        weight, bias = cast_bias_weight(layer, input)
        return function(input, weight, bias, layer.stride, layer.padding, padding, layer.groups, layer.dilation)

    return compute


def _groups(layer: Any, input: Tensor) -> Tensor:
    weight, bias = cast_bias_weight(layer, input)
    return functional.group_norm(input, layer.num_groups, weight, bias, layer.eps)


def _normalized(layer: Any, input: Tensor) -> Tensor:
    weight, bias = (None, None) if layer.weight is None else cast_bias_weight(layer, input)
    return functional.layer_norm(input, layer.normalized_shape, weight, bias, layer.eps)


def _mean_square(layer: Any, input: Tensor) -> Tensor:
    weight = None if layer.weight is None else cast_bias_weight(layer, input)[0]
    return functional.rms_norm(input, layer.normalized_shape, weight, layer.eps)


def _embedded(layer: Any, input: Tensor, out_dtype: torch.dtype | None = None) -> Tensor:
    half = layer.weight.dtype in (torch.float16, torch.bfloat16)
    weight, _ = cast_bias_weight(layer, device=input.device, dtype=None if half else out_dtype)
    options = (layer.padding_idx, layer.max_norm, layer.norm_type, layer.scale_grad_by_freq, layer.sparse)
    found = functional.embedding(input, weight, *options)
    return found.to(out_dtype) if out_dtype is not None else found


class _RMSNorm(nn.RMSNorm):
    bias = None


_RMSNorm.__name__ = "RMSNorm"


class _Embedding(nn.Embedding):
    bias = None

    def forward(self, input: Tensor, out_dtype: torch.dtype | None = None) -> Tensor:
        found = super().forward(input)
        return found.to(out_dtype) if out_dtype is not None else found


_Embedding.__name__ = "Embedding"


class disable_weight_init:
    """Layers that are not initialized."""

    Linear = _layer(nn.Linear, _linear)
    Conv1d = _layer(nn.Conv1d, _convolution)
    Conv2d = _layer(nn.Conv2d, _convolution)
    Conv3d = _layer(nn.Conv3d, _convolution)
    ConvTranspose1d = _layer(nn.ConvTranspose1d, _transposed(1))
    ConvTranspose2d = _layer(nn.ConvTranspose2d, _transposed(2))
    GroupNorm = _layer(nn.GroupNorm, _groups)
    LayerNorm = _layer(nn.LayerNorm, _normalized)
    RMSNorm = _layer(_RMSNorm, _mean_square)
    Embedding = _layer(_Embedding, _embedded)

    @classmethod
    def conv_nd(cls, dims: int, *args: Any, **kwargs: Any) -> Any:
        """A convolution of two or three dimensions. Raises ValueError for others."""
        if dims not in (2, 3):
            raise ValueError(f"unsupported dimensions: {dims}")
        return (cls.Conv2d if dims == 2 else cls.Conv3d)(*args, **kwargs)


def _casting(name: str) -> Any:
    base = getattr(disable_weight_init, name)
    return type(name, (base,), {"comfy_cast_weights": True, "__qualname__": f"manual_cast.{name}"})


class manual_cast(disable_weight_init):
    """Layers that are not initialized, and cast."""


for _name, _member in list(vars(disable_weight_init).items()):
    if isinstance(_member, type):
        setattr(manual_cast, _name, _casting(_name))


class fp8_ops(manual_cast):
    """Layers for weights of 8 bits, which are cast to each input's dtype."""


def scaled_fp8_ops(
    fp8_matrix_mult: bool = False, scale_input: bool = False, override_dtype: torch.dtype | None = None
) -> Any:
    """Layers for weights of 8 bits that come with a scale (`scale_weight`), one number for a whole weight."""

    linear: Any = manual_cast.Linear

    class ScaledLinear(linear):  # type: ignore[misc]
        weight: nn.Parameter

        def __init__(self, *args: Any, **kwargs: Any) -> None:
            if override_dtype is not None:
                kwargs["dtype"] = override_dtype
            super().__init__(*args, **kwargs)
            self.scale_weight = nn.Parameter(torch.ones((), device=kwargs.get("device")), requires_grad=False)
            scale = nn.Parameter(torch.ones((), device=kwargs.get("device")), requires_grad=False)
            self.scale_input = scale if scale_input else None

        def forward_comfy_cast_weights(self, input: Tensor) -> Tensor:
            weight, bias = cast_bias_weight(self, input)
            return functional.linear(input, weight * self.scale_weight.to(weight), bias)

        def convert_weight(self, weight: Tensor, inplace: bool = False, **kwargs: Any) -> Tensor:
            """The weight with its scale."""
            scale = self.scale_weight.to(weight.device, weight.dtype)
            return weight.mul_(scale) if inplace else weight * scale

        def set_weight(
            self, weight: Tensor, inplace_update: bool = False, seed: int | None = None, **kwargs: Any
        ) -> None:
            """Take a weight with its scale."""
            kept = (weight / self.scale_weight.to(weight.device, weight.dtype)).to(self.weight.dtype)
            if inplace_update:
                self.weight.data.copy_(kept)
            else:
                self.weight = nn.Parameter(kept, requires_grad=False)

    ScaledLinear.__name__ = "Linear"
    return type("scaled_fp8_op", (manual_cast,), {"Linear": ScaledLinear})


def pick_operations(
    weight_dtype: torch.dtype | None,
    compute_dtype: torch.dtype | None,
    load_device: Any = None,
    disable_fast_fp8: bool = False,
    fp8_optimizations: bool = False,
    scaled_fp8: torch.dtype | None = None,
) -> Any:
    """The layers for a network that is kept in one dtype and computes in another."""
    if scaled_fp8 is not None:
        return scaled_fp8_ops(override_dtype=scaled_fp8)
    same = compute_dtype is None or weight_dtype == compute_dtype
    return disable_weight_init if same else manual_cast
