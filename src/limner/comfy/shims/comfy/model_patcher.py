"""ComfyUI's `comfy.model_patcher`."""

from limner.comfy.shims.objects.patch_options import (
    create_model_options_clone,
    set_model_options_patch_replace,
    set_model_options_post_cfg_function,
    set_model_options_pre_cfg_function,
)
from limner.comfy.shims.objects.patcher import ModelPatcher
from limner.comfy.shims.objects.wrappers import PatcherInjection

__all__ = [
    "ModelPatcher",
    "PatcherInjection",
    "create_model_options_clone",
    "set_model_options_patch_replace",
    "set_model_options_post_cfg_function",
    "set_model_options_pre_cfg_function",
]
