"""Pictures that nodes show while they work, in whatever form they have them -> bytes for the editor."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from limner.media.encode import to_bytes
from limner.media.preview import encode_preview

SIDE = 512
"""Pixels: larger pictures are made smaller on their way."""


def encoded(image: Any) -> tuple[bytes, str]:
    """(bytes, media type) of a tensor or array [(batch,) height, width(, channels)], or of a Pillow image.

    Floats are in 0..1, whole numbers in 0..255; of a batch the first is shown. Raises TypeError for what is no picture.
    """
    if hasattr(image, "convert") and hasattr(image, "getbands"):
        pixels: NDArray[Any] = np.asarray(image.convert("RGBA" if "A" in image.getbands() else "RGB"))
    elif hasattr(image, "detach"):
        tensor = image.detach().cpu()
        pixels = (tensor if str(tensor.dtype) == "torch.uint8" else tensor.float()).numpy()
    elif isinstance(image, np.ndarray):
        pixels = image
    else:
        raise TypeError(f"a preview is a picture or the bytes of one, not {type(image).__name__}")
    while pixels.ndim > 3 or (pixels.ndim == 3 and pixels.shape[2] > 4):
        pixels = pixels[0]
    if pixels.dtype != np.uint8:
        pixels = to_bytes(pixels.astype(np.float32))
    return encode_preview(pixels, SIDE if max(pixels.shape[:2]) > SIDE else 0)
