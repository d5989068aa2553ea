"""ComfyUI's `comfy.hooks`: changes that belong to parts of the conditioning, and when they act."""

from __future__ import annotations

from typing import Any

from limner.comfy.shims.objects.hook_conditioning import (
    combine_conditioning,
    combine_with_new_conds,
    conditioning_set_values_with_hooks,
    get_patch_weights_from_model,
    load_hook_lora_for_models,
    set_conds_props,
    set_conds_props_and_combine,
    set_default_conds_and_combine,
    set_hooks_for_conditioning,
    set_mask_for_conditioning,
    set_timesteps_for_conditioning,
)
from limner.comfy.shims.objects.hook_groups import (
    AdditionalModelsHook,
    EnumHookMode,
    EnumHookScope,
    EnumHookType,
    EnumWeightTarget,
    Hook,
    HookGroup,
    InjectionsHook,
    ObjectPatchHook,
    TransformerOptionsHook,
    WeightHook,
    create_hook_lora,
    create_hook_model_as_lora,
    create_transformer_options_from_hooks,
)
from limner.comfy.shims.objects.hook_keyframes import (
    HookKeyframe,
    HookKeyframeGroup,
    InterpolationMethod,
    get_sorted_list_via_attr,
)

WrapperHook = TransformerOptionsHook

__all__ = ["AdditionalModelsHook", "EnumHookMode", "EnumHookScope", "EnumHookType", "EnumWeightTarget", "Hook"]
__all__ += ["HookGroup", "HookKeyframe", "HookKeyframeGroup", "InjectionsHook", "InterpolationMethod"]
__all__ += ["ObjectPatchHook", "TransformerOptionsHook", "WeightHook", "combine_conditioning"]
__all__ += ["combine_with_new_conds", "conditioning_set_values_with_hooks", "create_hook_lora"]
__all__ += ["create_hook_model_as_lora", "create_transformer_options_from_hooks", "get_patch_weights_from_model"]
__all__ += ["get_sorted_list_via_attr", "load_hook_lora_for_models", "set_conds_props", "set_conds_props_and_combine"]
__all__ += ["set_default_conds_and_combine", "set_hooks_for_conditioning", "set_mask_for_conditioning"]
__all__ += ["set_timesteps_for_conditioning"]


def create_target_dict(target: EnumWeightTarget | None = None, **kwargs: Any) -> dict[str, Any]:
    """What a hook is registered for."""
    return {**({} if target is None else {"target": target}), **kwargs}


def default_should_register(hook: Any, model: Any, model_options: Any, target_dict: Any, registered: Any) -> bool:
    return True
