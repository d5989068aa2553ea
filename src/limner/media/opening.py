"""Opening picture files that may come from anywhere.

Sizes are checked in the header, before any pixel is decoded; formats that Pillow has another program draw are refused,
so that nothing from outside is run. What Pillow raises becomes `BadFile`.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path

from PIL import Image, UnidentifiedImageError

from limner.files.errors import BadFile

_PROGRAMS = frozenset({"EPS"})


@dataclass(frozen=True, slots=True)
class Limits:
    """What is read at most: pixels of one frame, and of all frames together."""

    pixels: int = 89_478_485
    all_pixels: int = 536_870_912


@contextlib.contextmanager
def opened(source: Path | BytesIO, limits: Limits, name: str = "") -> Iterator[Image.Image]:
    """The picture, not decoded yet; `name` is what errors call it. Raises `BadFile`, for what goes wrong inside too."""
    name = name or (source.name if isinstance(source, Path) else "the picture")
    try:
        with Image.open(source) as file:
            if file.format in _PROGRAMS:
                raise BadFile(
                    f"{name} is a program in {file.format} form, not a picture", "Save it as PNG and load that"
                )
            width, height = file.size
            if width * height > limits.pixels:
                raise BadFile(*_too_large(name, width * height, limits))
            yield file
    except BadFile:
        raise
    except (Image.DecompressionBombError, Image.DecompressionBombWarning):
        raise BadFile(*_too_large(name, None, limits)) from None
    except UnidentifiedImageError:
        raise BadFile(
            f"{name} is not a picture, or is damaged", "Save it again as PNG, JPEG or WebP and load that"
        ) from None
    except (OSError, SyntaxError, ValueError, EOFError, MemoryError) as error:
        raise BadFile(f"{name} is damaged or cut short ({error})", "Copy or save the picture again") from None


def _too_large(name: str, pixels: int | None, limits: Limits) -> tuple[str, str]:
    size = "too many" if pixels is None else f"{pixels / 10**6:.0f}"
    allowed = f"{limits.pixels / 10**6:.0f}"
    return (
        f"{name} has {size} megapixels; at most {allowed} are read",
        f"Scale the picture down to at most {allowed} megapixels and load that",
    )
