"""Pictures made for a view: smaller encodings, single channels, masks put in. Pillow; imported when first needed."""

from __future__ import annotations

import contextlib
import io
import warnings
from collections.abc import Iterator
from pathlib import Path

from PIL import Image, UnidentifiedImageError
from PIL.PngImagePlugin import PngInfo

from limner.files import BadFile
from limner.media.opening import Limits, opened

LIMITS = Limits(pixels=178_956_970)
"""More than nodes read: what they have made is shown, however large."""
QUALITY = 90


def rendered(path: Path, preview: str | None, channel: str) -> tuple[bytes, str]:
    """The picture as a preview (`webp;90`), or its colours (`rgb`) or alpha (`a`) as PNG: bytes and media type.

    Raises `BadFile`.
    """
    with _opened(path) as picture:
        if preview is not None:
            return _preview(picture, preview, channel)
        shown = picture.convert("RGB") if channel == "rgb" else _alpha(picture)
        return _saved(shown, "PNG"), "image/png"


@contextlib.contextmanager
def _opened(source: Path | io.BytesIO, name: str = "") -> Iterator[Image.Image]:
    """The picture, decoded. Raises `BadFile`."""
    with contextlib.ExitStack() as stack:
        with warnings.catch_warnings():  # Pillow's own measure of what is large
            warnings.simplefilter("ignore", Image.DecompressionBombWarning)
            picture = stack.enter_context(opened(source, LIMITS, name))
        picture.load()
        yield picture


def check_size(data: bytes, name: str) -> None:
    """Refuse a picture that would be too large when it is decoded; what is no picture passes. Raises `BadFile`."""
    try:
        with _measured(io.BytesIO(data)) as picture:
            pixels = picture.width * picture.height
    except Image.DecompressionBombError:
        pixels = LIMITS.pixels + 1
    except (UnidentifiedImageError, OSError, SyntaxError, ValueError, EOFError):
        return
    if pixels > LIMITS.pixels:
        allowed = LIMITS.pixels // 10**6
        raise BadFile(f"{name} has more than {allowed} megapixels", "Scale the picture down and upload that")


def _measured(source: io.BytesIO) -> Image.Image:
    with warnings.catch_warnings():  # Pillow's own measure of what is large
        warnings.simplefilter("ignore", Image.DecompressionBombWarning)
        return Image.open(source)


def _preview(picture: Image.Image, wanted: str, channel: str) -> tuple[bytes, str]:
    parts = wanted.split(";")
    kind = parts[0] if parts[0] in ("webp", "jpeg") and "a" not in channel.replace("rgba", "") else "webp"
    quality = min(100, max(1, int(parts[-1]))) if parts[-1].isdecimal() else QUALITY
    flat = kind == "jpeg" or channel == "rgb"
    shown = picture.convert("RGB") if flat or picture.mode not in ("RGB", "RGBA") else picture
    return _saved(shown, kind.upper(), quality=quality), f"image/{kind}"


def _alpha(picture: Image.Image) -> Image.Image:
    """A transparent black picture with the alpha of this one."""
    shown = Image.new("RGBA", picture.size)
    shown.putalpha(picture.convert("RGBA").getchannel("A"))
    return shown


def _saved(picture: Image.Image, kind: str, **options: object) -> bytes:
    buffer = io.BytesIO()
    picture.save(buffer, format=kind, **options)
    return buffer.getvalue()


def as_type(source: Path | io.BytesIO, media: str) -> bytes:
    """The picture as PNG, WebP or JPEG (`image/png`, ...). Raises `BadFile`."""
    kind = media.removeprefix("image/").upper()
    with _opened(source, "the picture") as picture:
        usable = ("RGB", "L") if kind == "JPEG" else ("RGB", "RGBA", "L")
        shown = picture if picture.mode in usable else picture.convert("RGB" if kind == "JPEG" else "RGBA")
        return _saved(shown, kind, **({} if kind == "PNG" else {"quality": QUALITY}))


def masked(original: Path, mask: bytes) -> bytes:
    """The original as PNG, with its texts, and the alpha of the mask. Raises `BadFile`."""
    with _opened(original) as picture, _opened(io.BytesIO(mask), "the mask") as given:
        if picture.size != given.size:
            raise BadFile(
                f"the mask is {given.width}x{given.height} and the picture {picture.width}x{picture.height}",
                "Draw the mask at the picture's size",
            )
        texts = PngInfo()
        for key, text in getattr(picture, "text", {}).items():
            texts.add_text(key, text)
        result = picture.convert("RGBA")
        result.putalpha(given.convert("RGBA").getchannel("A"))
    buffer = io.BytesIO()
    result.save(buffer, format="PNG", compress_level=4, pnginfo=texts)
    return buffer.getvalue()
