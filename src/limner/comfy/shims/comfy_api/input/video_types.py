"""ComfyUI's `comfy_api.input.video_types`."""

from ..latest._input import VideoInput

__all__ = ["VideoInput"]
