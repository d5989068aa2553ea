"""Picture files -> arrays, with ComfyUI's conventions.

- EXIF orientation is applied. 32-bit integer modes are scaled by 1/255 before they become RGB, 16-bit ones clipped.
- Alpha becomes a mask: 1 where the picture is transparent. A picture without alpha has a 64x64 mask of zeros.
- All frames of an animation are read that have the first frame's size; of multi-picture JPEGs (MPO) the first only.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps, ImageSequence

from limner.files.errors import BadFile

from .opening import Limits, opened

Array: TypeAlias = NDArray[np.float32]
Pixels: TypeAlias = NDArray[np.uint8]


@dataclass(frozen=True, slots=True)
class Picture:
    """`image` [frames, height, width, 3] and `mask` [frames or 1, height or 64, width or 64], float32 in 0..1."""

    image: Array
    mask: Array


def read_picture(path: Path, limits: Limits | None = None) -> Picture:
    """All frames of a picture file. Raises `BadFile`."""
    limits = limits or Limits()
    with opened(path, limits) as file:
        frames: list[Pixels] = []
        masks: list[Array | None] = []
        total = 0
        for raw in ImageSequence.Iterator(file):
            frame = _upright(raw)
            pixels: Pixels = np.array(frame.convert("RGB"))
            if frames and pixels.shape != frames[0].shape:
                continue
            total += pixels.shape[0] * pixels.shape[1]
            if total > limits.all_pixels:
                raise BadFile(
                    f"{path.name} has more than {limits.all_pixels // 10**6} megapixels in all its frames",
                    "Cut the animation into parts, or scale it down",
                )
            frames.append(pixels)
            masks.append(_transparency(frame))
            if file.format == "MPO":
                break
    if not frames:
        raise BadFile(f"{path.name} holds no picture", "Save it again, for example as PNG")
    return Picture(np.stack(frames).astype(np.float32) / np.float32(255.0), _stacked(masks, frames[0].shape))


def read_channel(path: Path, channel: str, limits: Limits | None = None) -> Array:
    """One channel (`alpha`, `red`, `green`, `blue`) of the first frame, [1, height, width] in 0..1; alpha inverted.

    Raises `BadFile`.
    """
    with opened(path, limits or Limits()) as file:
        frame = _upright(file)
        band = frame.convert("RGBA").getchannel(channel[0].upper())
        values: Array = np.array(band).astype(np.float32)[None] / np.float32(255.0)
    return np.float32(1.0) - values if channel == "alpha" else values


def _upright(frame: Image.Image) -> Image.Image:
    """The frame as EXIF says to show it, in a mode that has its alpha as a band; its pixels are decoded here."""
    turned = ImageOps.exif_transpose(frame) or frame
    if turned.mode == "I":
        return turned.point(lambda value: value * (1 / 255))
    if turned.mode == "P" and "transparency" in turned.info:
        return turned.convert("RGBA")
    return turned


def _transparency(frame: Image.Image) -> Array | None:
    """1 - alpha, or None for a frame without alpha."""
    if "A" not in frame.getbands():
        return None
    alpha: Array = np.array(frame.getchannel("A")).astype(np.float32) / np.float32(255.0)
    return np.float32(1.0) - alpha


def _stacked(masks: list[Array | None], shape: tuple[int, ...]) -> Array:
    """The frames' masks; opaque frames are zeros, 64x64 where no frame has alpha."""
    height, width = shape[:2] if any(mask is not None for mask in masks) else (64, 64)
    opaque = np.zeros((height, width), np.float32)
    return np.stack([opaque if mask is None else mask for mask in masks])
