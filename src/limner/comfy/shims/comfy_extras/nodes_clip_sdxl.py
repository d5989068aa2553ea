"""ComfyUI's `comfy_extras.nodes_clip_sdxl`: prompts with the sizes that SDXL is told.

Podell et al. 2023, arXiv:2307.01952.
"""

from __future__ import annotations

from typing import Any

from limner.comfy.shims.objects.declared import declared


@declared("CLIPTextEncodeSDXL", "execute")
class CLIPTextEncodeSDXL:
    """A prompt for each of two encoders, of equal length, and sizes in pixels."""

    def execute(
        self,
        clip: Any,
        width: int,
        height: int,
        crop_w: int,
        crop_h: int,
        target_width: int,
        target_height: int,
        text_g: str,
        text_l: str,
    ) -> tuple[Any]:
        sizes = {"width": width, "height": height, "crop_w": crop_w, "crop_h": crop_h}
        sizes |= {"target_width": target_width, "target_height": target_height}
        tokens, empty = clip.tokenize(text_g), clip.tokenize("")
        tokens["l"] = list(clip.tokenize(text_l)["l"])
        if "g" in tokens:
            longest = max(len(tokens["l"]), len(tokens["g"]))
            for name in ("l", "g"):
                while len(tokens[name]) < longest:
                    tokens[name] = [*tokens[name], *empty[name]]
        return (clip.encode_from_tokens_scheduled(tokens, add_dict=sizes),)


@declared("CLIPTextEncodeSDXLRefiner", "execute")
class CLIPTextEncodeSDXLRefiner:
    """A prompt with a size and a score for beauty."""

    def execute(self, clip: Any, ascore: float, width: int, height: int, text: str) -> tuple[Any]:
        told = {"aesthetic_score": ascore, "width": width, "height": height}
        return (clip.encode_from_tokens_scheduled(clip.tokenize(text), add_dict=told),)
