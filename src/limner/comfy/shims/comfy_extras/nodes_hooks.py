"""ComfyUI's `comfy_extras.nodes_hooks`: changes to weights that belong to parts of the conditioning."""

from __future__ import annotations

import logging
from collections.abc import Iterable
from importlib import import_module
from typing import Any

from limner.comfy.shims.objects.declared import declared
from limner.comfy.shims.objects.hook_conditioning import (
    set_conds_props,
    set_conds_props_and_combine,
    set_default_conds_and_combine,
    set_hooks_for_conditioning,
)
from limner.comfy.shims.objects.hook_groups import (
    EnumWeightTarget,
    HookGroup,
    create_hook_lora,
    create_hook_model_as_lora,
)
from limner.comfy.shims.objects.hook_keyframes import HookKeyframe, HookKeyframeGroup, InterpolationMethod

log = logging.getLogger(__name__)


@declared("PairConditioningSetProperties", "set_properties")
class PairConditioningSetProperties:
    """Both prompts with a mask, hooks and a time."""

    def set_properties(
        self,
        positive_NEW: Any,
        negative_NEW: Any,
        strength: float,
        set_cond_area: str,
        mask: Any = None,
        hooks: Any = None,
        timesteps: Any = None,
    ) -> tuple[Any, ...]:
        conds = [positive_NEW, negative_NEW]
        return tuple(set_conds_props(conds, strength, set_cond_area, mask, hooks, timesteps))


@declared("PairConditioningSetPropertiesAndCombine", "set_properties")
class PairConditioningSetPropertiesAndCombine:
    """The same, beside two other prompts."""

    def set_properties(
        self,
        positive: Any,
        negative: Any,
        positive_NEW: Any,
        negative_NEW: Any,
        strength: float,
        set_cond_area: str,
        mask: Any = None,
        hooks: Any = None,
        timesteps: Any = None,
    ) -> tuple[Any, ...]:
        conds, new = [positive, negative], [positive_NEW, negative_NEW]
        return tuple(set_conds_props_and_combine(conds, new, strength, set_cond_area, mask, hooks, timesteps))


@declared("ConditioningSetProperties", "set_properties")
class ConditioningSetProperties:
    """One prompt with a mask, hooks and a time."""

    def set_properties(
        self,
        cond_NEW: Any,
        strength: float,
        set_cond_area: str,
        mask: Any = None,
        hooks: Any = None,
        timesteps: Any = None,
    ) -> tuple[Any, ...]:
        return tuple(set_conds_props([cond_NEW], strength, set_cond_area, mask, hooks, timesteps))


@declared("ConditioningSetPropertiesAndCombine", "set_properties")
class ConditioningSetPropertiesAndCombine:
    """The same, beside another prompt."""

    def set_properties(
        self,
        cond: Any,
        cond_NEW: Any,
        strength: float,
        set_cond_area: str,
        mask: Any = None,
        hooks: Any = None,
        timesteps: Any = None,
    ) -> tuple[Any, ...]:
        return tuple(set_conds_props_and_combine([cond], [cond_NEW], strength, set_cond_area, mask, hooks, timesteps))


@declared("PairConditioningCombine", "combine")
class PairConditioningCombine:
    """Two pairs of prompts as one."""

    def combine(self, positive_A: Any, negative_A: Any, positive_B: Any, negative_B: Any) -> tuple[Any, ...]:
        return tuple(set_conds_props_and_combine([positive_A, negative_A], [positive_B, negative_B]))


@declared("PairConditioningSetDefaultCombine", "set_default_and_combine")
class PairConditioningSetDefaultAndCombine:
    """What both prompts are where no other part acts."""

    def set_default_and_combine(
        self, positive: Any, negative: Any, positive_DEFAULT: Any, negative_DEFAULT: Any, hooks: Any = None
    ) -> tuple[Any, ...]:
        given, usual = [positive, negative], [positive_DEFAULT, negative_DEFAULT]
        return tuple(set_default_conds_and_combine(given, usual, hooks))


