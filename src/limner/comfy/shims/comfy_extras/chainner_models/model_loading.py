"""ComfyUI's `comfy_extras.chainner_models.model_loading`: upscale models by spandrel, where that is installed."""

from __future__ import annotations

from collections.abc import Mapping
from importlib import import_module
from typing import Any

from torch import Tensor


def load_state_dict(state_dict: Mapping[str, Tensor]) -> Any:
    """The network of a file's tensors. Raises ImportError where spandrel is not installed."""
    return import_module("spandrel").ModelLoader().load_from_state_dict(dict(state_dict)).eval()
