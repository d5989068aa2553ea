"""Blurring and sharpening of IMAGEs, [batch, height, width, channels]."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn.functional import conv2d, pad

from ..errors import UnusableInput


def gaussian_weights(radius: int, sigma: float) -> Tensor:
    """2 * radius + 1 weights that add up to 1; `sigma` is in units of the radius, so that -1..1 spans the window."""
    positions = torch.linspace(-1, 1, 2 * radius + 1)
    weights = torch.exp(-(positions**2) / (2.0 * sigma**2))
    return weights / weights.sum()


def blur(image: Tensor, radius: int, sigma: float) -> Tensor:
    """Gaussian blur over a square window; the picture is mirrored at its edges. Raises `UnusableInput`."""
    smallest = min(image.shape[1:3])
    if radius >= smallest:
        raise UnusableInput(
            f"a radius of {radius} is too large for a picture of {image.shape[2]}x{image.shape[1]} pixels",
            f"Choose a radius below {smallest}, or a larger picture",
        )
    weights = gaussian_weights(radius, sigma).to(image)
    channels = image.shape[-1]
    padded = pad(image.movedim(-1, 1), (radius,) * 4, mode="reflect")
    rows = conv2d(padded, weights.view(1, 1, -1, 1).expand(channels, 1, -1, 1), groups=channels)
    both = conv2d(rows, weights.view(1, 1, 1, -1).expand(channels, 1, 1, -1), groups=channels)
    return both.movedim(1, -1)


def sharpen(image: Tensor, radius: int, sigma: float, alpha: float) -> Tensor:
    """`unsharp`, clamped to 0..1."""
    return unsharp(image, radius, sigma, alpha).clamp(0, 1)


def unsharp(image: Tensor, radius: int, sigma: float, alpha: float) -> Tensor:
    """Unsharp masking: ten times `alpha` of what a blur takes away is added. Raises `UnusableInput`."""
    return image + 10.0 * alpha * (image - blur(image, radius, sigma))
