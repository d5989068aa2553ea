"""Pictures that nodes show, in whatever form they have them."""

from __future__ import annotations

import io

import numpy as np
import pytest
import torch
from PIL import Image

from limner.plugins.pictures import SIDE, encoded


def shown(picture: object) -> Image.Image:
    data, media_type = encoded(picture)
    assert media_type == "image/jpeg"
    return Image.open(io.BytesIO(data))


@pytest.mark.parametrize(
    "picture",
    [
        torch.ones(2, 6, 8, 3),
        torch.ones(6, 8, 3, dtype=torch.bfloat16),
        torch.full((1, 6, 8), 1.0),
        torch.full((6, 8, 3), 255, dtype=torch.uint8),
        np.ones((6, 8, 4), np.float64),
        np.full((6, 8), 255, np.uint8),
        Image.new("RGB", (8, 6), "white"),
        Image.new("P", (8, 6), 0).convert("LA").point(lambda value: 255),
    ],
)
def test_white_is_white(picture: object) -> None:
    image = shown(picture)
    assert image.size == (8, 6)
    assert image.convert("L").getextrema()[0] > 250


def test_large_ones_get_smaller() -> None:
    assert shown(torch.zeros(1, 2 * SIDE, SIDE, 3)).size == (SIDE // 2, SIDE)


def test_what_is_no_picture_is_said() -> None:
    with pytest.raises(TypeError, match="a preview is a picture or the bytes of one, not dict"):
        encoded({})
