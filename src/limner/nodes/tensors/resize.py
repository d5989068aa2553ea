"""Resizing of pictures and latents, with ComfyUI's results."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Literal, TypeAlias

import numpy as np
import torch
from PIL import Image
from torch import Tensor
from torch.nn.functional import interpolate

from limner.media.encode import to_bytes, to_pillow

from ..errors import UnusableInput
from .batches import check_channels
from .memory import check_fits

ImageMethod: TypeAlias = Literal["nearest-exact", "bilinear", "area", "bicubic", "lanczos"]
LatentMethod: TypeAlias = Literal["nearest-exact", "bilinear", "area", "bicubic", "bislerp"]
Crop: TypeAlias = Literal["disabled", "center"]


def resize(pixels: Tensor, width: int, height: int, method: str, crop: str = "disabled") -> Tensor:
    """`pixels` [batch, channels, ..., height, width] at the new size; inner dimensions (frames) are kept.

    With crop ``center`` the middle is cut out in the new proportions first; otherwise the picture is stretched.
    Raises `UnusableInput` for a size below 1, or one that memory cannot hold.
    """
    if width < 1 or height < 1:
        raise UnusableInput(f"the new size would be {width}x{height}", "Choose a larger width, height or scale")
    check_fits((*pixels.shape[:-2], height, width), f"a picture of {width}x{height} pixels")
    if pixels.ndim > 4:
        batch, channels = pixels.shape[:2]
        folded = pixels.flatten(2, -3).movedim(2, 1).flatten(0, 1)
        resized = resize(folded, width, height, method, crop).reshape(batch, -1, channels, height, width)
        return resized.movedim(1, 2).reshape(*pixels.shape[:-2], height, width)
    if crop == "center":
        pixels = _center(pixels, width, height)
    return _METHODS.get(method, _interpolated(method))(pixels, width, height)


def fitted(latent: Tensor, like: Tensor, method: LatentMethod = "bilinear") -> Tensor:
    """A latent cropped and scaled to the width and height of another; untouched where all but the batch agrees.

    Raises `UnusableInput` where the two are of different kinds of models.
    """
    if latent.shape[1:] == like.shape[1:]:
        return latent
    check_channels(like, latent)
    return resize(latent, like.shape[-1], like.shape[-2], method, "center")


def resize_image(image: Tensor, width: int, height: int, method: str, crop: str = "disabled") -> Tensor:
    """`resize` for an IMAGE, [batch, height, width, channels]."""
    return resize(image.movedim(-1, 1), width, height, method, crop).movedim(1, -1)


def _center(pixels: Tensor, width: int, height: int) -> Tensor:
    old_width, old_height = pixels.shape[-1], pixels.shape[-2]
    old, new = old_width / old_height, width / height
    x = round((old_width - old_width * (new / old)) / 2) if old > new else 0
    y = round((old_height - old_height * (old / new)) / 2) if old < new else 0
    x, y = min(x, (old_width - 1) // 2), min(y, (old_height - 1) // 2)  # at least one column and row
    return pixels[..., y : old_height - y, x : old_width - x]


def _interpolated(method: str) -> Callable[[Tensor, int, int], Tensor]:
    return lambda pixels, width, height: interpolate(pixels, size=(height, width), mode=method)


def _lanczos(pixels: Tensor, width: int, height: int) -> Tensor:
    """Through 8-bit pictures, as Pillow resamples them."""
    resized = []
    for picture in pixels.movedim(1, -1).float().cpu().numpy():
        scaled = np.asarray(to_pillow(to_bytes(picture)).resize((width, height), Image.Resampling.LANCZOS))
        resized.append(scaled.reshape(height, width, -1).astype(np.float32) / 255.0)
    return torch.from_numpy(np.stack(resized)).movedim(-1, 1).to(pixels.device, pixels.dtype)


def _bislerp(pixels: Tensor, width: int, height: int) -> Tensor:
    """Bilinear, but between the directions of neighbouring channel vectors (slerp) and between their lengths."""
    wide = _slerp_along(pixels.float(), width, -1)
    return _slerp_along(wide, height, -2).to(pixels.dtype)


def _slerp_along(pixels: Tensor, length: int, dim: int) -> Tensor:
    """Resample one dimension to `length`."""
    ramp = torch.arange(pixels.shape[dim], dtype=torch.float32, device=pixels.device)
    last = pixels.shape[dim] - 1
    low, high = (
        interpolate(positions.view(1, 1, 1, -1), size=(1, length), mode="bilinear").flatten()
        for positions in (ramp, (ramp + 1).clamp(max=last))
    )
    share = (low - low.floor()).view([-1 if axis == pixels.ndim + dim else 1 for axis in range(pixels.ndim)])
    return _slerp(pixels.index_select(dim, low.long()), pixels.index_select(dim, high.long()), share)


def _slerp(a: Tensor, b: Tensor, share: Tensor) -> Tensor:
    """Spherical interpolation of the vectors along dimension 1; nearly parallel ones give `a`, opposite ones a lerp."""
    length_a, length_b = (vector.norm(dim=1, keepdim=True) for vector in (a, b))
    unit_a = torch.where(length_a == 0, 0.0, a / length_a)
    unit_b = torch.where(length_b == 0, 0.0, b / length_b)
    cosine = (unit_a * unit_b).sum(1, keepdim=True)
    angle = torch.acos(cosine)
    sine = torch.sin(angle)
    direction = torch.sin((1 - share) * angle) / sine * unit_a + torch.sin(share * angle) / sine * unit_b
    mixed = direction * (length_a * (1 - share) + length_b * share)
    mixed = torch.where(cosine > 1 - 1e-5, a, mixed)
    return torch.where(cosine < 1e-5 - 1, a * (1 - share) + b * share, mixed)


_METHODS: Mapping[str, Callable[[Tensor, int, int], Tensor]] = MappingProxyType(
    {"lanczos": _lanczos, "bislerp": _bislerp}
)
