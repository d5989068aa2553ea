"""Hooks of the conditioning in one run: those that the model takes are registered, the others are left out."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from limner.comfy.shims.objects.cond_lists import Conds
from limner.comfy.shims.objects.hook_groups import EnumHookType, EnumWeightTarget, HookGroup
from limner.comfy.shims.objects.wrappers import merge_nested_dicts

Options = dict[str, Any]


def hooks_of(conds: dict[str, Conds]) -> HookGroup:
    """All hooks of the conditioning, and of what controls it."""
    found = HookGroup()
    for part in _parts(conds):
        groups = [part.get("hooks")]
        control = part.get("control")
        while control is not None:
            groups.append(getattr(control, "extra_hooks", None))
            control = getattr(control, "previous_controlnet", None)
        for group in groups:
            for hook in () if group is None else group.hooks:
                found.add(hook)
    return found


def _parts(conds: dict[str, Conds]) -> Iterable[dict[str, Any]]:
    return (part for parts in conds.values() for part in parts)


def prepare_model_patcher(model: Any, conds: dict[str, Conds], model_options: Options) -> Options:
    """Put a model's wrappers and callbacks, and what hooks bring, into the options of a run."""
    _use_extra_hooks(conds)
    hooks, registered = hooks_of(conds), HookGroup()
    transformer = model_options.setdefault("transformer_options", {})
    for name in ("wrappers", "callbacks"):
        merge_nested_dicts(transformer.setdefault(name, {}), getattr(model, name), copy_dict1=False)
    target = {"target": EnumWeightTarget.Model}
    for kind in (EnumHookType.TransformerOptions, EnumHookType.AdditionalModels):
        for hook in hooks.get_type(kind):
            hook.add_hook_patches(model, model_options, target, registered)
    model.register_all_hook_patches(hooks, target, model_options, registered)
    if len(registered):
        model_options["registered_hooks"] = registered
    options: Options = model_options.setdefault("to_load_options", {})
    return options


def _use_extra_hooks(conds: dict[str, Conds]) -> None:
    """Controls may bring hooks of their own for the parts that they act on."""
    for part in _parts(conds):
        control: Any = part.get("control")
        extra = control.get_extra_hooks() if hasattr(control, "get_extra_hooks") else []
        if extra:
            part["hooks"] = HookGroup.combine_all_hooks([*extra, part.get("hooks")])


def filter_registered_hooks_on_conds(conds: dict[str, Conds], model_options: Options) -> None:
    """Leave each part the hooks that the model took."""
    registered = model_options.get("registered_hooks")
    kept: dict[Any, HookGroup | None] = {}
    for part in _parts(conds):
        hooks = part.get("hooks")
        if registered is None:
            part.pop("hooks", None)
        elif hooks is not None and not hooks.is_subset_of(registered):
            if hooks not in kept:
                common = hooks.new_with_common_hooks(registered)
                kept[hooks] = common if len(common) else None
            part["hooks"] = kept[hooks]
