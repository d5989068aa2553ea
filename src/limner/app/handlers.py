"""What a host answers beside running steps: how its devices are, and that its models shall leave them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from importlib.metadata import version
from typing import Any

import torch

from limner.diffusion.runtime import Runtime
from limner.plugins.host import Handler
from limner.plugins.services import Services

from .packs import PackTopics


def handlers(services: Services, device: str) -> Mapping[str, Handler]:
    """The topics `stats`, `unload`, and those of the packs, `packs`, `on_prompt` and `reload`."""

    def stats(data: object) -> object:
        return {"devices": devices(device), "versions": versions()}

    def unload(data: object) -> object:
        return services.get(Runtime).unload_all()

    topics = services.get(PackTopics)
    return {
        "stats": stats,
        "unload": unload,
        "packs": topics.describe,
        "on_prompt": topics.on_prompt,
        "reload": topics.loaded.reload,
    }


def devices(chosen: str) -> Sequence[Mapping[str, Any]]:
    """Each device with its memory in bytes, in ComfyUI's keys."""
    if chosen == "cpu" or not torch.cuda.is_available():
        return [{"name": "cpu", "type": "cpu", "index": None}]
    return [_cuda(index) for index in range(torch.cuda.device_count())]


def versions() -> Mapping[str, str]:
    """Of the libraries that models run on."""
    return {"pytorch_version": torch.__version__, "diffusers_version": version("diffusers")}


def _cuda(index: int) -> Mapping[str, Any]:
    free, total = torch.cuda.mem_get_info(index)
    reserved = torch.cuda.memory_reserved(index)
    return {
        "name": f"cuda:{index} {torch.cuda.get_device_name(index)}",
        "type": "cuda",
        "index": index,
        "vram_total": total,
        "vram_free": free + reserved - torch.cuda.memory_allocated(index),
        "torch_vram_total": reserved,
        "torch_vram_free": reserved - torch.cuda.memory_allocated(index),
    }
