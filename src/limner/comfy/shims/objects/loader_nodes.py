"""Classes of ComfyUI's `nodes` that load parts of models and put ControlNets into prompts."""

from __future__ import annotations

from importlib import import_module
from typing import Any

from torch import Tensor

from limner.comfy.shims.objects.declared import declared


def _path(kind: str, name: str) -> str:
    path: str = import_module("folder_paths").get_full_path_or_raise(kind, name)
    return path


@declared("UNETLoader", "load_unet")
class UNETLoader:
    """A denoising network."""

    def load_unet(self, unet_name: str, weight_dtype: str = "default") -> tuple[Any]:
        """Weights in 8 bits are computed with in the device's own precision."""
        return (import_module("comfy.sd").load_diffusion_model(_path("diffusion_models", unet_name)),)


@declared("CLIPLoader", "load_clip")
class CLIPLoader:
    """A text encoder."""

    def load_clip(self, clip_name: str, type: str = "stable_diffusion", device: str = "default") -> tuple[Any]:
        sd = import_module("comfy.sd")
        kind = getattr(sd.CLIPType, type.upper(), sd.CLIPType.STABLE_DIFFUSION)
        return (sd.load_clip([_path("text_encoders", clip_name)], clip_type=kind),)


@declared("DualCLIPLoader", "load_clip")
class DualCLIPLoader:
    """Two text encoders."""

    def load_clip(self, clip_name1: str, clip_name2: str, type: str, device: str = "default") -> tuple[Any]:
        sd = import_module("comfy.sd")
        paths = [_path("text_encoders", name) for name in (clip_name1, clip_name2)]
        return (sd.load_clip(paths, clip_type=getattr(sd.CLIPType, type.upper(), sd.CLIPType.STABLE_DIFFUSION)),)


@declared("CLIPVisionLoader", "load_clip")
class CLIPVisionLoader:
    """An image encoder."""

    def load_clip(self, clip_name: str) -> tuple[Any]:
        return (import_module("comfy.clip_vision").load(_path("clip_vision", clip_name)),)


@declared("CLIPVisionEncode", "encode")
class CLIPVisionEncode:
    """A picture's vectors."""

    def encode(self, clip_vision: Any, image: Tensor, crop: str) -> tuple[Any]:
        return (clip_vision.encode_image(image, crop=crop == "center"),)


@declared("ControlNetLoader", "load_controlnet")
class ControlNetLoader:
    """A ControlNet."""

    def load_controlnet(self, control_net_name: str) -> tuple[Any]:
        return (import_module("comfy.controlnet").load_controlnet(_path("controlnet", control_net_name)),)


@declared("DiffControlNetLoader", "load_controlnet")
class DiffControlNetLoader:
    """A ControlNet whose file may be the difference from a model."""

    def load_controlnet(self, model: Any, control_net_name: str) -> tuple[Any]:
        return (import_module("comfy.controlnet").load_controlnet(_path("controlnet", control_net_name), model),)


@declared("ControlNetApply", "apply_controlnet")
class ControlNetApply:
    """A prompt that a picture steers, and with it the other prompts."""

    def apply_controlnet(self, conditioning: Any, control_net: Any, image: Tensor, strength: float) -> tuple[Any]:
        if strength == 0:
            return (conditioning,)
        made = []
        for vectors, options in conditioning:
            control = control_net.copy().set_cond_hint(image.movedim(-1, 1), strength)
            if "control" in options:
                control.set_previous_controlnet(options["control"])
            made.append([vectors, {**options, "control": control, "control_apply_to_uncond": True}])
        return (made,)


@declared("ControlNetApplyAdvanced", "apply_controlnet")
class ControlNetApplyAdvanced:
    """Both prompts, steered by a picture for a part of the run."""

    def apply_controlnet(
        self,
        positive: Any,
        negative: Any,
        control_net: Any,
        image: Tensor,
        strength: float,
        start_percent: float,
        end_percent: float,
        vae: Any = None,
        extra_concat: Any = (),
    ) -> tuple[Any, Any]:
        if strength == 0:
            return positive, negative
        controls: dict[int, Any] = {}
        made: list[Any] = []
        for conditioning in (positive, negative):
            parts = []
            for vectors, options in conditioning:
                before = options.get("control")
                if id(before) not in controls:
                    span = (start_percent, end_percent)
                    control = control_net.copy().set_cond_hint(image.movedim(-1, 1), strength, span, vae, extra_concat)
                    controls[id(before)] = control.set_previous_controlnet(before)
                chosen = {"control": controls[id(before)], "control_apply_to_uncond": False}
                parts.append([vectors, {**options, **chosen}])
            made.append(parts)
        return made[0], made[1]
