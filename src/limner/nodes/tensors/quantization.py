"""Pictures in few colours."""

from __future__ import annotations

from typing import Literal, TypeAlias

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor

from limner.media.encode import to_pillow

Dither: TypeAlias = Literal["none", "floyd-steinberg", "bayer-2", "bayer-4", "bayer-8", "bayer-16"]


def quantized(picture: Tensor, colors: int, dither: Dither) -> Tensor:
    """[height, width, 3] in at most `colors` colours, chosen by median cut."""
    pixels = (picture[..., :3] * 255).to(torch.uint8).cpu().numpy()
    source = to_pillow(pixels)
    palette = source.quantize(colors=colors)
    if dither == "floyd-steinberg":
        reduced = source.quantize(palette=palette, dither=Image.Dither.FLOYDSTEINBERG)
    else:
        if dither.startswith("bayer-"):
            spread = 2 * 256 / (len(palette.getpalette() or (0, 0, 0)) // 3)
            source = to_pillow(_ordered(pixels, int(dither.removeprefix("bayer-")), spread))
        reduced = source.quantize(palette=palette, dither=Image.Dither.NONE)
    result = torch.from_numpy(np.array(reduced.convert("RGB"))).float() / 255
    return result.to(picture.device)


def _ordered(pixels: NDArray[np.uint8], size: int, spread: float) -> NDArray[np.uint8]:
    """The pixels with a tiled Bayer matrix of `size` added, `spread` wide."""
    height, width = pixels.shape[:2]
    matrix = spread * _bayer(size) + 0.5
    tiled = np.tile(matrix, (-(-height // size), -(-width // size)))[:height, :width, None]
    dithered: NDArray[np.uint8] = np.clip(pixels.astype(np.float32) + tiled, 0, 255).astype(np.uint8)
    return dithered


def _bayer(size: int) -> NDArray[np.float32]:
    """The threshold matrix of Bayer (1973) for ordered dithering, about -0.5..0.5. `size` is a power of two."""
    if size == 1:
        return np.zeros((1, 1), np.float32)
    scale = size * size
    inner = scale * _bayer(size // 2)
    return np.block([[inner - 1.5, inner + 0.5], [inner + 1.5, inner - 0.5]]).astype(np.float32) / np.float32(scale)
