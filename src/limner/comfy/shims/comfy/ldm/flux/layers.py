"""ComfyUI's `comfy.ldm.flux.layers`: what of it is no network."""

from __future__ import annotations

from importlib import import_module

from torch import Tensor


def timestep_embedding(t: Tensor, dim: int, max_period: float = 10000, time_factor: float = 1000.0) -> Tensor:
    """Cosines and sines [batch, dim] of times [batch] in 0..1."""
    module = import_module("comfy.ldm.modules.diffusionmodules.util")
    embedded: Tensor = module.timestep_embedding(time_factor * t, dim, max_period)
    return embedded.to(t) if t.is_floating_point() else embedded