@declared("ConditioningSetDefaultCombine", "set_default_and_combine")
class ConditioningSetDefaultAndCombine:
    """What a prompt is where no other part acts."""

    def set_default_and_combine(self, cond: Any, cond_DEFAULT: Any, hooks: Any = None) -> tuple[Any, ...]:
        return tuple(set_default_conds_and_combine([cond], [cond_DEFAULT], hooks))


class SetModelHooksOnCond:
    """A prompt with hooks."""

    FUNCTION = "attach_hook"

    def attach_hook(self, conditioning: Any, hooks: Any) -> tuple[Any]:
        return (set_hooks_for_conditioning(conditioning, hooks),)


@declared("SetClipHooks", "apply_hooks")
class SetClipHooks:
    """A text encoder whose weights follow hooks; what it encodes carries them on."""

    def apply_hooks(
        self, clip: Any, schedule_clip: bool, apply_to_conds: bool, hooks: HookGroup | None = None
    ) -> tuple[Any]:
        if hooks is None:
            return (clip,)
        changed = clip.clone()
        if apply_to_conds:
            changed.apply_hooks_to_conds = hooks
        changed.patcher.forced_hooks = hooks.clone()
        changed.use_clip_schedule = schedule_clip
        if not schedule_clip:
            changed.patcher.forced_hooks.set_keyframes_on_hooks(None)
        target = import_module("comfy.hooks").create_target_dict(EnumWeightTarget.Clip)
        changed.patcher.register_all_hook_patches(hooks, target)
        return (changed,)


@declared("ConditioningTimestepsRange", "create_range")
class ConditioningTimestepsRange:
    """A part of the denoising, what is before it and what is after."""

    def create_range(self, start_percent: float, end_percent: float) -> tuple[Any, ...]:
        return (start_percent, end_percent), (0.0, start_percent), (end_percent, 1.0)


@declared("CreateHookLora", "create_hook")
class CreateHookLora:
    """A LoRA as a hook."""

    def create_hook(
        self, lora_name: str, strength_model: float, strength_clip: float, prev_hooks: HookGroup | None = None
    ) -> tuple[HookGroup]:
        before = HookGroup() if prev_hooks is None else prev_hooks
        if strength_model == 0 and strength_clip == 0:
            return (before,)
        path = import_module("folder_paths").get_full_path_or_raise("loras", lora_name)
        tensors = import_module("comfy.utils").load_torch_file(path, safe_load=True)
        return (before.clone_and_combine(create_hook_lora(tensors, strength_model, strength_clip)),)


@declared("CreateHookLoraModelOnly", "create_hook_model_only")
class CreateHookLoraModelOnly(CreateHookLora):
    """A LoRA of the network alone as a hook."""

    def create_hook_model_only(
        self, lora_name: str, strength_model: float, prev_hooks: HookGroup | None = None
    ) -> tuple[HookGroup]:
        return self.create_hook(lora_name, strength_model, 0.0, prev_hooks)


@declared("CreateHookModelAsLora", "create_hook")
class CreateHookModelAsLora:
    """Another checkpoint's weights as a hook."""

    def create_hook(
        self, ckpt_name: str, strength_model: float, strength_clip: float, prev_hooks: HookGroup | None = None
    ) -> tuple[HookGroup]:
        before = HookGroup() if prev_hooks is None else prev_hooks
        path = import_module("folder_paths").get_full_path_or_raise("checkpoints", ckpt_name)
        model, clip, *_ = import_module("comfy.sd").load_checkpoint_guess_config(path, output_vae=False)
        weights = import_module("comfy.hooks").get_patch_weights_from_model
        of_model = None if model is None else weights(model)
        of_clip = None if clip is None else weights(clip.patcher)
        return (before.clone_and_combine(create_hook_model_as_lora(of_model, of_clip, strength_model, strength_clip)),)


