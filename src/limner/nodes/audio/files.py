"""Menu `audio`: loading, saving and playing sounds."""

from __future__ import annotations

from typing import Annotated, Literal

import torch

from limner.files import Folders
from limner.media.audio import OPUS_RATES, Format, Sound, encode_sound, read_sound
from limner.sdk import Audio, Choice, InputFiles, NodeContext, Result, Text, node

from ..located import media_complaint, media_token
from ..tensors.audio import resample
from ..writing import HIDDEN, Writer, temporary_prefix

MODULE = "comfy_extras.nodes_audio"
CATEGORY = "audio"
Prefix = Annotated[str, Text(default="audio/ComfyUI")]


def _complaint(audio: str, context: NodeContext) -> str | None:
    return media_complaint("audio", audio, context)


def _token(audio: str, context: NodeContext) -> str:
    return media_token(audio, context)


@node(
    type="LoadAudio",
    title="Load Audio",
    category=CATEGORY,
    module=MODULE,
    lane="io",
    validate=_complaint,
    change_token=_token,
)
def load(audio: Annotated[str, InputFiles("audio", "video", audio_upload=True)], context: NodeContext) -> Audio:
    """Load a sound, or the sound of a video, from the input folder."""
    sound = read_sound(context.service(Folders).locate(audio))
    return {"waveform": torch.from_numpy(sound.samples)[None], "sample_rate": sound.rate}


@node(
    type="SaveAudio",
    title="Save Audio (FLAC)",
    category=CATEGORY,
    module=MODULE,
    output_node=True,
    lane="io",
    outputs=(),
    hidden=HIDDEN,
)
def save_flac(audio: Audio, filename_prefix: Prefix, context: NodeContext) -> Result:
    """Save sounds as FLAC, without loss."""
    return _written(audio, filename_prefix, "flac", None, context)


@node(
    type="SaveAudioMP3",
    title="Save Audio (MP3)",
    category=CATEGORY,
    module=MODULE,
    output_node=True,
    lane="io",
    outputs=(),
    hidden=HIDDEN,
)
def save_mp3(
    audio: Audio,
    filename_prefix: Prefix,
    quality: Annotated[Literal["V0", "128k", "320k"], Choice(default="V0")],
    context: NodeContext,
) -> Result:
    """Save sounds as MP3."""
    return _written(audio, filename_prefix, "mp3", _bit_rate(quality), context)


@node(
    type="SaveAudioOpus",
    title="Save Audio (Opus)",
    category=CATEGORY,
    module=MODULE,
    output_node=True,
    lane="io",
    outputs=(),
    hidden=HIDDEN,
)
def save_opus(
    audio: Audio,
    filename_prefix: Prefix,
    quality: Annotated[Literal["64k", "96k", "128k", "192k", "320k"], Choice(default="128k")],
    context: NodeContext,
) -> Result:
    """Save sounds as Opus; rates that Opus does not know are raised to the next one."""
    rate = next((known for known in OPUS_RATES if known >= audio["sample_rate"]), OPUS_RATES[-1])
    fitting = {"waveform": resample(audio["waveform"], audio["sample_rate"], rate), "sample_rate": rate}
    return _written(fitting, filename_prefix, "opus", _bit_rate(quality), context)


@node(
    type="PreviewAudio",
    title="Preview Audio",
    category=CATEGORY,
    module=MODULE,
    output_node=True,
    lane="io",
    outputs=(),
    hidden=HIDDEN,
)
def preview(audio: Audio, context: NodeContext) -> Result:
    """Play sounds, without keeping them."""
    return _written(audio, temporary_prefix(), "flac", None, context, folder="temp")


def _bit_rate(quality: str) -> int | None:
    return int(quality[:-1]) * 1000 if quality.endswith("k") else None


def _written(
    audio: Audio, prefix: str, form: Format, bit_rate: int | None, context: NodeContext, *, folder: str = "output"
) -> Result:
    """Write each sound of the batch to a file."""
    writer = Writer.at(prefix, context, folder)
    shown = []
    for number, waveform in enumerate(audio["waveform"].float().cpu()):
        sound = Sound(waveform.numpy(), int(audio["sample_rate"]))
        data = encode_sound(sound, form, writer.texts, bit_rate=bit_rate)
        shown.append(writer.write(data, f".{form}", number))
        context.check_cancelled()
    return Result(ui={"audio": shown})
