from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest

from limner.files import BadFile
from limner.media.audio import Sound
from limner.media.video import Clip, encode_mp4, encode_webm, read_clip, read_shape, remux_mp4


def clip(frames: int = 6, height: int = 48, width: int = 64, *, sound: bool = True) -> Clip:
    levels = np.linspace(0, 255, frames).astype(np.uint8)
    pictures = np.broadcast_to(levels[:, None, None, None], (frames, height, width, 3)).copy()
    wave = np.sin(np.arange(44100) / 20).astype(np.float32)[None].repeat(2, 0)
    return Clip(pictures, Fraction(12), Sound(wave, 44100) if sound else None)


def written(folder: Path, data: bytes, name: str = "x.mp4") -> Path:
    path = folder / name
    path.write_bytes(data)
    return path


def test_frames_and_sound_come_back(tmp_path: Path) -> None:
    path = written(tmp_path, encode_mp4(clip(), {"prompt": '{"1": "ä"}'}))
    back = read_clip(path)

    assert back.rate == 12
    assert back.frames.shape == (6, 48, 64, 3)
    assert np.abs(back.frames.mean((1, 2, 3)) - np.linspace(0, 255, 6)).max() < 8
    assert back.sound is not None
    assert back.sound.rate == 44100
    assert abs(back.sound.samples.shape[1] - 22050) < 3000
    with av.open(str(path)) as container:
        assert container.metadata["prompt"] == '{"1": "ä"}'
    shape = read_shape(path)
    assert (shape.width, shape.height) == (64, 48)
    assert shape.seconds == pytest.approx(0.5, abs=0.1)


def test_odd_sizes_lose_their_last_row_and_column(tmp_path: Path) -> None:
    path = written(tmp_path, encode_mp4(clip(height=33, width=47, sound=False)))

    assert read_clip(path).frames.shape == (6, 32, 46, 3)
    assert read_clip(path).sound is None


def test_webm(tmp_path: Path) -> None:
    path = written(tmp_path, encode_webm(clip().frames, 10.0, "vp9", 20.0, {"prompt": "{}"}), "x.webm")

    assert read_clip(path).frames.shape == (6, 48, 64, 3)
    with av.open(str(path)) as container:
        assert {key.lower(): value for key, value in container.metadata.items()}["prompt"] == "{}"


def test_h264_is_copied_with_new_texts(tmp_path: Path) -> None:
    path = written(tmp_path, encode_mp4(clip(), {"prompt": "old", "kept": "yes"}))
    data = remux_mp4(path, {"prompt": "new"})
    assert data is not None
    copy = written(tmp_path, data, "y.mp4")

    assert np.array_equal(read_clip(copy).frames, read_clip(path).frames)
    with av.open(str(copy)) as container:
        assert container.metadata["prompt"] == "new"
        assert container.metadata["kept"] == "yes"
    other = written(tmp_path, encode_webm(clip().frames, 10.0, "vp9", 20.0), "x.webm")
    assert remux_mp4(other, {}) is None


@pytest.mark.parametrize("content", [b"", b"no video at all", b"\0\0\0\x18ftypmp42"])
def test_broken_files_are_named(tmp_path: Path, content: bytes) -> None:
    path = written(tmp_path, content)

    for read in (read_clip, read_shape, lambda broken: remux_mp4(broken, {})):
        with pytest.raises(BadFile, match=r"x\.mp4"):
            read(path)
