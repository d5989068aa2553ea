"""What a VIDEO socket carries. The names of these classes and of what they offer are those that packs know."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from limner.media.audio import Sound
from limner.media.encode import to_bytes
from limner.media.video import Clip, encode_mp4, read_clip, read_shape, remux_mp4


@dataclass(frozen=True, slots=True)
class VideoComponents:
    """`images` is an IMAGE, `audio` an AUDIO or None, `frame_rate` frames per second."""

    images: Tensor
    frame_rate: Fraction
    audio: dict[str, Any] | None = None
    metadata: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class VideoFromComponents:
    """A video in memory."""

    components: VideoComponents

    def get_components(self) -> VideoComponents:
        return self.components

    def get_dimensions(self) -> tuple[int, int]:
        """Width and height."""
        height, width = self.components.images.shape[1:3]
        return width, height

    def get_duration(self) -> float:
        """Seconds."""
        return float(self.components.images.shape[0] / self.components.frame_rate)

    def encoded(self, texts: Mapping[str, str]) -> bytes:
        """An MP4 file's bytes."""
        parts = self.components
        sound = None
        if parts.audio is not None:
            waveform = parts.audio["waveform"][0].float().cpu()
            sound = Sound(waveform[:2].numpy(), int(parts.audio["sample_rate"]))
        frames = to_bytes(parts.images[..., :3].float().cpu().numpy())
        return encode_mp4(Clip(frames, parts.frame_rate, sound), texts)


@dataclass(frozen=True, slots=True)
class VideoFromFile:
    """A video on the disk, read when it is needed."""

    path: Path

    def get_stream_source(self) -> str:
        return str(self.path)

    def get_components(self) -> VideoComponents:
        clip = read_clip(self.path)
        audio = None
        if clip.sound is not None:
            audio = {"waveform": torch.from_numpy(clip.sound.samples)[None], "sample_rate": clip.sound.rate}
        return VideoComponents(torch.from_numpy(clip.frames).float() / 255.0, clip.rate, audio)

    def get_dimensions(self) -> tuple[int, int]:
        """Width and height."""
        shape = read_shape(self.path)
        return shape.width, shape.height

    def get_duration(self) -> float:
        """Seconds."""
        return read_shape(self.path).seconds

    def encoded(self, texts: Mapping[str, str]) -> bytes:
        """An MP4 file's bytes; what is H.264 already is not encoded again."""
        return remux_mp4(self.path, texts) or VideoFromComponents(self.get_components()).encoded(texts)
