"""Small pictures of work in progress and thumbnails of finished files."""

from __future__ import annotations

import io

from PIL import Image, ImageOps

from .encode import Pixels, to_pillow

_MEDIA_TYPES = {"JPEG": "image/jpeg", "PNG": "image/png", "WEBP": "image/webp"}


def encode_preview(pixels: Pixels, side: int = 512, form: str = "JPEG", quality: int = 95) -> tuple[bytes, str]:
    """(bytes, media type) of a [height, width, channels] picture, scaled to fit a square of `side` pixels.

    Pictures smaller than the square are enlarged; `side` 0 keeps the size.
    """
    image = to_pillow(pixels)
    if side > 0:
        image = ImageOps.contain(image, (side, side), Image.Resampling.BILINEAR)
    if form == "JPEG" and image.mode not in ("RGB", "L"):
        image = image.convert("RGB")
    buffer = io.BytesIO()
    image.save(buffer, format=form, quality=quality, compress_level=1)
    return buffer.getvalue(), _MEDIA_TYPES[form]