@declared("CreateHookModelAsLoraModelOnly", "create_hook_model_only")
class CreateHookModelAsLoraModelOnly(CreateHookModelAsLora):
    """Another checkpoint's network as a hook."""

    def create_hook_model_only(
        self, ckpt_name: str, strength_model: float, prev_hooks: HookGroup | None = None
    ) -> tuple[HookGroup]:
        return self.create_hook(ckpt_name, strength_model, 0.0, prev_hooks)


@declared("SetHookKeyframes", "set_hook_keyframes")
class SetHookKeyframes:
    """Hooks whose strength changes over the run."""

    def set_hook_keyframes(self, hooks: HookGroup, hook_kf: HookKeyframeGroup | None = None) -> tuple[HookGroup]:
        if hook_kf is None:
            return (hooks,)
        changed = hooks.clone()
        changed.set_keyframes_on_hooks(hook_kf)
        return (changed,)


def _keyframes(
    before: HookKeyframeGroup | None, strengths: Iterable[float], start: float, end: float, shown: bool
) -> tuple[HookKeyframeGroup]:
    """Keyframes at even places between two shares of the run; the first acts for one step at least."""
    group = HookKeyframeGroup() if before is None else before.clone()
    listed = list(strengths)
    places = InterpolationMethod.get_weights(start, end, len(listed), InterpolationMethod.LINEAR)
    for number, (place, strength) in enumerate(zip(map(float, places), listed, strict=True)):
        group.add(HookKeyframe(strength=strength, start_percent=place, guarantee_steps=int(number == 0)))
        if shown:
            log.info("Hook Keyframe - start_percent:%s = %s", place, strength)
    return (group,)


@declared("CreateHookKeyframe", "create_hook_keyframe")
class CreateHookKeyframe:
    """A strength from a share of the run on."""

    def create_hook_keyframe(
        self, strength_mult: float, start_percent: float, prev_hook_kf: HookKeyframeGroup | None = None
    ) -> tuple[HookKeyframeGroup]:
        group = HookKeyframeGroup() if prev_hook_kf is None else prev_hook_kf.clone()
        group.add(HookKeyframe(strength=strength_mult, start_percent=start_percent))
        return (group,)


@declared("CreateHookKeyframesInterpolated", "create_hook_keyframes")
class CreateHookKeyframesInterpolated:
    """Strengths between two."""

    def create_hook_keyframes(
        self,
        strength_start: float,
        strength_end: float,
        interpolation: str,
        start_percent: float,
        end_percent: float,
        keyframes_count: int,
        print_keyframes: bool = False,
        prev_hook_kf: HookKeyframeGroup | None = None,
    ) -> tuple[HookKeyframeGroup]:
        strengths = InterpolationMethod.get_weights(strength_start, strength_end, keyframes_count, interpolation)
        return _keyframes(prev_hook_kf, map(float, strengths), start_percent, end_percent, print_keyframes)


@declared("CreateHookKeyframesFromFloats", "create_hook_keyframes")
class CreateHookKeyframesFromFloats:
    """Strengths from a list."""

    def create_hook_keyframes(
        self,
        floats_strength: float | Iterable[float],
        start_percent: float,
        end_percent: float,
        prev_hook_kf: HookKeyframeGroup | None = None,
        print_keyframes: bool = False,
    ) -> tuple[HookKeyframeGroup]:
        one = isinstance(floats_strength, int | float)
        strengths = [float(floats_strength)] if one else list(floats_strength)  # type: ignore[arg-type]
        return _keyframes(prev_hook_kf, strengths, start_percent, end_percent, print_keyframes)


@declared("CombineHooks2", "combine_hooks")
class CombineHooks:
    """Hooks as one group."""

    def combine_hooks(self, **hooks: HookGroup | None) -> tuple[HookGroup | None]:
        return (HookGroup.combine_all_hooks(list(hooks.values())),)


@declared("CombineHooks4", "combine_hooks")
class CombineHooksFour(CombineHooks):
    """Up to four."""

    combine_hooks = CombineHooks.combine_hooks


@declared("CombineHooks8", "combine_hooks")
class CombineHooksEight(CombineHooks):
    """Up to eight."""

    combine_hooks = CombineHooks.combine_hooks
