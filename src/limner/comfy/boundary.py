"""Where values go into a pack's methods and come out of them; torch is not imported for it."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from importlib import import_module
from typing import Any

FACES = "limner.comfy.shims.objects.faces"
PATCHER = "limner.comfy.shims.objects.patcher"


def to_pack(inputs: Mapping[Any, Any]) -> dict[Any, Any]:
    """The inputs of a pack's method: models as ComfyUI's objects."""
    if "limner.diffusion.residency" not in sys.modules:
        return dict(inputs)  # nothing is loaded that a model could be
    change = import_module(FACES).to_pack
    return {name: change(value) for name, value in inputs.items()}


def from_pack(value: Any) -> Any:
    """What a pack made, as Limner's nodes take it."""
    if PATCHER not in sys.modules:
        return value  # nobody has made one of ComfyUI's objects yet
    return import_module(FACES).from_pack(value)
