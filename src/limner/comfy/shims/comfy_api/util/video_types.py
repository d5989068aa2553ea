"""ComfyUI's `comfy_api.util.video_types`."""

from ..latest._util import VideoCodec, VideoComponents, VideoContainer

__all__ = ["VideoCodec", "VideoComponents", "VideoContainer"]
