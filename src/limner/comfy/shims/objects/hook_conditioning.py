"""Hooks, masks and times put on several CONDITIONINGs at once; each function returns new ones."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from torch import Tensor

from limner.comfy.shims.objects.hook_groups import HookGroup, WeightHook, group_of

Cond = Sequence[Any]
Cache = dict[tuple[HookGroup, HookGroup], HookGroup]
Range = tuple[float, float]


def _set(cond: Cond, values: Mapping[str, Any]) -> list[Any]:
    return [[vectors, {**options, **values}] for vectors, options in cond]


def conditioning_set_values_with_hooks(
    conditioning: Cond, values: Mapping[str, Any] | None = None, append_hooks: bool = True, cache: Cache | None = None
) -> list[Any]:
    """The conditioning with these options in each part; hooks beside those that it has, equal pairs as one group."""
    known = {} if cache is None else cache
    given = dict(values or {})
    changed = []
    for vectors, options in conditioning:
        merged = {**options, **given}
        before, after = options.get("hooks"), given.get("hooks")
        if append_hooks and "hooks" in given and before is not None:
            if after is not None and (before, after) not in known:
                known[before, after] = before.clone_and_combine(after)
            merged["hooks"] = before if after is None else known[before, after]
        if merged.get("hooks", merged) is None:
            del merged["hooks"]
        changed.append([vectors, merged])
    return changed


def set_hooks_for_conditioning(
    cond: Cond, hooks: HookGroup | None, append_hooks: bool = True, cache: Cache | None = None
) -> Any:
    """The CONDITIONING with hooks on each part, beside those that it has."""
    return cond if hooks is None else conditioning_set_values_with_hooks(cond, {"hooks": hooks}, append_hooks, cache)


def set_timesteps_for_conditioning(cond: Cond, timestep_range: Range | None) -> Any:
    if timestep_range is None:
        return cond
    return _set(cond, {"start_percent": timestep_range[0], "end_percent": timestep_range[1]})


def set_mask_for_conditioning(cond: Cond, mask: Tensor | None, set_cond_area: str, strength: float) -> Any:
    """Weighed by a mask; only around it, where `set_cond_area` is not `default`."""
    if mask is None:
        return cond
    batched = mask if mask.ndim >= 3 else mask.unsqueeze(0)
    bounds = set_cond_area != "default"
    return _set(cond, {"mask": batched, "set_area_to_bounds": bounds, "mask_strength": strength})


def combine_conditioning(conds: Iterable[Cond]) -> list[Any]:
    """The parts of all, one after the other."""
    return [part for cond in conds for part in cond]


def combine_with_new_conds(conds: Iterable[Cond], new_conds: Iterable[Cond]) -> list[Any]:
    """Each with its new one."""
    return [combine_conditioning(pair) for pair in zip(conds, new_conds, strict=False)]


def set_conds_props(
    conds: Iterable[Cond],
    strength: float,
    set_cond_area: str,
    mask: Tensor | None = None,
    hooks: HookGroup | None = None,
    timesteps_range: Range | None = None,
    append_hooks: bool = True,
) -> list[Any]:
    """Each with hooks, a mask and times."""
    cache: Cache = {}
    made = []
    for cond in conds:
        hooked = set_hooks_for_conditioning(cond, hooks, append_hooks, cache)
        masked = set_mask_for_conditioning(hooked, mask, set_cond_area, strength)
        made.append(set_timesteps_for_conditioning(masked, timesteps_range))
    return made


def set_conds_props_and_combine(
    conds: Iterable[Cond],
    new_conds: Iterable[Cond],
    strength: float = 1.0,
    set_cond_area: str = "default",
    mask: Tensor | None = None,
    hooks: HookGroup | None = None,
    timesteps_range: Range | None = None,
    append_hooks: bool = True,
) -> list[Any]:
    """Each with its new one, which gets hooks, a mask and times."""
    made = set_conds_props(new_conds, strength, set_cond_area, mask, hooks, timesteps_range, append_hooks)
    return combine_with_new_conds(conds, made)


def set_default_conds_and_combine(
    conds: Iterable[Cond],
    new_conds: Iterable[Cond],
    hooks: HookGroup | None = None,
    timesteps_range: Range | None = None,
    append_hooks: bool = True,
) -> list[Any]:
    """Each with its new one, which acts where no other does."""
    cache: Cache = {}
    made = []
    for cond in new_conds:
        hooked = set_hooks_for_conditioning(cond, hooks, append_hooks, cache)
        made.append(set_timesteps_for_conditioning(_set(hooked, {"default": True}), timesteps_range))
    return combine_with_new_conds(conds, made)


def get_patch_weights_from_model(model: Any, discard_model_sampling: bool = True) -> dict[str, Tensor] | None:
    """A model's weights by name, without its noise levels."""
    if model is None:
        return None
    state: dict[str, Tensor] = model.model.state_dict()
    kept = {key: tensor for key, tensor in state.items() if not key.startswith("model_sampling")}
    return kept if discard_model_sampling else state


def load_hook_lora_for_models(
    model: Any, clip: Any, lora: Mapping[str, Tensor], strength_model: float, strength_clip: float
) -> tuple[Any, Any, HookGroup]:
    """Clones that have a LoRA's changes ready for a hook, and the hook."""
    from importlib import import_module

    module = import_module("comfy.lora")
    keys: dict[str, str] = {}
    if model is not None:
        module.model_lora_keys_unet(model.model, keys)
    if clip is not None:
        module.model_lora_keys_clip(clip.cond_stage_model, keys)
    hook, loaded = WeightHook(), module.load_lora(lora, keys)
    if model is not None:
        model = model.clone()
        model.add_hook_patches(hook, loaded, strength_model)
    if clip is not None:
        clip = clip.clone()
        clip.patcher.add_hook_patches(hook, loaded, strength_clip)
    return model, clip, group_of([hook])
