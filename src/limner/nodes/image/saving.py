"""Menu `image`: saving and showing pictures, with the workflow inside them."""

from __future__ import annotations

from typing import Annotated

from torch import Tensor

from limner.media.encode import encode_png, to_bytes
from limner.sdk import Image, Mask, NodeContext, Options, Result, Text, node

from ..tensors.batches import masks_4d
from ..writing import HIDDEN, Writer, temporary_prefix


@node(type="SaveImage", title="Save Image", category="image", output_node=True, lane="io", outputs=(), hidden=HIDDEN)
def save_image(
    images: Annotated[Image, Options(tooltip="The pictures to save.")],
    filename_prefix: Annotated[
        str,
        Text(
            default="ComfyUI",
            tooltip="What file names begin with: it may hold a subfolder, and %date:yyyy-MM-dd%, %width%, "
            "%height%, %batch_num%.",
        ),
    ],
    context: NodeContext,
) -> Result:
    """Save pictures to the output folder."""
    return _written(Writer.of_pictures(images, filename_prefix, context), images, context)


@node(
    type="PreviewImage", title="Preview Image", category="image", output_node=True, lane="io", outputs=(), hidden=HIDDEN
)
def preview_image(images: Image, context: NodeContext) -> Result:
    """Show pictures, without keeping them."""
    writer = Writer.of_pictures(images, temporary_prefix(), context, "temp")
    return _written(writer, images, context, compress_level=1)


@node(
    type="MaskPreview",
    title="MaskPreview",
    category="mask",
    module="comfy_extras.nodes_mask",
    output_node=True,
    lane="io",
    outputs=(),
    hidden=HIDDEN,
)
def preview_mask(mask: Mask, context: NodeContext) -> Result:
    """Show a mask, without keeping it."""
    pictures = masks_4d(mask).movedim(1, -1).expand(-1, -1, -1, 3)
    return _written(Writer.of_pictures(pictures, temporary_prefix(), context, "temp"), pictures, context)


def _written(writer: Writer, images: Tensor, context: NodeContext, compress_level: int = 4) -> Result:
    """Write an IMAGE batch as PNG, one file a picture."""
    shown = []
    for number, image in enumerate(images):
        data = encode_png(to_bytes(image.float().cpu().numpy()), writer.texts, compress_level)
        shown.append(writer.write(data, ".png", number))
        context.check_cancelled()
    return Result(ui={"images": shown})
