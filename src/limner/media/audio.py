"""Sound files <-> samples, float32 [channels, samples] in -1..1, by FFmpeg through PyAV."""

from __future__ import annotations

import io
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any, Literal, TypeAlias

import av
import numpy as np
from numpy.typing import NDArray

from limner.files.errors import BadFile

Samples: TypeAlias = NDArray[np.float32]
Format: TypeAlias = Literal["flac", "mp3", "opus"]

OPUS_RATES = (8000, 12000, 16000, 24000, 48000)
MAX_SAMPLES = 2**30
"""Of all channels together: 4 GiB."""
_CODECS: Mapping[str, str] = MappingProxyType({"flac": "flac", "mp3": "libmp3lame", "opus": "libopus"})


@dataclass(frozen=True, slots=True)
class Sound:
    """`samples` [channels, samples] at `rate` per second."""

    samples: Samples
    rate: int


def read_sound(path: Path) -> Sound:
    """The first sound track of a sound or video file. Raises `BadFile`."""
    try:
        with av.open(str(path)) as container:
            if not container.streams.audio:
                raise BadFile(f"{path.name} has no sound", "Choose a file with a sound track")
            stream = container.streams.audio[0]
            rate = stream.codec_context.sample_rate
            resampler = av.AudioResampler(format="fltp")
            parts: list[Samples] = []
            total = 0
            for frame in container.decode(stream):
                for piece in resampler.resample(frame):
                    parts.append(piece.to_ndarray().astype(np.float32, copy=False))
                    total += parts[-1].size
                if total > MAX_SAMPLES:
                    raise BadFile(f"{path.name} is too long to be held in memory", "Cut it into parts")
    except BadFile:
        raise
    except (av.error.FFmpegError, OSError, ValueError) as error:
        raise BadFile(
            f"{path.name} is no sound, or is damaged ({error})", "Save it again, for example as WAV"
        ) from None
    if not parts:
        raise BadFile(f"{path.name} holds no sound", "Choose another file")
    return Sound(np.concatenate(parts, axis=1), int(rate))


def encode_sound(
    sound: Sound, form: Format, texts: Mapping[str, str] | None = None, *, bit_rate: int | None = None
) -> bytes:
    """A file of one or two channels, with texts (the workflow) in its metadata. Raises `ValueError`.

    `bit_rate` in bits per second; None for MP3 is its best variable rate. Opus knows the rates `OPUS_RATES` only.
    """
    channels = sound.samples.shape[0]
    if channels not in (1, 2):
        raise ValueError(f"a sound file has one or two channels, not {channels}")
    buffer = io.BytesIO()
    with av.open(buffer, mode="w", format=form) as container:
        container.metadata.update(texts or {})
        stream: Any = container.add_stream(_CODECS[form], rate=sound.rate)
        stream.layout = "mono" if channels == 1 else "stereo"
        if bit_rate is not None:
            stream.bit_rate = bit_rate
        elif form == "mp3":
            stream.codec_context.qscale = True
        mux_sound(container, stream, sound)
    return buffer.getvalue()


def mux_sound(container: Any, stream: Any, sound: Sound) -> None:
    """Encode a whole sound into a stream of an open PyAV container. The stream has its rate and layout already."""
    interleaved = np.ascontiguousarray(sound.samples.T.reshape(1, -1), dtype=np.float32)
    frame = av.AudioFrame.from_ndarray(interleaved, format="flt", layout=stream.layout.name)
    frame.sample_rate = sound.rate
    frame.pts = 0
    container.mux(stream.encode(frame))
    container.mux(stream.encode(None))
