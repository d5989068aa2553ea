"""ComfyUI's `comfy.supported_models_base`."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from limner.comfy.shims.objects.supported import BASE

__all__ = ["BASE", "ClipTarget"]


@dataclass
class ClipTarget:
    """Which tokenizer and which text encoder a family has, and what they are made with."""

    tokenizer: Any
    clip: Any
    params: dict[str, Any] = field(default_factory=dict)
