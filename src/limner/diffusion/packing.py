"""Weights in the order in which the processor multiplies them.

On the CPU oneDNN computes linear layers and convolutions, and it wants weights in blocks of its own. Given plain ones
it reorders them at every call, which for a batch of two small pictures takes a third of the time. Packing moves
numbers and changes none (on some processors a sum is taken in another order); a packed weight takes the plain one's
place, so it costs no memory.

A convolution of 1x1 stays plain: its blocks would have to fit the size of the picture, which is not known here. On
processors without AMX those that oneDNN chooses make it ten to fifty times as slow as the reordering, which is small.

A layer that is packed keeps its class and its parameters; only its `forward` is its own.
"""

from typing import Any, cast

import torch

_OPS = (
    "_is_mkldnn_bf16_supported",
    "_reorder_linear_weight",
    "_reorder_convolution_weight",
    "_linear_pointwise",
    "_convolution_pointwise",
)
DTYPE = torch.bfloat16
"""The dtype that is packed: in float32 the packed sums differ from the plain ones in their last bits."""


def available() -> bool:
    """Whether this build of torch can pack weights for this processor."""
    # Asking for the operators first: where they are missing, the library may be too.
    built = all(hasattr(torch.ops.mkldnn, name) for name in _OPS)
    return built and bool(torch.ops.mkldnn._is_mkldnn_bf16_supported())


def pack(module: torch.nn.Module) -> None:
    """Pack every linear layer and every plain 2-D convolution of `module` that is not 1x1, one at a time."""
    for layer in module.modules():
        if _packable(layer):
            layer = cast(torch.nn.Linear | torch.nn.Conv2d, layer)
            _set(layer, packed(layer, layer.weight))
            layer.__dict__["forward"] = _Forward(layer)


def packed(layer: torch.nn.Module, weight: torch.Tensor) -> torch.Tensor:
    """A plain weight of this layer, packed."""
    plain = weight.detach().contiguous()
    if isinstance(layer, torch.nn.Conv2d):
        return cast(torch.Tensor, torch.ops.mkldnn._reorder_convolution_weight(plain, *_geometry(layer), None))
    return cast(torch.Tensor, torch.ops.mkldnn._reorder_linear_weight(plain, None))


def plain(weight: torch.Tensor) -> torch.Tensor:
    """A weight, packed or not, as a plain tensor."""
    return weight.to_dense() if weight.is_mkldnn else weight


class _Forward:
    """The forward of a packed layer. Whatever is not as packing expects it goes the layer's own way."""

    __slots__ = ("_conv", "_layer")

    def __init__(self, layer: torch.nn.Linear | torch.nn.Conv2d) -> None:
        self._layer = layer
        self._conv = _geometry(layer) if isinstance(layer, torch.nn.Conv2d) else None

    def __call__(self, x: torch.Tensor) -> torch.Tensor:
        weight, bias = self._layer.weight, self._layer.bias
        if not weight.is_mkldnn:
            return type(self._layer).forward(cast(Any, self._layer), x)
        if self._conv is None:
            result = torch.ops.mkldnn._linear_pointwise(x.contiguous(), weight, bias, "none", [], "")
        else:
            result = torch.ops.mkldnn._convolution_pointwise(x, weight, bias, *self._conv, "none", [], "")
        return cast(torch.Tensor, result)


def _packable(layer: torch.nn.Module) -> bool:
    if type(layer) is torch.nn.Linear:
        return layer.weight.dtype is DTYPE and layer.weight.device.type == "cpu"
    if type(layer) is not torch.nn.Conv2d or layer.weight.dtype is not DTYPE or layer.weight.device.type != "cpu":
        return False
    if layer.kernel_size == (1, 1):
        return False
    return layer.groups == 1 and layer.padding_mode == "zeros" and not isinstance(layer.padding, str)


def _set(layer: torch.nn.Module, weight: torch.Tensor) -> None:
    layer._parameters["weight"] = torch.nn.Parameter(weight, requires_grad=False)


def _geometry(layer: torch.nn.Conv2d) -> tuple[list[int], list[int], list[int], int]:
    padding = cast(tuple[int, ...], layer.padding)
    return list(padding), list(layer.stride), list(layer.dilation), layer.groups
