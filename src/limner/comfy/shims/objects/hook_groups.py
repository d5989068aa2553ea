"""Hooks, and groups of them."""

from __future__ import annotations

import enum
from collections.abc import Callable, Mapping, Sequence
from importlib import import_module
from typing import Any, TypeVar

from limner.comfy.shims.objects.hook_keyframes import HookKeyframeGroup
from limner.comfy.shims.objects.wrappers import merge_nested_dicts

H = TypeVar("H", bound="Hook")


class EnumHookMode(enum.Enum):
    """Whether changed weights are kept."""

    MinVram = "minvram"
    MaxSpeed = "maxspeed"


class EnumHookType(enum.Enum):
    """What a hook changes."""

    Weight = "weight"
    ObjectPatch = "object_patch"
    AdditionalModels = "add_models"
    TransformerOptions = "transformer_options"
    Injections = "add_injections"


class EnumWeightTarget(enum.Enum):
    """Whose weights."""

    Model = "model"
    Clip = "clip"


class EnumHookScope(enum.Enum):
    """Whether a hook acts on all conditioning, or on that which it was put on."""

    AllConditioning = "all_conditioning"
    HookedOnly = "hooked_only"


class _Reference:
    """What clones of a hook share: they are equal by it."""


class Hook:
    """A change; clones are equal to each other."""

    hook_type: EnumHookType | None

    def __init__(
        self,
        hook_type: EnumHookType | None = None,
        hook_ref: Any = None,
        hook_id: str | None = None,
        hook_keyframe: HookKeyframeGroup | None = None,
        hook_scope: EnumHookScope = EnumHookScope.AllConditioning,
    ) -> None:
        self.hook_type = hook_type
        self.hook_ref = hook_ref or _Reference()
        self.hook_id = hook_id
        self.hook_keyframe = hook_keyframe or HookKeyframeGroup()
        self.hook_scope = hook_scope
        self.custom_should_register: Callable[..., bool] = lambda *args: True

    @property
    def strength(self) -> float:
        return self.hook_keyframe.strength

    def initialize_timesteps(self, model: Any) -> None:
        self.reset()
        self.hook_keyframe.initialize_timesteps(model)

    def reset(self) -> None:
        self.hook_keyframe.reset()

    def clone(self: H) -> H:
        copy = self.__class__.__new__(self.__class__)
        copy.__dict__.update(self.__dict__)
        return copy

    def should_register(self, model: Any, model_options: Any, target_dict: Any, registered: Any) -> bool:
        return self.custom_should_register(self, model, model_options, target_dict, registered)

    def add_hook_patches(self, model: Any, model_options: Any, target_dict: Any, registered: HookGroup) -> bool:
        """Take the hook in for a model, where it is to be; whether it was."""
        raise NotImplementedError(f"hooks of the class {type(self).__name__} act on no model")

    def __eq__(self, other: object) -> bool:
        return self.__class__ is other.__class__ and self.hook_ref is getattr(other, "hook_ref", None)

    def __hash__(self) -> int:
        return hash(self.hook_ref)


class WeightHook(Hook):
    """Changes to weights."""

    def __init__(self, strength_model: float = 1.0, strength_clip: float = 1.0) -> None:
        super().__init__(EnumHookType.Weight, hook_scope=EnumHookScope.HookedOnly)
        self._strength_model, self._strength_clip = strength_model, strength_clip
        self.weights: Mapping[str, Any] | None = None
        self.weights_clip: Mapping[str, Any] | None = None
        self.need_weight_init = True

    @property
    def strength_model(self) -> float:
        return self._strength_model * self.strength

    @property
    def strength_clip(self) -> float:
        return self._strength_clip * self.strength

    def add_hook_patches(self, model: Any, model_options: Any, target_dict: Any, registered: HookGroup) -> bool:
        if not self.should_register(model, model_options, target_dict, registered):
            return False
        clip = target_dict.get("target") is EnumWeightTarget.Clip
        if self.need_weight_init:
            lora = import_module("comfy.lora")
            keys = lora.model_lora_keys_clip(model.model) if clip else lora.model_lora_keys_unet(model.model)
            weights = lora.load_lora(self.weights or {}, keys, log_missing=False)
        else:
            weights = (self.weights_clip if clip else self.weights) or {}
        model.add_hook_patches(self, weights, self._strength_clip if clip else self._strength_model)
        registered.add(self)
        return True


class ObjectPatchHook(Hook):
    """Objects in place of a model's."""

    def __init__(
        self, object_patches: dict[str, Any] | None = None, hook_scope: Any = EnumHookScope.HookedOnly
    ) -> None:
        super().__init__(EnumHookType.ObjectPatch, hook_scope=hook_scope)
        self.object_patches = object_patches


class AdditionalModelsHook(Hook):
    """Models that are loaded beside."""

    def __init__(self, models: list[Any] | None = None, key: str | None = None) -> None:
        super().__init__(EnumHookType.AdditionalModels)
        self.models, self.key = models, key

    def add_hook_patches(self, model: Any, model_options: Any, target_dict: Any, registered: HookGroup) -> bool:
        if not self.should_register(model, model_options, target_dict, registered):
            return False
        registered.add(self)
        return True


