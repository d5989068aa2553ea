"""Grey morphology with a square window: [batch, channels, height, width]; what lies outside the picture is ignored."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType

from torch import Tensor
from torch.nn.functional import max_pool2d, pad


def dilate(image: Tensor, size: int) -> Tensor:
    """The highest value in a window of `size` pixels; an even window reaches one pixel farther back than forward."""
    before, after = size // 2, size - 1 - size // 2
    padded = pad(image, (before, after, before, after), value=float("-inf"))
    return max_pool2d(max_pool2d(padded, (size, 1), 1), (1, size), 1)


def erode(image: Tensor, size: int) -> Tensor:
    """The lowest value in the window."""
    return -dilate(-image, size)


def _open(image: Tensor, size: int) -> Tensor:
    return dilate(erode(image, size), size)


def _close(image: Tensor, size: int) -> Tensor:
    return erode(dilate(image, size), size)


MORPHOLOGY: Mapping[str, Callable[[Tensor, int], Tensor]] = MappingProxyType(
    {
        "erode": erode,
        "dilate": dilate,
        "open": _open,
        "close": _close,
        "gradient": lambda image, size: dilate(image, size) - erode(image, size),
        "bottom_hat": lambda image, size: _close(image, size) - image,
        "top_hat": lambda image, size: image - _open(image, size),
    }
)
