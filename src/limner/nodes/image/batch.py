"""Menu `image/batch`: taking batches of pictures apart and putting them together."""

from __future__ import annotations

import itertools
from typing import Annotated

import torch

from limner.sdk import Image, Int, node

from ..tensors.memory import check_fits

MODULE = "comfy_extras.nodes_images"
CATEGORY = "image/batch"


@node(type="RepeatImageBatch", title="RepeatImageBatch", category=CATEGORY, module=MODULE, lane="cpu")
def repeat(image: Image, amount: Annotated[int, Int(default=1, min=1, max=4096)]) -> Image:
    """The whole batch, several times over."""
    check_fits((amount, *image.shape), "the repeated batch")
    return image.repeat(amount, 1, 1, 1)


@node(type="ImageFromBatch", title="ImageFromBatch", category=CATEGORY, module=MODULE, lane="cpu")
def from_batch(
    image: Image,
    batch_index: Annotated[int, Int(default=0, min=0, max=4095)],
    length: Annotated[int, Int(default=1, min=1, max=4096)],
) -> Image:
    """Some pictures of a batch, beginning with one."""
    start = min(image.shape[0] - 1, batch_index)
    return image[start : start + length].clone()


@node(
    type="RebatchImages",
    title="Rebatch Images",
    category=CATEGORY,
    module="comfy_extras.nodes_rebatch",
    lane="cpu",
    v3=True,
)
def rebatch(images: list[Image], batch_size: list[Annotated[int, Int(default=1, min=1, max=4096)]]) -> list[Image]:
    """Cut all pictures anew into batches of a size; a batch ends where the size of the pictures changes."""
    pictures = [batch[index : index + 1] for batch in images for index in range(batch.shape[0])]
    runs = [list(run) for _, run in itertools.groupby(pictures, key=lambda picture: picture.shape)]
    step = batch_size[0]
    return [torch.cat(run[start : start + step]) for run in runs for start in range(0, len(run), step)]
