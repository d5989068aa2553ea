"""Menus `image` and `mask`: loading pictures."""

from __future__ import annotations

from typing import Annotated

import torch

from limner.files import Folders
from limner.media.decode import read_channel, read_picture
from limner.sdk import Choice, Image, Input, InputFiles, Mask, NodeContext, node

from ..located import media_complaint, media_token


def _complaint(image: str, context: NodeContext) -> str | None:
    return media_complaint("image", image, context)


def _token(image: str, context: NodeContext) -> str:
    return media_token(image, context)


@node(type="LoadImage", title="Load Image", category="image", lane="io", validate=_complaint, change_token=_token)
def load_image(
    image: Annotated[str, InputFiles("image", image_upload=True)], context: NodeContext
) -> tuple[Image, Mask]:
    """Load a picture from the input folder, all frames of an animation; what is transparent is masked."""
    picture = read_picture(context.service(Folders).locate(image))
    return torch.from_numpy(picture.image), torch.from_numpy(picture.mask)


OUTPUT_PICTURE = Input(
    "image",
    "COMBO",
    options={
        "image_upload": True,
        "image_folder": "output",
        "remote": {
            "route": "/internal/files/output",
            "refresh_button": True,
            "control_after_refresh": "first",
        },
    },
)
"""A combo that the editor fills itself, with annotated names (`x.png [output]`)."""


@node(
    type="LoadImageOutput",
    title="Load Image (from Outputs)",
    category="image",
    lane="io",
    experimental=True,
    inputs=(OUTPUT_PICTURE,),
    validate=_complaint,
    change_token=_token,
)
def load_image_output(context: NodeContext, **inputs: str) -> tuple[Image, Mask]:
    """Load a picture from the output folder; the button beside the name looks for new ones."""
    return load_image(inputs["image"], context)


@node(
    type="LoadImageMask",
    title="Load Image (as Mask)",
    category="mask",
    lane="io",
    validate=_complaint,
    change_token=_token,
)
def load_image_mask(
    image: Annotated[str, InputFiles(image_upload=True)],
    channel: Annotated[str, Choice("alpha", "red", "green", "blue")],
    context: NodeContext,
) -> Mask:
    """Load one channel of a picture as a mask; of alpha, what is transparent is masked."""
    return torch.from_numpy(read_channel(context.service(Folders).locate(image), channel))
