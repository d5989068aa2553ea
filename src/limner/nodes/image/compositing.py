"""Menus `mask/compositing` and `advanced/conditioning/flux`: alpha channels, and sizes that Flux Kontext knows."""

from __future__ import annotations

import torch

from limner.sdk import Image, Mask, node

from ..tensors.resize import resize, resize_image

MODULE = "comfy_extras.nodes_compositing"
CATEGORY = "mask/compositing"
KONTEXT_SIZES = tuple(
    size
    for width, height in (
        (672, 1568),
        (688, 1504),
        (720, 1456),
        (752, 1392),
        (800, 1328),
        (832, 1248),
        (880, 1184),
        (944, 1104),
        (1024, 1024),
    )
    for size in {(width, height), (height, width)}
)
"""About a megapixel each, in the proportions that the model was trained on."""


@node(type="SplitImageWithAlpha", title="Split Image with Alpha", category=CATEGORY, module=MODULE, lane="cpu", v3=True)
def split_alpha(image: Image) -> tuple[Image, Mask]:
    """The colours of a picture, and the mask of what is transparent."""
    alpha = image[..., 3] if image.shape[-1] > 3 else torch.ones_like(image[..., 0])
    return image[..., :3], 1.0 - alpha


@node(type="JoinImageWithAlpha", title="Join Image with Alpha", category=CATEGORY, module=MODULE, lane="cpu", v3=True)
def join_alpha(image: Image, alpha: Mask) -> Image:
    """A picture that is transparent where the mask is set; as many as there are of both."""
    mask = alpha.reshape(-1, 1, *alpha.shape[-2:])
    opacity = 1.0 - resize(mask, image.shape[2], image.shape[1], "bilinear").movedim(1, -1)
    batch = min(image.shape[0], opacity.shape[0])
    return torch.cat([image[:batch, ..., :3], opacity[:batch]], dim=-1)


@node(
    type="FluxKontextImageScale",
    category="advanced/conditioning/flux",
    module="comfy_extras.nodes_flux",
    lane="cpu",
    v3=True,
)
def flux_kontext_scale(image: Image) -> Image:
    """Crop and scale a picture to the nearest of the sizes that Flux Kontext was trained on."""
    ratio = image.shape[2] / image.shape[1]
    width, height = min(KONTEXT_SIZES, key=lambda size: (abs(ratio - size[0] / size[1]), size))
    return resize_image(image, width, height, "lanczos", "center")
