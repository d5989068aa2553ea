"""ComfyUI's `comfy.utils`: files of weights, resizing, tiles, progress."""

from __future__ import annotations

import math
import os
import struct
from collections.abc import Callable, Iterable, Mapping
from importlib import import_module
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from limner.comfy.shims.bridge import bridge_of
from limner.comfy.shims.objects.tiling import tiled_scale, tiled_scale_multidim
from limner.comfy.shims.objects.unet_names import (
    TRANSFORMER_BLOCKS,
    UNET_MAP_ATTENTIONS,
    UNET_MAP_BASIC,
    UNET_MAP_RESNET,
    clip_text_transformers_convert,
    transformers_convert,
    unet_to_diffusers,
)
from limner.nodes.tensors.resize import resize

bridge = bridge_of(__name__)

MMAP_TORCH_FILES = False
DISABLE_MMAP = False
PROGRESS_BAR_ENABLED = True
PROGRESS_BAR_HOOK: Callable[..., None] | None = None

__all__ = ["TRANSFORMER_BLOCKS", "UNET_MAP_ATTENTIONS", "UNET_MAP_BASIC", "UNET_MAP_RESNET", "Image"]
__all__ += ["clip_text_transformers_convert", "np", "tiled_scale", "tiled_scale_multidim", "torch"]
__all__ += ["transformers_convert", "unet_to_diffusers"]

ALWAYS_SAFE_LOAD = True


def load_torch_file(
    ckpt: str | os.PathLike[str], safe_load: bool = False, device: Any = None, return_metadata: bool = False
) -> Any:
    """The tensors of a file by name, with its texts where asked. Pickles are opened by torch's restricted loader."""
    path, where = str(ckpt), str(device or "cpu")
    metadata: dict[str, str] | None = None
    if path.lower().endswith((".safetensors", ".sft")):
        from safetensors import safe_open

        with safe_open(path, framework="pt", device=where) as file:
            tensors: Any = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
            metadata = file.metadata()
    else:
        loaded = torch.load(path, map_location=where, weights_only=True)
        tensors = loaded["state_dict"] if isinstance(loaded, dict) and "state_dict" in loaded else loaded
        if isinstance(tensors, dict) and len(tensors) == 1 and isinstance(only := next(iter(tensors.values())), dict):
            tensors = only
    return (tensors, metadata) if return_metadata else tensors


def save_torch_file(sd: Mapping[str, Tensor], ckpt: str, metadata: Mapping[str, str] | None = None) -> None:
    from safetensors.torch import save_file

    save_file({name: tensor.contiguous() for name, tensor in sd.items()}, ckpt, dict(metadata) if metadata else None)


def safetensors_header(safetensors_path: str, max_size: int = 100 * 1024 * 1024) -> bytes | None:
    """The JSON at a file's start; None where it says to be longer than `max_size`."""
    with open(safetensors_path, "rb") as file:
        length = struct.unpack("<Q", file.read(8))[0]
        return file.read(length) if length <= max_size else None


def calculate_parameters(sd: Mapping[str, Tensor], prefix: str = "") -> int:
    return sum(tensor.nelement() for name, tensor in sd.items() if name.startswith(prefix))


def weight_dtype(sd: Mapping[str, Tensor], prefix: str = "") -> torch.dtype | None:
    """The dtype that most of the weights have."""
    sizes: dict[torch.dtype, int] = {}
    for name, tensor in sd.items():
        if name.startswith(prefix):
            sizes[tensor.dtype] = sizes.get(tensor.dtype, 0) + tensor.numel()
    return max(sizes, key=lambda dtype: sizes[dtype]) if sizes else None


def state_dict_key_replace(state_dict: dict[str, Any], keys_to_replace: Mapping[str, str]) -> dict[str, Any]:
    for old, new in keys_to_replace.items():
        if old in state_dict:
            state_dict[new] = state_dict.pop(old)
    return state_dict


def state_dict_prefix_replace(
    state_dict: dict[str, Any], replace_prefix: Mapping[str, str], filter_keys: bool = False
) -> dict[str, Any]:
    """Names with one prefix for another; with `filter_keys` a new dict of those alone."""
    result: dict[str, Any] = {} if filter_keys else state_dict
    for old, new in replace_prefix.items():
        for name in [name for name in state_dict if name.startswith(old)]:
            result[new + name[len(old) :]] = state_dict.pop(name)
    return result


