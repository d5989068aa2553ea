"""ComfyUI's `comfy.controlnet`: ControlNets of Stable Diffusion 1.x, and the classes that packs inherit."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from torch import Tensor

from limner.comfy.shims.bridge import bridge_of
from limner.comfy.shims.objects.control import (
    ControlBase,
    ControlModel,
    ControlNet,
    StrengthType,
    T2IAdapter,
    broadcast_image_to,
)
from limner.diffusion.controlnet import ControlNetwork
from limner.diffusion.runtime import Runtime
from limner.diffusion.tensorfile import GivenTensors

bridge = bridge_of(__name__)
__all__ = ["ControlBase", "ControlNet", "StrengthType", "T2IAdapter", "broadcast_image_to"]
POOLED = ("_shuffle", "_shuffle_fp16")
"""How the names of files end whose network tells of the picture as a whole."""


def load_controlnet(ckpt_path: str, model: Any = None, model_options: Mapping[str, Any] | None = None) -> ControlNet:
    """The ControlNet of a file. Raises CheckpointError where it holds none that is known."""
    path = Path(ckpt_path)
    pooled = (model_options or {}).get("global_average_pooling", path.stem.endswith(POOLED))
    return _made(bridge.services.get(Runtime).load_control(path), pooled)


def load_controlnet_state_dict(
    state_dict: Mapping[str, Tensor], model: Any = None, model_options: Mapping[str, Any] | None = None
) -> ControlNet:
    """The ControlNet of a file's tensors. Raises CheckpointError."""
    tensors = GivenTensors(state_dict, "ControlNet")
    pooled = (model_options or {}).get("global_average_pooling", False)
    return _made(bridge.services.get(Runtime).load_control(tensors), pooled)


def _made(core: ControlNetwork, pooled: bool) -> ControlNet:
    return ControlNet(ControlModel(core), global_average_pooling=pooled, load_device=core.resident.target)
