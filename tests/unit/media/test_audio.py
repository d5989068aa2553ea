from __future__ import annotations

from pathlib import Path

import av
import numpy as np
import pytest

from limner.files import BadFile
from limner.media.audio import Format, Sound, encode_sound, read_sound

RATE = 48000


def tone(channels: int = 2, seconds: float = 0.25) -> Sound:
    time = np.arange(int(RATE * seconds)) / RATE
    wave = np.stack([0.5 * np.sin(2 * np.pi * 440 * (1 + channel) * time) for channel in range(channels)])
    return Sound(wave.astype(np.float32), RATE)


@pytest.mark.parametrize("channels", [1, 2])
def test_flac_comes_back_unchanged(tmp_path: Path, channels: int) -> None:
    sound = tone(channels)
    path = tmp_path / "x.flac"
    path.write_bytes(encode_sound(sound, "flac", {"prompt": "{}"}))

    back = read_sound(path)

    assert back.rate == RATE
    assert back.samples.shape == sound.samples.shape
    assert np.abs(back.samples - sound.samples).max() < 1e-4
    with av.open(str(path)) as container:
        assert {key.lower(): value for key, value in container.metadata.items()}["prompt"] == "{}"


@pytest.mark.parametrize(("form", "bit_rate"), [("mp3", None), ("mp3", 128000), ("opus", 96000)])
def test_lossy_files_sound_alike(tmp_path: Path, form: Format, bit_rate: int | None) -> None:
    path = tmp_path / f"x.{form}"
    path.write_bytes(encode_sound(tone(), form, bit_rate=bit_rate))

    back = read_sound(path)

    assert back.rate == RATE
    spectrum = np.abs(np.fft.rfft(back.samples[0][:12000]))
    assert abs(int(spectrum.argmax()) * RATE / 12000 - 440) < 5


def test_five_channels_are_refused() -> None:
    with pytest.raises(ValueError, match="one or two channels"):
        encode_sound(Sound(np.zeros((5, 100), np.float32), RATE), "flac")


@pytest.mark.parametrize("content", [b"", b"no sound at all", b"RIFF\0\0\0\0WAVE"])
def test_broken_files_are_named(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "broken.wav"
    path.write_bytes(content)

    with pytest.raises(BadFile, match=r"broken\.wav"):
        read_sound(path)
