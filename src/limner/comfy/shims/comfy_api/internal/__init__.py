"""ComfyUI's `comfy_api.internal`: what its own code shares with packs that look inside."""

from ..latest._io_node import ComfyNode as _ComfyNodeInternal
from ..latest._io_node import NodeOutput as _NodeOutputInternal

__all__ = ["_ComfyNodeInternal", "_NodeOutputInternal"]
