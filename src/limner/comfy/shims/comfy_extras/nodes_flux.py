"""ComfyUI's `comfy_extras.nodes_flux`: how strongly a guidance-distilled model is guided, told in the conditioning."""

from __future__ import annotations

from importlib import import_module
from typing import Any

from limner.comfy.shims.objects.declared import declared


def _told(conditioning: Any, guidance: float | None) -> tuple[Any]:
    return (import_module("node_helpers").conditioning_set_values(conditioning, {"guidance": guidance}),)


@declared("FluxGuidance", "append")
class FluxGuidance:
    """The strength."""

    def append(self, conditioning: Any, guidance: float = 3.5) -> tuple[Any]:
        return _told(conditioning, guidance)


@declared("FluxDisableGuidance", "append")
class FluxDisableGuidance:
    """None."""

    def append(self, conditioning: Any) -> tuple[Any]:
        return _told(conditioning, None)
