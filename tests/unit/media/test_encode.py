from __future__ import annotations

import io

import numpy as np
import pytest
from PIL import Image

from limner.media.encode import encode_jpeg, encode_png, encode_webp, to_bytes, to_pillow
from limner.media.preview import encode_preview


def test_values_are_clipped_and_cut_off() -> None:
    image = np.array([-1.0, 0.0, 0.5, 0.9999, 1.0, 7.0, np.nan, np.inf])

    assert to_bytes(image).tolist() == [0, 0, 127, 254, 255, 255, 0, 255]


@pytest.mark.parametrize(("channels", "mode"), [(1, "L"), (2, "LA"), (3, "RGB"), (4, "RGBA")])
def test_pictures_come_back(channels: int, mode: str) -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (5, 7, channels), np.uint8)
    with Image.open(io.BytesIO(encode_png(pixels))) as picture:
        assert picture.mode == mode
        assert np.array_equal(np.array(picture).reshape(pixels.shape), pixels)


def test_five_channels_are_refused() -> None:
    with pytest.raises(ValueError, match="1 to 4 channels"):
        to_pillow(np.zeros((2, 2, 5), np.uint8))


def test_an_animation_has_its_frames() -> None:
    frames = [np.full((4, 4, 3), value, np.uint8) for value in (0, 100, 200)]
    with Image.open(io.BytesIO(encode_webp(frames, fps=10))) as picture:
        assert picture.n_frames == 3  # type: ignore[attr-defined]
        picture.load()
        assert picture.info["duration"] == 100


def test_alpha_is_dropped_where_a_format_has_none() -> None:
    with Image.open(io.BytesIO(encode_jpeg(np.zeros((4, 4, 4), np.uint8)))) as picture:
        assert picture.mode == "RGB"


@pytest.mark.parametrize(("shape", "size"), [((16, 32, 3), (512, 256)), ((2048, 1024, 3), (256, 512))])
def test_previews_fit_their_square(shape: tuple[int, ...], size: tuple[int, int]) -> None:
    data, media_type = encode_preview(np.zeros(shape, np.uint8), 512)

    assert media_type == "image/jpeg"
    with Image.open(io.BytesIO(data)) as picture:
        assert picture.size == size


def test_previews_can_keep_their_size_and_be_png() -> None:
    data, media_type = encode_preview(np.zeros((3, 4, 4), np.uint8), 0, "PNG")

    assert media_type == "image/png"
    with Image.open(io.BytesIO(data)) as picture:
        assert picture.size == (4, 3)
