"""Grey morphology with a square window: [batch, channels, height, width]; what lies outside the picture is ignored.

An even window has no middle. To erode, it reaches one pixel farther back than forward, and to dilate it is mirrored, as
Minkowski's sum has it: so an opening is nowhere brighter than the picture, and a closing nowhere darker.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType

from torch import Tensor
from torch.nn.functional import max_pool2d, pad


def dilate(image: Tensor, size: int) -> Tensor:
    """The highest value in a window of `size` pixels."""
    return _highest(image, size - 1 - size // 2, size // 2)


def erode(image: Tensor, size: int) -> Tensor:
    """The lowest value in the window."""
    return -_highest(-image, size // 2, size - 1 - size // 2)


def _highest(image: Tensor, before: int, after: int) -> Tensor:
    """The highest value from `before` pixels back to `after` pixels forward, in rows and columns."""
    size = before + 1 + after
    padded = pad(image, (before, after, before, after), value=float("-inf"))
    return max_pool2d(max_pool2d(padded, (size, 1), 1), (1, size), 1)


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
