"""ComfyUI's `comfy_api.input_impl`: videos as packs make them."""

from ..latest._input_impl import VideoFromComponents, VideoFromFile

__all__ = ["VideoFromComponents", "VideoFromFile"]
