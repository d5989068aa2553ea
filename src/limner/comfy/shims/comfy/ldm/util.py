"""ComfyUI's `comfy.ldm.util`."""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from typing import Any

import torch


def exists(x: Any) -> bool:
    return x is not None


def default(val: Any, d: Any) -> Any:
    """The value, or where it is None the other, called if it is a function."""
    if val is not None:
        return val
    return d() if callable(d) and not isinstance(d, type) else d


def ismap(x: Any) -> bool:
    """Whether it is a tensor [batch, channels, h, w] of more than three channels."""
    return isinstance(x, torch.Tensor) and x.ndim == 4 and x.shape[1] > 3


def isimage(x: Any) -> bool:
    """Whether it is a tensor [batch, channels, h, w] of one channel or three."""
    return isinstance(x, torch.Tensor) and x.ndim == 4 and x.shape[1] in (1, 3)


def mean_flat(tensor: torch.Tensor) -> torch.Tensor:
    """The mean over all but the batch."""
    return tensor.mean(dim=list(range(1, tensor.ndim)))


def count_params(model: torch.nn.Module, verbose: bool = False) -> int:
    return sum(parameter.numel() for parameter in model.parameters())


def get_obj_from_str(string: str, reload: bool = False) -> Any:
    """What stands at a dotted name."""
    module, _, name = string.rpartition(".")
    found = importlib.import_module(module)
    return getattr(importlib.reload(found) if reload else found, name)


def instantiate_from_config(config: Mapping[str, Any]) -> Any:
    """An object of `target`, made with `params`. Raises KeyError without a target."""
    return get_obj_from_str(config["target"])(**config.get("params", {}))
