"""ComfyUI's `comfy.clip_vision`: CLIP's image encoders."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from torch import Tensor

from limner.comfy.shims.bridge import bridge_of
from limner.comfy.shims.objects.image_encoder import ClipVisionModel, Output
from limner.diffusion.errors import CheckpointError
from limner.diffusion.families.clip_vision import converted
from limner.diffusion.runtime import Runtime
from limner.diffusion.tensorfile import GivenTensors
from limner.diffusion.vision import MEAN, STD, preprocessed

bridge = bridge_of(__name__)
__all__ = ["ClipVisionModel", "Output", "clip_preprocess", "convert_to_transformers", "load"]


def clip_preprocess(
    image: Tensor, size: int = 224, mean: Sequence[float] = MEAN, std: Sequence[float] = STD, crop: bool = True
) -> Tensor:
    """Pictures [batch, height, width, 3 or more] in 0..1 as an encoder takes them."""
    return preprocessed(image, size, mean, std, crop=crop)


def convert_to_transformers(sd: dict[str, Tensor], prefix: str) -> dict[str, Tensor]:
    """An encoder's tensors by transformers' names."""
    return converted(sd, prefix)


def load_clipvision_from_sd(
    sd: dict[str, Tensor], prefix: str = "", convert_keys: bool = False
) -> ClipVisionModel | None:
    """The encoder of a file's tensors; None where they are none."""
    tensors = converted(sd, prefix) if convert_keys or prefix else sd
    try:
        return ClipVisionModel(bridge.services.get(Runtime).load_clip_vision(GivenTensors(tensors, "CLIP vision")))
    except CheckpointError:
        return None


def load(ckpt_path: str) -> ClipVisionModel:
    """The encoder of a file. Raises CheckpointError where it holds none that is known."""
    return ClipVisionModel(bridge.services.get(Runtime).load_clip_vision(Path(ckpt_path)))
