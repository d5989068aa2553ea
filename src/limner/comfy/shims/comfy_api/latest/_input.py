"""What sockets carry, as annotations of packs have it."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any, TypedDict

import torch

from limner.nodes.image import video_values

ImageInput = torch.Tensor
MaskInput = torch.Tensor


class AudioInput(TypedDict):
    """`waveform` is [batch, channels, samples]."""

    waveform: torch.Tensor
    sample_rate: int


class LatentInput(TypedDict):
    """`samples` is [batch, channels, height / 8, width / 8]."""

    samples: torch.Tensor


class VideoInput(ABC):
    """A video: what the VIDEO socket carries."""

    @abstractmethod
    def get_components(self) -> Any:
        """Its pictures, its sound and its frame rate."""

    @abstractmethod
    def save_to(self, path: Any, format: Any = "auto", codec: Any = "auto", metadata: Any = None) -> None:
        """Write it to a file, or to a binary stream."""

    def get_dimensions(self) -> tuple[int, int]:
        """Width and height."""
        height, width = self.get_components().images.shape[1:3]
        return width, height

    def get_duration(self) -> float:
        """Seconds."""
        parts = self.get_components()
        return float(parts.images.shape[0] / parts.frame_rate)


VideoInput.register(video_values.VideoFromFile)
VideoInput.register(video_values.VideoFromComponents)
