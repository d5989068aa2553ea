from __future__ import annotations

import math
from typing import Any

import pytest
import torch

from limner.files import Folders
from limner.nodes.errors import UnusableInput
from limner.nodes.library import built_in
from limner.nodes.tensors.audio import resample
from limner.sdk.testing import RecordingContext, run_node

NODES = {implementation.schema.type: implementation for implementation in built_in()}


def sine(frequency: float, rate: int, seconds: float = 0.2) -> torch.Tensor:
    return torch.sin(2 * math.pi * frequency * torch.arange(int(rate * seconds)) / rate)


def sound(seed: int, channels: int = 2, samples: int = 1000, rate: int = 44100) -> dict[str, Any]:
    generator = torch.Generator().manual_seed(seed)
    return {"waveform": torch.rand((1, channels, samples), generator=generator) - 0.5, "sample_rate": rate}


def result(node: str, **inputs: Any) -> Any:
    return run_node(NODES[node], **inputs).values[0]


@pytest.mark.parametrize(("rate", "new_rate"), [(44100, 48000), (48000, 44100), (22050, 44100), (48000, 16000)])
def test_resampling_keeps_a_tone(rate: int, new_rate: int) -> None:
    resampled = resample(sine(440, rate)[None, None], rate, new_rate)[0, 0]
    expected = sine(440, new_rate)

    assert resampled.shape == expected.shape
    inner = slice(200, -200)
    assert torch.allclose(resampled[inner], expected[inner], atol=2e-3)


def test_resampling_takes_away_what_the_new_rate_cannot_hold() -> None:
    assert resample(sine(12000, 48000)[None, None], 48000, 16000)[0, 0, 200:-200].abs().max() < 0.01


@pytest.mark.parametrize(
    ("start", "duration", "span"), [(0.0, 0.005, (0, 220)), (0.01, 9.0, (441, 1000)), (-0.01, 0.005, (559, 779))]
)
def test_trimming(start: float, duration: float, span: tuple[int, int]) -> None:
    audio = sound(1)
    trimmed = result("TrimAudioDuration", audio=audio, start_index=start, duration=duration)

    assert torch.equal(trimmed["waveform"], audio["waveform"][..., slice(*span)])


def test_trimming_to_nothing_is_refused() -> None:
    with pytest.raises(UnusableInput, match="duration"):
        run_node(NODES["TrimAudioDuration"], audio=sound(1), start_index=0.0, duration=0.0)


def test_joining_raises_the_rate_and_makes_stereo() -> None:
    joined = result("AudioConcat", audio1=sound(1, 1, rate=22050), audio2=sound(2), direction="before")

    assert joined["sample_rate"] == 44100
    assert joined["waveform"].shape == (1, 2, 3000)
    assert torch.equal(joined["waveform"][..., :1000], sound(2)["waveform"])


@pytest.mark.parametrize("samples", [500, 1000, 1500])
def test_mixing_is_as_long_as_the_first_and_never_too_loud(samples: int) -> None:
    one, two = sound(1), sound(2, samples=samples)
    one["waveform"] = one["waveform"] * 4
    mixed = result("AudioMerge", audio1=one, audio2=two, merge_method="add")["waveform"]

    assert mixed.shape == (1, 2, 1000)
    assert float(mixed.abs().max()) == pytest.approx(1.0)


def test_channels_and_volume() -> None:
    audio = sound(1)
    left, right = run_node(NODES["SplitAudioChannels"], audio=audio).values
    louder = result("AudioAdjustVolume", audio=audio, volume=20)

    assert isinstance(left, dict)
    assert isinstance(right, dict)
    assert torch.equal(torch.cat([left["waveform"], right["waveform"]], 1), audio["waveform"])
    assert torch.allclose(louder["waveform"], audio["waveform"] * 10)
    with pytest.raises(UnusableInput, match="stereo"):
        run_node(NODES["SplitAudioChannels"], audio=left)


def test_silence() -> None:
    silence = result("EmptyAudio", duration=0.5, sample_rate=8000, channels=1)

    assert silence["waveform"].shape == (1, 1, 4000)
    assert not silence["waveform"].any()


def test_saving_and_loading(folders: Folders, context: RecordingContext) -> None:
    audio = sound(3, samples=5000)
    ui = run_node(NODES["SaveAudio"], context, audio=audio).ui
    assert ui == {"audio": [{"filename": "ComfyUI_00001_.flac", "subfolder": "audio", "type": "output"}]}

    name = "audio/ComfyUI_00001_.flac [output]"
    (loaded,) = run_node(NODES["LoadAudio"], context, audio=name).values

    assert isinstance(loaded, dict)
    assert loaded["sample_rate"] == 44100
    assert torch.allclose(loaded["waveform"], audio["waveform"], atol=1e-4)
    assert NODES["LoadAudio"].complaint({"audio": "gone.wav"}, {}, context) is not None
    assert NODES["LoadAudio"].change_token({"audio": name}, context)


def test_other_formats_and_previews(folders: Folders, context: RecordingContext) -> None:
    audio = sound(3, samples=5000)
    run_node(NODES["SaveAudioMP3"], context, audio=audio, quality="128k")
    run_node(NODES["SaveAudioOpus"], context, audio=audio)
    run_node(NODES["PreviewAudio"], context, audio=audio)

    assert {path.suffix for path in (folders.output / "audio").iterdir()} == {".mp3", ".opus"}
    assert [path.suffix for path in folders.temp.iterdir()] == [".flac"]
