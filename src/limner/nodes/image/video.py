"""Menu `image/video`: videos, their frames and their sound."""

from __future__ import annotations

from fractions import Fraction
from typing import Annotated, Literal

from limner.files import Folders
from limner.media.encode import to_bytes
from limner.media.video import encode_webm
from limner.sdk import Audio, Choice, Float, Image, InputFiles, Named, NodeContext, Options, Result, Text, Video, node

from ..located import media_complaint, media_token, stamp
from ..writing import HIDDEN, Writer
from .video_values import VideoComponents, VideoFromComponents, VideoFromFile

MODULE = "comfy_extras.nodes_video"
CATEGORY = "image/video"


@node(type="CreateVideo", title="Create Video", category=CATEGORY, module=MODULE, lane="cpu", v3=True)
def create(
    images: Annotated[Image, Options(tooltip="The frames.")],
    fps: Annotated[float, Float(default=30.0, min=1.0, max=120.0, step=1.0)],
    audio: Annotated[Audio | None, Options(tooltip="The sound.")] = None,
) -> Video:
    """Make a video of pictures, with or without sound."""
    return VideoFromComponents(VideoComponents(images, Fraction(fps), audio))


@node(type="GetVideoComponents", title="Get Video Components", category=CATEGORY, module=MODULE, lane="io", v3=True)
def components(
    video: Annotated[Video, Options(tooltip="The video to take apart.")],
) -> tuple[Annotated[Image, Named("images")], Annotated[Audio, Named("audio")], Annotated[float, Named("fps")]]:
    """The frames of a video, its sound, and its frames per second."""
    parts = video.get_components()
    return parts.images, parts.audio, float(parts.frame_rate)


def _complaint(file: str, context: NodeContext) -> str | None:
    return media_complaint("video", file, context)


def _token(file: str, context: NodeContext) -> str:
    return media_token(file, context, stamp)


@node(
    type="LoadVideo",
    title="Load Video",
    category=CATEGORY,
    module=MODULE,
    lane="io",
    v3=True,
    validate=_complaint,
    change_token=_token,
)
def load(file: Annotated[str, InputFiles("video", video_upload=True)], context: NodeContext) -> Video:
    """Load a video from the input folder."""
    return VideoFromFile(context.service(Folders).locate(file))


@node(
    type="SaveVideo",
    title="Save Video",
    category=CATEGORY,
    module=MODULE,
    output_node=True,
    lane="io",
    outputs=(),
    hidden=HIDDEN,
    v3=True,
)
def save(
    video: Annotated[Video, Options(tooltip="The video to save.")],
    filename_prefix: Annotated[
        str, Text(default="video/ComfyUI", multiline=False, tooltip="What the name begins with.")
    ],
    format: Annotated[Literal["auto", "mp4"], Choice(default="auto", tooltip="The kind of file.")],
    codec: Annotated[Literal["auto", "h264"], Choice(default="auto", tooltip="How pictures are encoded.")],
    context: NodeContext,
) -> Result:
    """Save a video to the output folder, as MP4."""
    width, height = video.get_dimensions()
    writer = Writer.at(filename_prefix, context, width=width, height=height)
    return _shown(writer.write(video.encoded(writer.texts), ".mp4"))


@node(
    type="SaveWEBM",
    category=CATEGORY,
    module=MODULE,
    output_node=True,
    lane="io",
    outputs=(),
    hidden=HIDDEN,
    experimental=True,
    v3=True,
)
def save_webm(
    images: Image,
    filename_prefix: Annotated[str, Text(default="ComfyUI", multiline=False)],
    codec: Literal["vp9", "av1"],
    fps: Annotated[float, Float(default=24.0, min=0.01, max=1000.0, step=0.01)],
    crf: Annotated[
        float, Float(default=32.0, min=0, max=63.0, step=1, tooltip="Higher is smaller and worse, lower better.")
    ],
    context: NodeContext,
) -> Result:
    """Save pictures as a WebM video."""
    writer = Writer.of_pictures(images, filename_prefix, context)
    frames = to_bytes(images[..., :3].float().cpu().numpy())
    return _shown(writer.write(encode_webm(frames, fps, codec, crf, writer.texts), ".webm"))


def _shown(file: dict[str, str]) -> Result:
    return Result(ui={"images": [file], "animated": [True]})