def convert_sd_to(state_dict: dict[str, Tensor], dtype: torch.dtype) -> dict[str, Tensor]:
    for name in list(state_dict):
        state_dict[name] = state_dict[name].to(dtype)
    return state_dict


def get_attr(obj: Any, attr: str) -> Any:
    """The attribute at a dotted path."""
    for part in attr.split("."):
        obj = getattr(obj, part)
    return obj


def set_attr(obj: Any, attr: str, value: Any) -> Any:
    """Put a value at a dotted path; what stood there before."""
    path, _, last = attr.rpartition(".")
    owner = get_attr(obj, path) if path else obj
    before = getattr(owner, last)
    setattr(owner, last, value)
    return before


def set_attr_param(obj: Any, attr: str, value: Tensor) -> Any:
    return set_attr(obj, attr, torch.nn.Parameter(value, requires_grad=False))


def copy_to_param(obj: Any, attr: str, value: Tensor) -> None:
    get_attr(obj, attr).data.copy_(value)


def repeat_to_batch_size(tensor: Tensor, batch_size: int, dim: int = 0) -> Tensor:
    """As many items along `dim`: cut short, or repeated from the start."""
    have = tensor.shape[dim]
    if have < batch_size:
        times = [1] * tensor.ndim
        times[dim] = math.ceil(batch_size / have)
        tensor = tensor.repeat(times)
    return tensor.narrow(dim, 0, batch_size) if tensor.shape[dim] != batch_size else tensor


def _places(have: int, wanted: int) -> list[int]:
    """Which of `have` items stand for `wanted` ones, evenly spread."""
    if wanted < have:
        return [min(round(place * (have - 1) / (wanted - 1)), have - 1) for place in range(wanted)]
    return [min(math.floor((place + 0.5) * have / wanted), have - 1) for place in range(wanted)]


def resize_to_batch_size(tensor: Tensor, batch_size: int) -> Tensor:
    if batch_size == tensor.shape[0] or batch_size <= 1:
        return tensor[:batch_size]
    return tensor[_places(tensor.shape[0], batch_size)]


def resize_list_to_batch_size(items: list[Any], batch_size: int) -> list[Any]:
    if not items or batch_size == len(items) or batch_size <= 1:
        return items[:batch_size] if items else items
    return [items[place] for place in _places(len(items), batch_size)]


def common_upscale(samples: Tensor, width: int, height: int, upscale_method: str, crop: str) -> Tensor:
    """[batch, channels, ..., height, width] at a new size; with crop `center` its middle in the new proportions."""
    return resize(samples, int(width), int(height), upscale_method, crop)


def lanczos(samples: Tensor, width: int, height: int) -> Tensor:
    return resize(samples, width, height, "lanczos")


def bislerp(samples: Tensor, width: int, height: int) -> Tensor:
    return resize(samples, width, height, "bislerp")


def get_tiled_scale_steps(width: int, height: int, tile_x: int, tile_y: int, overlap: int) -> int:
    """How many tiles `tiled_scale` takes."""
    rows = 1 if height <= tile_y else math.ceil((height - overlap) / (tile_y - overlap))
    columns = 1 if width <= tile_x else math.ceil((width - overlap) / (tile_x - overlap))
    return rows * columns


def reshape_mask(input_mask: Tensor, output_shape: Iterable[int]) -> Tensor:
    from limner.diffusion.sampling import fit_mask

    return fit_mask(input_mask, torch.Size(output_shape))


def set_progress_bar_enabled(enabled: bool) -> None:
    globals()["PROGRESS_BAR_ENABLED"] = enabled


def set_progress_bar_global_hook(function: Callable[..., None] | None) -> None:
    globals()["PROGRESS_BAR_HOOK"] = function


class ProgressBar:
    """The progress of the node that is running; it also notices that the run was interrupted."""

    def __init__(self, total: float, node_id: str | None = None) -> None:
        self.total, self.current, self.node_id = total, 0.0, node_id
        self.hook = PROGRESS_BAR_HOOK

    def update_absolute(self, value: float, total: float | None = None, preview: Any = None) -> None:
        """`preview`: (format, picture, largest side)."""
        self.total = self.total if total is None else total
        self.current = min(value, self.total)
        if self.hook is not None:
            self.hook(self.current, self.total, preview, node_id=self.node_id)
        if (call := bridge.call()) is None:
            return
        if preview is not None:
            import_module("latent_preview").send_preview(preview, call)
        call.progress(self.current, self.total)

    def update(self, value: float) -> None:
        self.update_absolute(self.current + value)
