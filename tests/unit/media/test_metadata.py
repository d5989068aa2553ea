from __future__ import annotations

import contextlib
import json
import struct
import subprocess
import sys
import zlib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from limner.files import BadFile
from limner.media import encode
from limner.media.metadata import MAX_TEXT, read_embedded, read_texts

PIXELS = np.zeros((4, 4, 3), np.uint8)
TEXTS = {"prompt": json.dumps({"1": {"text": "grün 🍎"}}), "workflow": json.dumps({"nodes": []}), "more": "3"}


@pytest.mark.parametrize(
    "data",
    [
        encode.encode_png(PIXELS, TEXTS),
        encode.encode_webp([PIXELS], texts=TEXTS),
        encode.encode_webp([PIXELS, PIXELS + 9], texts=TEXTS),
        encode.encode_jpeg(PIXELS, TEXTS),
        encode.encode_animated_png([PIXELS, PIXELS + 9], 6, TEXTS),
    ],
    ids=["png", "webp", "animated webp", "jpeg", "animated png"],
)
def test_texts_come_back(data: bytes) -> None:
    assert read_texts(data) == TEXTS
    assert read_embedded(data).prompt == {"1": {"text": "grün 🍎"}}
    assert read_embedded(data).workflow == {"nodes": []}


def test_other_kinds_of_png_text(tmp_path: Path) -> None:
    info = PngInfo()
    info.add_text("packed", "x" * 1000, zip=True)
    info.add_itxt("wide", "漢字", zip=True)
    path = tmp_path / "x.png"
    Image.fromarray(PIXELS).save(path, pnginfo=info)

    assert read_texts(path) == {"packed": "x" * 1000, "wide": "漢字"}


def test_pictures_without_workflow(tmp_path: Path) -> None:
    for name in ("x.png", "x.jpg", "x.webp"):
        Image.fromarray(PIXELS).save(tmp_path / name)
        assert read_texts(tmp_path / name) == {}
        assert read_embedded(tmp_path / name).prompt is None


def test_a_damaged_picture_still_gives_its_text() -> None:
    data = encode.encode_png(np.random.default_rng(0).integers(0, 256, (64, 64, 3), np.uint8), TEXTS)

    assert read_embedded(data[:-2000]).workflow == {"nodes": []}


def test_a_packed_bomb_is_left_out() -> None:
    body = b"prompt\0\0" + zlib.compress(b"x" * (MAX_TEXT + 1))
    chunk = struct.pack(">I", len(body)) + b"zTXt" + body + b"\0" * 4

    assert read_texts(b"\x89PNG\r\n\x1a\n" + chunk) == {}


@pytest.mark.parametrize(
    "data",
    [b"", b"hello", b"GIF89a", b"\x89PNG\r\n\x1a\n" + struct.pack(">I4s", 8, b"iTXt") + b"k\0\1\0\0\0xx" + b"\0" * 4],
)
def test_what_cannot_be_read_is_named(data: bytes) -> None:
    with pytest.raises(BadFile):
        read_texts(data)


def test_a_damaged_workflow_is_named(tmp_path: Path) -> None:
    path = tmp_path / "x.png"
    path.write_bytes(encode.encode_png(PIXELS, {"prompt": "{broken"}))

    with pytest.raises(BadFile, match=r"prompt in x\.png is damaged"):
        read_embedded(path)
    with pytest.raises(BadFile, match=r"gone\.png"):
        read_texts(tmp_path / "gone.png")


def test_any_exif_block_is_survived() -> None:
    random = np.random.default_rng(1)
    for _ in range(300):
        exif = b"II*\0" + random.integers(0, 40, 60, np.uint8).tobytes()
        data = b"RIFF" + struct.pack("<I", len(exif) + 12) + b"WEBP" + b"EXIF" + struct.pack("<I", len(exif)) + exif
        with contextlib.suppress(BadFile):
            assert isinstance(read_texts(data), dict)


def test_reading_needs_neither_torch_nor_pillow() -> None:
    code = "import sys, limner.media.metadata; print({'torch', 'PIL', 'numpy'} & set(sys.modules))"
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)

    assert result.stdout.strip() == "set()"
