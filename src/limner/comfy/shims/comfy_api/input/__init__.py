"""ComfyUI's `comfy_api.input`: what sockets carry."""

from ..latest._input import AudioInput, ImageInput, LatentInput, MaskInput, VideoInput

__all__ = ["AudioInput", "ImageInput", "LatentInput", "MaskInput", "VideoInput"]
