"""Menu `image/animation`: saving a batch of pictures as one moving picture."""

from __future__ import annotations

from typing import Annotated, Literal

from limner.media.encode import WEBP_METHODS, encode_animated_png, encode_webp, to_bytes
from limner.sdk import Bool, Float, Image, Int, NodeContext, Result, Text, node

from ..writing import HIDDEN, Writer

MODULE = "comfy_extras.nodes_images"
CATEGORY = "image/animation"
Prefix = Annotated[str, Text(default="ComfyUI")]
FramesPerSecond = Annotated[float, Float(default=6.0, min=0.01, max=1000.0, step=0.01)]


@node(
    type="SaveAnimatedWEBP",
    title="SaveAnimatedWEBP",
    category=CATEGORY,
    module=MODULE,
    output_node=True,
    lane="io",
    outputs=(),
    hidden=HIDDEN,
)
def save_webp(
    images: Image,
    filename_prefix: Prefix,
    fps: FramesPerSecond,
    lossless: Annotated[bool, Bool(default=True)],
    quality: Annotated[int, Int(default=80, min=0, max=100)],
    method: Literal["default", "fastest", "slowest"],
    context: NodeContext,
) -> Result:
    """Save an animated WebP to the output folder."""
    writer = Writer.of_pictures(images, filename_prefix, context)
    frames = [to_bytes(image.float().cpu().numpy()) for image in images]
    method_number = WEBP_METHODS[method]
    data = encode_webp(frames, fps, writer.texts, lossless=lossless, quality=quality, method=method_number)
    return Result(ui={"images": [writer.write(data, ".webp")], "animated": [len(frames) != 1]})


@node(
    type="SaveAnimatedPNG",
    title="SaveAnimatedPNG",
    category=CATEGORY,
    module=MODULE,
    output_node=True,
    lane="io",
    outputs=(),
    hidden=HIDDEN,
)
def save_png(
    images: Image,
    filename_prefix: Prefix,
    fps: FramesPerSecond,
    compress_level: Annotated[int, Int(default=4, min=0, max=9)],
    context: NodeContext,
) -> Result:
    """Save an animated PNG to the output folder."""
    writer = Writer.of_pictures(images, filename_prefix, context)
    frames = [to_bytes(image.float().cpu().numpy()) for image in images]
    data = encode_animated_png(frames, fps, writer.texts, compress_level)
    return Result(ui={"images": [writer.write(data, ".png")], "animated": [True]})
