"""ComfyUI's `comfy_api.input.basic_types`."""

from ..latest._input import AudioInput, ImageInput, LatentInput, MaskInput

__all__ = ["AudioInput", "ImageInput", "LatentInput", "MaskInput"]
