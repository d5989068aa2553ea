"""What videos are written as, and their parts."""

from __future__ import annotations

import enum

from limner.nodes.image.video_values import VideoComponents


class VideoCodec(enum.StrEnum):
    AUTO = "auto"
    H264 = "h264"

    @classmethod
    def as_input(cls) -> list[str]:
        return [member.value for member in cls]


class VideoContainer(enum.StrEnum):
    AUTO = "auto"
    MP4 = "mp4"

    @classmethod
    def as_input(cls) -> list[str]:
        return [member.value for member in cls]

    @classmethod
    def get_extension(cls, value: str | VideoContainer) -> str:
        return "mp4" if cls(value) in (cls.MP4, cls.AUTO) else ""


__all__ = ["VideoCodec", "VideoComponents", "VideoContainer"]
