"""Video files <-> frames, uint8 [frames, height, width, 3], by FFmpeg through PyAV."""

from __future__ import annotations

import io
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from types import MappingProxyType
from typing import Any, Literal, TypeAlias

import av
import numpy as np
from numpy.typing import NDArray

from limner.files.errors import BadFile

from .audio import Sound, mux_sound, read_sound

Frames: TypeAlias = NDArray[np.uint8]
WebCodec: TypeAlias = Literal["vp9", "av1"]

MAX_PIXELS = 2**30
"""Of all frames together: 3 GiB in bytes, 12 GiB as an IMAGE."""
_WEB_CODECS: Mapping[str, tuple[str, str]] = MappingProxyType(
    {"vp9": ("libvpx-vp9", "yuv420p"), "av1": ("libsvtav1", "yuv420p10le")}
)
_KEEP_TEXTS = {"movflags": "use_metadata_tags"}


@dataclass(frozen=True, slots=True)
class Clip:
    """Frames at a rate per second, with or without sound."""

    frames: Frames
    rate: Fraction
    sound: Sound | None = None


@dataclass(frozen=True, slots=True)
class Shape:
    """What the header of a video file says. `seconds` is 0 where it does not."""

    width: int
    height: int
    seconds: float


def read_shape(path: Path) -> Shape:
    """Raises `BadFile`."""
    try:
        with av.open(str(path)) as container:
            stream = _video_stream(container, path)
            seconds = float(container.duration / av.time_base) if container.duration else 0.0
            return Shape(stream.width, stream.height, seconds)
    except (av.error.FFmpegError, OSError) as error:
        raise _damaged(path, error) from None


def read_clip(path: Path) -> Clip:
    """All frames and the first sound track of a video file. Raises `BadFile`."""
    frames: list[Frames] = []
    total = 0
    try:
        with av.open(str(path)) as container:
            stream = _video_stream(container, path)
            rate = Fraction(stream.average_rate or 1)
            audible = bool(container.streams.audio)
            for frame in container.decode(stream):
                total += frame.width * frame.height
                if total > MAX_PIXELS:
                    raise BadFile(
                        f"{path.name} is too long to be held in memory", "Cut it into parts, or scale it down"
                    )
                frames.append(frame.to_ndarray(format="rgb24"))
    except (av.error.FFmpegError, OSError) as error:
        raise _damaged(path, error) from None
    if not frames:
        raise BadFile(f"{path.name} holds no frames", "Choose another file")
    return Clip(np.stack(frames), rate, read_sound(path) if audible else None)


def encode_mp4(clip: Clip, texts: Mapping[str, str] | None = None) -> bytes:
    """H.264 and AAC, with texts (the workflow) in the metadata. An odd last row or column is cut off."""
    buffer = io.BytesIO()
    with av.open(buffer, mode="w", format="mp4", options=dict(_KEEP_TEXTS)) as output:
        output.metadata.update(texts or {})
        stream: Any = output.add_stream("h264", rate=Fraction(round(clip.rate * 1000), 1000))
        height, width = (length // 2 * 2 for length in clip.frames.shape[1:3])
        stream.width, stream.height, stream.pix_fmt = width, height, "yuv420p"
        track: Any = None
        if clip.sound is not None:
            track = output.add_stream("aac", rate=clip.sound.rate)
            track.layout = "mono" if clip.sound.samples.shape[0] == 1 else "stereo"
        _encode_frames(output, stream, (frame[:height, :width] for frame in clip.frames))
        if clip.sound is not None:
            mux_sound(output, track, _cut(clip.sound, len(clip.frames) / clip.rate))
    return buffer.getvalue()


def encode_webm(
    frames: Frames, rate: float, codec: WebCodec, crf: float, texts: Mapping[str, str] | None = None
) -> bytes:
    """VP9 or AV1 at a constant quality, 0 (best) to 63."""
    name, pixel_format = _WEB_CODECS[codec]
    buffer = io.BytesIO()
    with av.open(buffer, mode="w", format="webm") as output:
        output.metadata.update(texts or {})
        stream: Any = output.add_stream(name, rate=Fraction(round(rate * 1000), 1000))
        height, width = (length // 2 * 2 for length in frames.shape[1:3])
        stream.width, stream.height, stream.pix_fmt, stream.bit_rate = width, height, pixel_format, 0
        stream.options = {"crf": str(crf), **({"preset": "6"} if codec == "av1" else {})}
        _encode_frames(output, stream, (frame[:height, :width] for frame in frames))
    return buffer.getvalue()


def remux_mp4(path: Path, texts: Mapping[str, str]) -> bytes | None:
    """The file's H.264 in a new MP4 with these texts, not encoded again; None for other codecs. Raises `BadFile`."""
    buffer = io.BytesIO()
    try:
        with av.open(str(path)) as source:
            if _video_stream(source, path).codec_context.name != "h264":
                return None
            with av.open(buffer, mode="w", format="mp4", options=dict(_KEEP_TEXTS)) as output:
                output.metadata.update({**source.metadata, **texts})
                copied: dict[Any, Any] = {
                    stream: output.add_stream_from_template(stream)
                    for stream in (*source.streams.video[:1], *source.streams.audio[:1])
                }
                for packet in source.demux(*copied):
                    if packet.dts is not None:
                        packet.stream = copied[packet.stream]
                        output.mux(packet)
    except (av.error.FFmpegError, OSError) as error:
        raise _damaged(path, error) from None
    return buffer.getvalue()


def _encode_frames(output: Any, stream: Any, frames: Iterable[Frames]) -> None:
    for pixels in frames:
        frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(pixels), format="rgb24")
        output.mux(stream.encode(frame))
    output.mux(stream.encode(None))


def _cut(sound: Sound, seconds: Fraction) -> Sound:
    """As much of the sound as there are pictures for."""
    return Sound(sound.samples[:, : -(-seconds * sound.rate // 1)], sound.rate)


def _video_stream(container: Any, path: Path) -> Any:
    if not container.streams.video:
        raise BadFile(f"{path.name} has no pictures", "Choose a video file")
    return container.streams.video[0]


def _damaged(path: Path, error: Exception) -> BadFile:
    return BadFile(f"{path.name} is no video, or is damaged ({error})", "Save it again, for example as MP4")
