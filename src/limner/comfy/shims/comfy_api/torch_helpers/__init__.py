"""ComfyUI's `comfy_api.torch_helpers`."""

from __future__ import annotations

from typing import Any


def set_torch_compile_wrapper(model: Any, backend: str, options: Any = None, **more: Any) -> None:
    """Refuses: networks are diffusers', and their layers have other names."""
    raise NotImplementedError(
        "compiling a model's inner parts by ComfyUI's names is not supported; "
        "run this pack in the ComfyUI that it was written for"
    )
