"""ComfyUI's `comfy_api.util`: what videos are written as."""

from ..latest._util import VideoCodec, VideoComponents, VideoContainer

__all__ = ["VideoCodec", "VideoComponents", "VideoContainer"]