class TransformerOptionsHook(Hook):
    """Wrappers, callbacks and patches: on all conditioning, or where the hook is."""

    def __init__(self, transformers_dict: Any = None, hook_scope: Any = EnumHookScope.AllConditioning) -> None:
        super().__init__(EnumHookType.TransformerOptions, hook_scope=hook_scope)
        self.transformers_dict = transformers_dict

    def add_hook_patches(self, model: Any, model_options: Any, target_dict: Any, registered: HookGroup) -> bool:
        if not self.should_register(model, model_options, target_dict, registered):
            return False
        added = {"to_load_options": self.transformers_dict}
        if self.hook_scope is EnumHookScope.AllConditioning:
            added["transformer_options"] = self.transformers_dict
        registered.add(self)
        merge_nested_dicts(model_options, added, copy_dict1=False)
        return True

    def on_apply_hooks(self, model: Any, transformer_options: dict[str, Any]) -> None:
        """Add what is not in the options already."""
        if self.hook_scope is not EnumHookScope.AllConditioning:
            merge_nested_dicts(transformer_options, self.transformers_dict or {}, copy_dict1=False)


class InjectionsHook(Hook):
    """What is put into a model while it runs."""

    def __init__(
        self, key: str | None = None, injections: Any = None, hook_scope: Any = EnumHookScope.HookedOnly
    ) -> None:
        super().__init__(EnumHookType.Injections, hook_scope=hook_scope)
        self.key, self.injections = key, injections


class HookGroup:
    """Hooks, each once."""

    def __init__(self) -> None:
        self.hooks: list[Hook] = []

    def __len__(self) -> int:
        return len(self.hooks)

    def add(self, hook: Hook) -> None:
        if hook not in self.hooks:
            self.hooks.append(hook)

    def remove(self, hook: Hook) -> None:
        if hook in self.hooks:
            self.hooks.remove(hook)

    def get_type(self, hook_type: EnumHookType) -> list[Hook]:
        return [hook for hook in self.hooks if hook.hook_type is hook_type]

    def contains(self, hook: Hook) -> bool:
        return hook in self.hooks

    def is_subset_of(self, other: HookGroup) -> bool:
        return set(self.hooks) <= set(other.hooks)

    def new_with_common_hooks(self, other: HookGroup) -> HookGroup:
        return group_of([hook.clone() for hook in self.hooks if other.contains(hook)])

    def clone(self) -> HookGroup:
        return group_of([hook.clone() for hook in self.hooks])

    def clone_and_combine(self, other: HookGroup | None) -> HookGroup:
        return group_of([hook.clone() for hook in (*self.hooks, *(other.hooks if other is not None else ()))])

    def set_keyframes_on_hooks(self, hook_kf: HookKeyframeGroup | None) -> None:
        keyframes = HookKeyframeGroup() if hook_kf is None else hook_kf.clone()
        for hook in self.hooks:
            hook.hook_keyframe = keyframes

    def reset(self) -> None:
        for hook in self.hooks:
            hook.reset()

    @staticmethod
    def combine_all_hooks(hooks_list: Sequence[HookGroup | None], require_count: int = 0) -> HookGroup | None:
        """All in one; the very one where there is but one, None where there is none."""
        actual = [group for group in hooks_list if group is not None]
        if len(actual) < require_count:
            raise ValueError(f"{require_count} groups of hooks are needed to combine them, and {len(actual)} are given")
        if len(actual) <= 1:
            return actual[0] if actual else None
        return group_of([hook.clone() for group in actual for hook in group.hooks])


def group_of(hooks: Sequence[Hook]) -> HookGroup:
    """The hooks as a group."""
    group = HookGroup()
    for hook in hooks:
        group.add(hook)
    return group


def create_transformer_options_from_hooks(
    model: Any, hooks: HookGroup | None, transformer_options: dict[str, Any] | None = None
) -> dict[str, Any]:
    """The options with what hooks add for the parts that they are on."""
    if hooks is None or model.is_clip:
        return {}
    options = {} if transformer_options is None else transformer_options
    for hook in hooks.get_type(EnumHookType.TransformerOptions):
        hook.on_apply_hooks(model, options)  # type: ignore[attr-defined]
    return options


def create_hook_lora(lora: Mapping[str, Any], strength_model: float, strength_clip: float) -> HookGroup:
    """A LoRA as a hook."""
    hook = WeightHook(strength_model, strength_clip)
    hook.weights = lora
    return group_of([hook])


def create_hook_model_as_lora(
    weights_model: Mapping[str, Any] | None,
    weights_clip: Mapping[str, Any] | None,
    strength_model: float,
    strength_clip: float,
) -> HookGroup:
    """Another model's weights as a hook: strengths go from the model's own, 0, to them, 1."""
    hook = WeightHook(strength_model, strength_clip)
    hook.weights, hook.weights_clip = (
        None if found is None else {key: ("model_as_lora", (tensor,)) for key, tensor in found.items()}
        for found in (weights_model, weights_clip)
    )
    hook.need_weight_init = False
    return group_of([hook])
