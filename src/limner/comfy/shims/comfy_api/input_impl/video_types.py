"""ComfyUI's `comfy_api.input_impl.video_types`."""

from ..latest._input_impl import VideoFromComponents, VideoFromFile

__all__ = ["VideoFromComponents", "VideoFromFile"]
