"""Menu `audio`: cutting, joining and mixing sounds."""

from __future__ import annotations

from typing import Annotated, Literal

import torch

from limner.sdk import Audio, Choice, Float, Int, Named, node

from ..errors import UnusableInput
from ..tensors.audio import at_one_rate, of_length
from ..tensors.memory import check_fits

MODULE = "comfy_extras.nodes_audio"
CATEGORY = "audio"
ENDLESS = 0xFFFF_FFFF_FFFF_FFFF


@node(type="EmptyAudio", title="Empty Audio", category=CATEGORY, module=MODULE, lane="cpu")
def empty(
    duration: Annotated[float, Float(default=60.0, min=0.0, max=ENDLESS, step=0.01, tooltip="Seconds.")],
    sample_rate: Annotated[int, Int(default=44100, tooltip="Samples per second.")],
    channels: Annotated[int, Int(default=2, min=1, max=2, tooltip="1 is mono, 2 is stereo.")],
) -> Audio:
    """Silence."""
    shape = (1, channels, round(duration * sample_rate))
    check_fits(shape, "silence of this duration")
    return {"waveform": torch.zeros(shape), "sample_rate": sample_rate}


@node(type="TrimAudioDuration", title="Trim Audio Duration", category=CATEGORY, module=MODULE, lane="cpu")
def trim(
    audio: Audio,
    start_index: Annotated[
        float,
        Float(default=0.0, min=-ENDLESS, max=ENDLESS, step=0.01, tooltip="Seconds; negative ones count from the end."),
    ],
    duration: Annotated[float, Float(default=60.0, min=0.0, step=0.01, tooltip="Seconds.")],
) -> Audio:
    """Cut a stretch out of a sound."""
    rate, length = audio["sample_rate"], audio["waveform"].shape[-1]
    start = round(start_index * rate) + (length if start_index < 0 else 0)
    start = max(0, min(start, length - 1))
    end = min(start + round(duration * rate), length)
    if start >= end:
        raise UnusableInput("nothing of the sound is left", "Choose a longer 'duration' or an earlier 'start_index'")
    return {"waveform": audio["waveform"][..., start:end], "sample_rate": rate}


@node(type="SplitAudioChannels", title="Split Audio Channels", category=CATEGORY, module=MODULE, lane="cpu")
def split_channels(audio: Audio) -> tuple[Annotated[Audio, Named("left")], Annotated[Audio, Named("right")]]:
    """The left and the right channel, each as a sound."""
    waveform, rate = audio["waveform"], audio["sample_rate"]
    if waveform.shape[1] != 2:
        raise UnusableInput(f"input 'audio' has {waveform.shape[1]} channels", "Connect a stereo sound")
    return {"waveform": waveform[:, :1], "sample_rate": rate}, {"waveform": waveform[:, 1:], "sample_rate": rate}


@node(type="AudioConcat", title="Audio Concat", category=CATEGORY, module=MODULE, lane="cpu")
def concat(
    audio1: Audio,
    audio2: Audio,
    direction: Annotated[
        Literal["after", "before"],
        Choice(default="after", tooltip="Where the second sound comes, seen from the first."),
    ],
) -> Audio:
    """One sound behind the other, in stereo, at the higher of their rates."""
    first, second, rate = at_one_rate(audio1, audio2)
    pair = [sound.repeat(1, 2, 1) if sound.shape[1] == 1 else sound for sound in (first, second)]
    return {"waveform": torch.cat(pair if direction == "after" else pair[::-1], dim=2), "sample_rate": rate}


@node(type="AudioMerge", title="Audio Merge", category=CATEGORY, module=MODULE, lane="cpu")
def merge(
    audio1: Audio,
    audio2: Audio,
    merge_method: Annotated[
        Literal["add", "mean", "subtract", "multiply"], Choice(tooltip="How the two are put together.")
    ],
) -> Audio:
    """Two sounds at once, as long as the first; made quieter where they would be too loud."""
    first, second, rate = at_one_rate(audio1, audio2)
    second = of_length(second, first.shape[-1])
    mixes = {
        "add": lambda: first + second,
        "mean": lambda: (first + second) / 2,
        "subtract": lambda: first - second,
        "multiply": lambda: first * second,
    }
    mixed = mixes[merge_method]()
    return {"waveform": mixed / mixed.abs().max().clamp(min=1.0), "sample_rate": rate}


@node(type="AudioAdjustVolume", title="Audio Adjust Volume", category=CATEGORY, module=MODULE, lane="cpu")
def adjust_volume(
    audio: Audio, volume: Annotated[int, Int(default=1, min=-100, max=100, tooltip="Decibels.")]
) -> Audio:
    """Make a sound louder or quieter."""
    return {"waveform": audio["waveform"] * 10 ** (volume / 20), "sample_rate": audio["sample_rate"]}
