"""ComfyUI's `comfy.hooks`: changes that belong to parts of the conditioning, and when they act.

What is here are the objects that nodes build, combine and put on conditioning. Weight hooks are kept on the
conditioning; sampling here does not switch weights between parts of one step.
"""

from limner.comfy.shims.objects.hook_groups import (
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
    combine_conditioning,
    create_hook_lora,
    set_hooks_for_conditioning,
)
from limner.comfy.shims.objects.hook_keyframes import (
    HookKeyframe,
    HookKeyframeGroup,
    InterpolationMethod,
    get_sorted_list_via_attr,
)

WrapperHook = TransformerOptionsHook

__all__ = [
    "EnumHookMode",
    "EnumHookScope",
    "EnumHookType",
    "EnumWeightTarget",
    "Hook",
    "HookGroup",
    "HookKeyframe",
    "HookKeyframeGroup",
    "InjectionsHook",
    "InterpolationMethod",
    "ObjectPatchHook",
    "TransformerOptionsHook",
    "WeightHook",
    "WrapperHook",
    "combine_conditioning",
    "create_hook_lora",
    "get_sorted_list_via_attr",
    "set_hooks_for_conditioning",
]
