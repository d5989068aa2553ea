"""Arrays -> picture files' bytes, with texts (the workflow) inside.

PNG holds texts as text chunks, an animated PNG as `comf` chunks after the pixels; WebP and JPEG in EXIF fields, from
`Model` downwards, as `key:text`: the places where ComfyUI's editor looks for them.
"""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from PIL.PngImagePlugin import PngInfo

Pixels: TypeAlias = NDArray[np.uint8]
Texts: TypeAlias = Mapping[str, str]

_FIRST_FIELD = 0x0110
WEBP_METHODS: Mapping[str, int] = {"default": 4, "fastest": 0, "slowest": 6}


def to_bytes(image: NDArray[np.floating[Any]]) -> Pixels:
    """0..1 -> 0..255, clipped, fractions cut off."""
    scaled: Pixels = np.clip(np.nan_to_num(255.0 * image), 0, 255).astype(np.uint8)
    return scaled


def to_pillow(pixels: Pixels) -> Image.Image:
    """[height, width, channels] with 1 (grey), 2 (grey, alpha), 3 (RGB) or 4 (RGBA) channels. Raises `ValueError`."""
    if pixels.ndim == 3 and pixels.shape[2] == 1:
        pixels = pixels[:, :, 0]
    if pixels.ndim not in (2, 3) or (pixels.ndim == 3 and pixels.shape[2] > 4):
        raise ValueError(f"an image has 1 to 4 channels, not the shape {tuple(pixels.shape)}")
    return Image.fromarray(np.ascontiguousarray(pixels))


def encode_png(pixels: Pixels, texts: Texts | None = None, compress_level: int = 4) -> bytes:
    """One picture; `compress_level` 0 (none) to 9 (smallest)."""
    info = PngInfo()
    for key, text in (texts or {}).items():
        info.add_text(key, text)
    return _saved(to_pillow(pixels), "PNG", pnginfo=info, compress_level=compress_level)


def encode_animated_png(
    frames: Sequence[Pixels], fps: float, texts: Texts | None = None, compress_level: int = 4
) -> bytes:
    """Frames of one size, shown for 1/fps seconds each."""
    info = PngInfo()
    for key, text in (texts or {}).items():
        info.add(b"comf", key.encode("latin-1", "strict") + b"\0" + text.encode("latin-1", "strict"), after_idat=True)
    first, *others = map(to_pillow, frames)
    return _saved(
        first,
        "PNG",
        pnginfo=info,
        compress_level=compress_level,
        save_all=True,
        duration=int(1000.0 / fps),
        append_images=others,
    )


def encode_webp(
    frames: Sequence[Pixels],
    fps: float = 6.0,
    texts: Texts | None = None,
    *,
    lossless: bool = True,
    quality: int = 80,
    method: int = 4,
) -> bytes:
    """One picture, or an animation of frames of one size; `quality` 0..100, `method` 0 (fast) .. 6 (small)."""
    first, *others = map(to_pillow, frames)
    return _saved(
        first,
        "WEBP",
        save_all=True,
        duration=int(1000.0 / fps),
        append_images=others,
        exif=_exif(texts),
        lossless=lossless,
        quality=quality,
        method=method,
    )


def encode_jpeg(pixels: Pixels, texts: Texts | None = None, quality: int = 95) -> bytes:
    """One picture; alpha is dropped. `quality` 1..100."""
    return _saved(to_pillow(pixels).convert("RGB"), "JPEG", exif=_exif(texts), quality=quality)


def _exif(texts: Texts | None) -> bytes:
    exif = Image.Exif()
    for offset, (key, text) in enumerate((texts or {}).items()):
        exif[_FIRST_FIELD - offset] = f"{key}:{text}"
    return exif.tobytes()


def _saved(image: Image.Image, form: str, **options: Any) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, format=form, **options)
    return buffer.getvalue()
