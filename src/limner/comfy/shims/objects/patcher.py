"""ComfyUI's `ModelPatcher`: what packs get at a MODEL socket.

It holds a `BaseModel` and what a pack hangs on it: options, weight patches, object patches, wrappers. `core()` is the
model of Limner with all of it, which is what built-in nodes sample with.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from importlib import import_module
from typing import Any, TypeVar, cast

import torch
from torch import Tensor

from limner.comfy.shims.objects import weights
from limner.comfy.shims.objects.base_model import BaseModel
from limner.comfy.shims.objects.model_sampling import as_parameterization
from limner.comfy.shims.objects.patch_options import PatchOptions, create_model_options_clone
from limner.comfy.shims.objects.patcher_hooks import PatcherHooks
from limner.comfy.shims.objects.wrappers import CallbacksMP
from limner.diffusion.model import Model
from limner.diffusion.packing import plain
from limner.diffusion.patching import NO_PATCHES

Self = TypeVar("Self", bound="ModelPatcher")
SAMPLING = "model_sampling"


class ModelPatcher(PatchOptions, PatcherHooks):
    """A model with changes. Clones share the network; changes are each one's own."""

    def __init__(
        self,
        model: Any,
        load_device: Any = None,
        offload_device: Any = None,
        size: int = 0,
        weight_inplace_update: bool = False,
    ) -> None:
        self.model = model
        self.load_device, self.offload_device = load_device, offload_device
        self.size = size
        self.weight_inplace_update = weight_inplace_update
        self.patches: dict[str, list[Any]] = {}
        self.backup: dict[str, Any] = {}
        self.object_patches: dict[str, Any] = {}
        self.object_patches_backup: dict[str, Any] = {}
        self.weight_wrapper_patches: dict[str, list[Any]] = {}
        self.model_options: dict[str, Any] = {"transformer_options": {}}
        self.patches_uuid = uuid.uuid4()
        self.parent: Any = None
        self.is_clip = False
        self.force_cast_weights = False
        self._begin_life()
        self._begin_hooks()

    @classmethod
    def of(cls, core: Model) -> ModelPatcher:
        """The patcher of a model."""
        made = cls(BaseModel(core), core.device, torch.device("cpu"), core.size)
        made.model_options = create_model_options_clone({"transformer_options": {}, **core.options})
        return made

    def clone(self: Self) -> Self:
        """A copy to change."""
        copy = self.__class__.__new__(self.__class__)
        copy.__dict__.update(self.__dict__)
        copy.patches = {key: list(entries) for key, entries in self.patches.items()}
        copy.object_patches = dict(self.object_patches)
        copy.weight_wrapper_patches = {key: list(found) for key, found in self.weight_wrapper_patches.items()}
        copy.model_options = create_model_options_clone(self.model_options)
        copy.parent = self
        copy._share_life(self)
        copy._share_hooks(self)
        for callback in self.get_all_callbacks(CallbacksMP.ON_CLONE):
            callback(self, copy)
        return copy

    def is_clone(self, other: Any) -> bool:
        return getattr(other, "model", None) is self.model

    def clone_has_same_weights(self, clone: Any) -> bool:
        return self.is_clone(clone) and clone.patches_uuid == self.patches_uuid

    def model_size(self) -> int:
        return self.size or weights_size(self.model)

    def loaded_size(self) -> int:
        return self.model_size()

    def model_dtype(self) -> torch.dtype | None:
        return cast("torch.dtype | None", self.model.get_dtype()) if hasattr(self.model, "get_dtype") else None

    def memory_required(self, input_shape: Any) -> float:
        return float(self.model.memory_required(input_shape))

    def current_loaded_device(self) -> Any:
        core = getattr(self.model, "core", None)
        return self.load_device if core is None else core.resident.device

    def load_to_device(self, extra: int = 0) -> None:
        """Bring the network to its device; a module that a pack made is moved as it is."""
        core = getattr(self.model, "core", None)
        if core is not None:
            patches = self.core().patches if isinstance(core, Model) else NO_PATCHES
            with core.resident.active(patches, extra):
                pass
        elif isinstance(self.model, torch.nn.Module) and self.load_device is not None:
            self.model.to(self.load_device)
        for callback in self.get_all_callbacks(CallbacksMP.ON_LOAD):
            callback(self, self.load_device, 0, False, True)

    def get_model_object(self, name: str) -> Any:
        """What stands at a dotted path of the model, a patch for it first."""
        if name in self.object_patches:
            return self.object_patches[name]
        found: Any = self.model
        for part in name.split("."):
            found = getattr(found, part)
        return found

    def add_object_patch(self, name: str, obj: Any) -> None:
        """Put an object in place of what stands at a dotted path while the model runs."""
        self.object_patches[name] = obj

    def set_model_compute_dtype(self, dtype: torch.dtype) -> None:
        self.object_patches["manual_cast_dtype"] = dtype

    def add_weight_wrapper(self, name: str, function: Callable[..., Any]) -> None:
        self.weight_wrapper_patches.setdefault(name, []).append(function)

    def model_state_dict(self, filter_prefix: str | None = None) -> dict[str, Tensor]:
        state = self.model.state_dict()
        return {key: plain(value) for key, value in state.items() if not filter_prefix or key.startswith(filter_prefix)}

    def get_key_patches(self, filter_prefix: str | None = None) -> dict[str, list[Any]]:
        """Each weight with the patches on it, as another model's `add_patches` takes them to merge."""
        before = self._originals()
        return {
            key: [(plain(before.get(key, tensor)), _unchanged), *self.patches.get(key, [])]
            for key, tensor in self.model_state_dict(filter_prefix).items()
        }

    def _originals(self) -> dict[str, Tensor]:
        """What was there before the patches that are in the network now, by ComfyUI's names."""
        core, named = getattr(self.model, "core", None), getattr(self.model, "named", None)
        if core is None or named is None:
            return {}
        return {named(name): tensor for name, tensor in core.resident.originals.items()}

    def add_patches(
        self, patches: Mapping[Any, Any], strength_patch: float = 1.0, strength_model: float = 1.0
    ) -> list[Any]:
        """Change weights, by ComfyUI's names; see `weights` for the forms. The names that the model has."""
        state, known = self.model.state_dict(), []
        for name, value in patches.items():
            key, offset, function = (name, None, None) if isinstance(name, str) else (*name, None, None)[:3]
            if key in state:
                known.append(name)
                self.patches.setdefault(key, []).append((strength_patch, value, strength_model, offset, function))
        self.patches_uuid = uuid.uuid4()
        return known

    def calculate_weight(
        self, patches: Iterable[Any], weight: Tensor, key: str, intermediate_dtype: torch.dtype = torch.float32
    ) -> Tensor:
        return weights.calculate_weight(list(patches), weight, key, intermediate_dtype)

    def model_patches_to(self, device: Any) -> None:
        """Move the objects among the patches to a device or a dtype."""
        options = self.model_options.get("transformer_options", {})
        for functions in options.get("patches", {}).values():
            for place, function in enumerate(functions):
                if hasattr(function, "to"):
                    functions[place] = function.to(device)
        for blocks in options.get("patches_replace", {}).values():
            for block, function in blocks.items():
                if hasattr(function, "to"):
                    blocks[block] = function.to(device)

    def core(self) -> Model:
        """The model of Limner with these options, patches and noise levels."""
        base: Model = self.model.core
        added = weights.weight_patches(base.keys, self.patches)
        sampling = self.object_patches.get(SAMPLING)
        if sampling is None and self.model.model_sampling is not self._sampling_at_start():
            sampling = self.model.model_sampling
        return replace(
            base,
            options=create_model_options_clone(self.model_options),
            patches=base.patches.plus(added) if added else base.patches,
            parameterization=base.parameterization if sampling is None else as_parameterization(sampling),
        )

    def _sampling_at_start(self) -> Any:
        """A pack may have put another object straight into `model.model.model_sampling`."""
        return getattr(self.model, "sampling_at_start", self.model.model_sampling)

    @property
    def plain(self) -> bool:
        """Whether Limner's own sampling gives what this model is to give: only weights and noise levels are changed."""
        hung = (self.wrappers, self.callbacks, self.injections, self.additional_models, self.hook_patches)
        options = {name: value for name, value in self.model_options.items() if value}
        network = getattr(self.model, "diffusion_model", None)
        touched = network is not None and "forward" in vars(network)
        return not (
            type(self) is not ModelPatcher or any(hung) or options or touched or {*self.object_patches} - {SAMPLING}
        )

    @contextmanager
    def running(self, noise: Tensor) -> Iterator[Any]:
        """`model` on its device, with its weights and objects patched, for latents of the shape of `noise`."""
        core, model = self.core(), self.model
        with self._objects(), core.resident.active(core.patches, int(model.memory_required(noise.shape))):
            model.weights, model.current_patcher = core.patches, self
            self.inject_model()
            try:
                self.pre_run()
                yield model
            finally:
                self.cleanup()
                self.eject_model()
                model.weights = None

    @contextmanager
    def _objects(self) -> Iterator[None]:
        """The objects that packs put in the place of others, for as long as this holds."""
        utils, before = import_module("comfy.utils"), dict[str, Any]()
        try:
            for name, value in self.object_patches.items():
                before[name] = utils.set_attr(self.model, name, value)
            self.object_patches_backup = before
            yield
        finally:
            for name, value in before.items():
                utils.set_attr(self.model, name, value)
            self.object_patches_backup = {}


def _unchanged(weight: Tensor, inplace: bool = False) -> Tensor:
    return weight


def weights_size(model: Any) -> int:
    """Bytes of a model's weights."""
    return sum(tensor.numel() * tensor.element_size() for tensor in model.state_dict().values())
