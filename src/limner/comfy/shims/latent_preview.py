"""ComfyUI's `latent_preview`: pictures of latents while they are sampled."""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from limner.comfy.shims.bridge import bridge_of
from limner.media.preview import encode_preview
from limner.plugins.context import CallContext

bridge = bridge_of(__name__)
_cli: Any = import_module("comfy.cli_args")
args, LatentPreviewMethod = _cli.args, _cli.LatentPreviewMethod
MAX_PREVIEW_RESOLUTION = args.preview_size


def preview_to_image(latent_image: Tensor) -> Image.Image:
    """[height, width, 3] in -1..1 as a picture."""
    pixels = latent_image.float().add(1).div(2).clamp(0, 1).mul(255)
    return Image.fromarray(pixels.to("cpu", torch.uint8).numpy())


def send_preview(preview: Any, call: CallContext) -> None:
    """Show (format, picture, largest side) to the clients; pictures may be Pillow's or encoded bytes."""
    form, picture, side = preview
    if isinstance(picture, bytes | bytearray):
        call.preview(bytes(picture), f"image/{str(form).lower()}")
    elif picture is not None:
        call.preview(*encode_preview(np.asarray(picture.convert("RGB")), int(side or 0), str(form)))


class LatentPreviewer:
    """Makes a picture of a latent."""

    def decode_latent_to_preview(self, x0: Tensor) -> Any:
        """The picture; None where there is none."""

    def decode_latent_to_preview_image(self, preview_format: str, x0: Tensor) -> tuple[str, Any, int]:
        return ("JPEG", self.decode_latent_to_preview(x0), MAX_PREVIEW_RESOLUTION)


class Latent2RGBPreviewer(LatentPreviewer):
    """By a fixed matrix from channels to colours."""

    def __init__(self, latent_rgb_factors: Any, latent_rgb_factors_bias: Any = None) -> None:
        self.latent_rgb_factors = torch.tensor(latent_rgb_factors).transpose(0, 1)
        self.latent_rgb_factors_bias = (
            None if latent_rgb_factors_bias is None else torch.tensor(latent_rgb_factors_bias)
        )

    def decode_latent_to_preview(self, x0: Tensor) -> Image.Image:
        one = x0[0, :, 0] if x0.ndim == 5 else x0[0]
        bias = self.latent_rgb_factors_bias
        colours = torch.nn.functional.linear(
            one.movedim(0, -1), self.latent_rgb_factors.to(one), None if bias is None else bias.to(one)
        )
        return preview_to_image(colours)


class TAESDPreviewerImpl(LatentPreviewer):
    """By a small decoder."""

    def __init__(self, taesd: Any) -> None:
        self.taesd = taesd

    def decode_latent_to_preview(self, x0: Tensor) -> Image.Image:
        return preview_to_image(self.taesd.decode(x0[:1])[0].movedim(0, 2))


def get_previewer(device: Any, latent_format: Any) -> LatentPreviewer | None:
    if args.preview_method == LatentPreviewMethod.NoPreviews or latent_format.latent_rgb_factors is None:
        return None
    return Latent2RGBPreviewer(latent_format.latent_rgb_factors, latent_format.latent_rgb_factors_bias)


def prepare_callback(
    model: Any, steps: int, x0_output_dict: dict[str, Tensor] | None = None
) -> Callable[[int, Tensor, Tensor, int], None]:
    """What a sampler calls after each step: progress, a preview, and the denoised latent kept in the dict as `x0`."""
    previewer = get_previewer(model.load_device, model.model.latent_format)
    bar = import_module("comfy.utils").ProgressBar(steps)

    def callback(step: int, x0: Tensor, x: Tensor, total_steps: int) -> None:
        if x0_output_dict is not None:
            x0_output_dict["x0"] = x0
        preview = None if previewer is None else previewer.decode_latent_to_preview_image("JPEG", x0)
        bar.update_absolute(step + 1, total_steps, preview)

    return callback
