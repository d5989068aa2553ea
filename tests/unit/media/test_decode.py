from __future__ import annotations

import struct
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from limner.files import BadFile
from limner.media.decode import read_channel, read_picture
from limner.media.opening import Limits


def pixels(*shape: int, high: int = 256, kind: Any = np.uint8) -> Any:
    return np.random.default_rng(sum(shape)).integers(0, high, shape).astype(kind)


def saved(folder: Path, array: Any, name: str = "x.png", **options: Any) -> Path:
    Image.fromarray(array).save(folder / name, **options)
    return folder / name


def png_header(width: int, height: int) -> bytes:
    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + header + chunk(b"IDAT", zlib.compress(b"\0" * 1000)) + chunk(b"IEND", b"")


def test_opaque_pictures_have_a_small_empty_mask(tmp_path: Path) -> None:
    array = pixels(3, 5, 3)
    picture = read_picture(saved(tmp_path, array))

    assert np.allclose(picture.image[0] * 255, array)
    assert picture.image.dtype == np.float32
    assert picture.mask.shape == (1, 64, 64)
    assert not picture.mask.any()


def test_sixteen_bit_grey_is_clipped_as_in_comfyui(tmp_path: Path) -> None:
    array = np.array([[0, 255, 256, 65535]], np.uint16)
    picture = read_picture(saved(tmp_path, array))

    assert np.allclose(picture.image[0, 0, :, 0] * 255, [0, 255, 255, 255])


def test_thirty_two_bit_integers_are_scaled(tmp_path: Path) -> None:
    picture = read_picture(saved(tmp_path, np.array([[0, 255, 510, 65535]], np.int32), "x.tiff"))

    assert np.allclose(picture.image[0, 0, :, 0] * 255, [0, 1, 2, 255])


@pytest.mark.parametrize("transparency", [3, bytes([0, 128, 255])])
def test_palette_with_transparency(tmp_path: Path, transparency: int | bytes) -> None:
    path = tmp_path / "x.png"
    palette = Image.fromarray(pixels(6, 8, 3)).quantize(8)
    palette.save(path, transparency=transparency)
    picture = read_picture(path)

    indices = np.array(palette)
    if isinstance(transparency, int):
        expected = (indices == 3).astype(np.float32)
    else:
        expected = np.array([1, 1 - 128 / 255, *[0] * 254], np.float32)[indices]
    assert np.allclose(picture.mask[0], expected)
    assert np.allclose(picture.image[0] * 255, np.array(palette.convert("RGB")))


def test_exif_orientation_is_applied(tmp_path: Path) -> None:
    array = pixels(3, 5, 3)
    exif = Image.Exif()
    exif[0x0112] = 6
    path = saved(tmp_path, array, "x.webp", lossless=True, exif=exif)

    assert np.allclose(read_picture(path).image[0] * 255, np.rot90(array, -1))


def test_animations_are_batches(tmp_path: Path) -> None:
    frames = [Image.fromarray(pixels(4, 6, 4 + index)[..., :3]) for index in range(3)]
    path = tmp_path / "x.webp"
    frames[0].save(path, save_all=True, append_images=frames[1:], lossless=True)

    assert np.allclose(read_picture(path).image * 255, np.stack([np.array(frame) for frame in frames]))


def test_frames_of_other_sizes_are_left_out(tmp_path: Path) -> None:
    frames = [Image.new("RGB", size, "red") for size in ((4, 4), (5, 4), (4, 4))]
    path = tmp_path / "x.tiff"
    frames[0].save(path, save_all=True, append_images=frames[1:])

    assert read_picture(path).image.shape == (2, 4, 4, 3)


def test_of_multi_picture_jpegs_the_first_counts(tmp_path: Path) -> None:
    path = tmp_path / "x.jpg"
    Image.new("RGB", (4, 4), "red").save(path, "MPO", save_all=True, append_images=[Image.new("RGB", (4, 4), "blue")])

    assert read_picture(path).image.shape == (1, 4, 4, 3)


def test_channels(tmp_path: Path) -> None:
    array = pixels(3, 4, 4)
    path = saved(tmp_path, array)

    assert np.allclose(read_channel(path, "green")[0] * 255, array[..., 1])
    assert np.allclose(read_channel(path, "alpha")[0], 1 - array[..., 3] / 255)


def test_postscript_is_not_run(tmp_path: Path) -> None:
    path = tmp_path / "x.png"
    path.write_bytes(b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 10 10\n%%EndComments\nshowpage\n%%EOF\n")

    with pytest.raises(BadFile, match=r"x\.png is a program in EPS form"):
        read_picture(path)


def test_a_bomb_is_refused_before_it_is_opened(tmp_path: Path) -> None:
    path = tmp_path / "bomb.png"
    path.write_bytes(png_header(10_000, 10_000))

    for read in (lambda: read_picture(path), lambda: read_channel(path, "red")):
        with pytest.raises(BadFile, match=r"bomb\.png has .* megapixels.*Scale the picture down"):
            read()


def test_a_huge_bomb_is_refused_too(tmp_path: Path) -> None:
    path = tmp_path / "bomb.png"
    path.write_bytes(png_header(60_000, 60_000))

    with pytest.raises(BadFile, match=r"bomb\.png"):
        read_picture(path)


def test_animations_are_bounded_as_a_whole(tmp_path: Path) -> None:
    frames = [Image.fromarray(pixels(8, 8, 3 + index)[..., :3]) for index in range(5)]
    path = tmp_path / "x.png"
    frames[0].save(path, save_all=True, append_images=frames[1:])

    assert read_picture(path, Limits(64, 320)).image.shape[0] == 5
    with pytest.raises(BadFile, match="all its frames"):
        read_picture(path, Limits(64, 319))


@pytest.mark.parametrize("name", ["x.png", "x.jpg", "x.webp"])
@pytest.mark.parametrize("damage", ["empty", "cut", "text", "noise"])
def test_broken_files_are_named(tmp_path: Path, name: str, damage: str) -> None:
    path = saved(tmp_path, pixels(64, 64, 3), name)
    data = path.read_bytes()
    path.write_bytes(
        {"empty": b"", "cut": data[: len(data) // 2], "text": b"<html>", "noise": data[:2] + bytes(range(256)) * 4}[
            damage
        ]
    )

    with pytest.raises(BadFile, match=rf"{name}"):
        read_picture(path)
