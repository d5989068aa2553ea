"""ComfyUI's `comfy.sampler_helpers`: what a run of sampling needs beside the model."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import torch
from torch import Tensor

from limner.comfy.shims.objects.cond_lists import Cond, Conds, convert_cond
from limner.comfy.shims.objects.hook_groups import EnumHookType, HookGroup
from limner.comfy.shims.objects.run_hooks import hooks_of, prepare_model_patcher
from limner.diffusion.sampling import fit_mask

__all__ = ["convert_cond", "prepare_model_patcher"]


def prepare_mask(noise_mask: Tensor, shape: Iterable[int], device: Any) -> Tensor:
    """A mask in the shape of a latent, on a device."""
    return fit_mask(noise_mask, torch.Size(shape)).to(device)


def get_models_from_cond(cond: Iterable[Cond], model_type: str) -> list[Any]:
    """What the parts have under a name, lists of it taken apart."""
    found: list[Any] = []
    for part in cond:
        value = part.get(model_type)
        if value is not None:
            found += value if isinstance(value, list) else [value]
    return found


def get_hooks_from_cond(cond: Conds, full_hooks: HookGroup) -> HookGroup:
    """The group with the hooks of the parts added."""
    for hook in hooks_of({"": cond}).hooks:
        full_hooks.add(hook)
    return full_hooks


def get_additional_models(conds: Mapping[str, Conds], dtype: Any) -> tuple[list[Any], float]:
    """The models that the conditioning brings, and the bytes that their work takes."""
    controls, beside = [], []
    for parts in conds.values():
        controls += [found for found in get_models_from_cond(parts, "control") if hasattr(found, "get_models")]
        beside += [found[1] for found in map(_gligen, parts) if found is not None]
        beside += get_models_from_cond(parts, "additional_models")
    each = list(dict.fromkeys(controls))
    models = [model for control in each for model in control.get_models()]
    return [*models, *beside], sum(control.inference_memory_requirements(dtype) for control in each)


def _gligen(part: Cond) -> Any:
    return part.get("gligen")


def get_additional_models_from_model_options(model_options: Mapping[str, Any] | None = None) -> list[Any]:
    """The models that registered hooks bring."""
    registered = (model_options or {}).get("registered_hooks")
    hooks = () if registered is None else registered.get_type(EnumHookType.AdditionalModels)
    return [model for hook in hooks for model in hook.models or ()]


def cleanup_additional_models(models: Iterable[Any]) -> None:
    """Tell models and controls that the run is over."""
    for model in models:
        if hasattr(model, "cleanup"):
            model.cleanup()


def cleanup_models(conds: Mapping[str, Conds], models: Iterable[Any]) -> None:
    cleanup_additional_models(models)
    controls = [control for parts in conds.values() for control in get_models_from_cond(parts, "control")]
    cleanup_additional_models(dict.fromkeys(controls))


def prepare_sampling(model: Any, noise_shape: Any, conds: Any, model_options: Any = None) -> tuple[Any, Any, list[Any]]:
    """The model to sample with, on its device, its conditioning, and the models beside it."""
    models, _memory = get_additional_models(conds, model.model_dtype())
    models += get_additional_models_from_model_options(model_options)
    models += model.get_nested_additional_models()
    for loaded in (model, *models):
        if hasattr(loaded, "load_to_device"):
            loaded.load_to_device()
    return model.model, conds, models


def estimate_memory(model: Any, noise_shape: Any, conds: Any) -> tuple[float, float]:
    """Bytes that a step needs, and that it needs at least."""
    both = [noise_shape[0] * 2, *noise_shape[1:]]
    return model.model.memory_required(both), model.model.memory_required(list(noise_shape))
