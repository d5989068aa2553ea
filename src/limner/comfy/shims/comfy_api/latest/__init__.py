"""ComfyUI's `comfy_api.latest`: the V3 interface of nodes, over Limner."""

from __future__ import annotations

from typing import Any

from . import _io as io
from . import _ui as ui
from ._execution import ComfyAPI, ComfyAPISync
from ._input import AudioInput, ImageInput, LatentInput, MaskInput, VideoInput
from ._input_impl import VideoFromComponents, VideoFromFile
from ._util import VideoCodec, VideoComponents, VideoContainer

IO, UI = io, ui
ComfyAPI_latest = ComfyAPI


class ComfyExtension:
    """What a pack's `comfy_entrypoint` gives: its nodes, once `on_load` has prepared what they need."""

    async def on_load(self) -> None:
        """Called once, before the nodes are asked for."""

    async def get_node_list(self) -> list[type[Any]]:
        raise NotImplementedError(f"{type(self).__name__} has no get_node_list")


class Input:
    Image = ImageInput
    Audio = AudioInput
    Mask = MaskInput
    Latent = LatentInput
    Video = VideoInput


class InputImpl:
    VideoFromFile = VideoFromFile
    VideoFromComponents = VideoFromComponents


class Types:
    VideoCodec = VideoCodec
    VideoContainer = VideoContainer
    VideoComponents = VideoComponents


__all__ = ["IO", "UI", "ComfyAPI", "ComfyAPISync", "ComfyExtension", "Input", "InputImpl", "Types", "io", "ui"]
