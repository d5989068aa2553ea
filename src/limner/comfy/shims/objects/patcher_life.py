"""What packs keep with a model, and functions that are called in its life."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from limner.comfy.shims.objects.wrappers import CallbacksMP, Registry, all_of

Function = Callable[..., Any]


class PatcherLife:
    """Callbacks, wrappers, attachments, injections and additional models, each by key."""

    model: Any

    def _begin_life(self) -> None:
        self.callbacks: Registry = {}
        self.wrappers: Registry = {}
        self.attachments: dict[str, Any] = {}
        self.additional_models: dict[str, list[Any]] = {}
        self.injections: dict[str, list[Any]] = {}
        self.is_injected = False
        self.skip_injection = False

    def _share_life(self, other: PatcherLife) -> None:
        """The same as another's, in lists of its own; attachments that know how are cloned."""
        for name in ("callbacks", "wrappers"):
            registry = getattr(other, name)
            copied = {kind: {key: list(found) for key, found in keys.items()} for kind, keys in registry.items()}
            setattr(self, name, copied)
        self.attachments = {
            key: value.on_model_patcher_clone() if hasattr(value, "on_model_patcher_clone") else value
            for key, value in other.attachments.items()
        }
        self.additional_models = {key: list(models) for key, models in other.additional_models.items()}
        self.injections = {key: list(found) for key, found in other.injections.items()}

    def add_callback(self, call_type: str, callback: Function) -> None:
        self.add_callback_with_key(call_type, None, callback)

    def add_callback_with_key(self, call_type: str, key: str | None, callback: Function) -> None:
        self.callbacks.setdefault(call_type, {}).setdefault(key, []).append(callback)

    def remove_callbacks_with_key(self, call_type: str, key: str | None) -> None:
        self.callbacks.get(call_type, {}).pop(key, None)

    def get_callbacks(self, call_type: str, key: str | None) -> list[Function]:
        return self.callbacks.get(call_type, {}).get(key, [])

    def get_all_callbacks(self, call_type: str) -> list[Function]:
        return all_of(self.callbacks.get(call_type, {}))

    def add_wrapper(self, wrapper_type: str, wrapper: Function) -> None:
        self.add_wrapper_with_key(wrapper_type, None, wrapper)

    def add_wrapper_with_key(self, wrapper_type: str, key: str | None, wrapper: Function) -> None:
        self.wrappers.setdefault(wrapper_type, {}).setdefault(key, []).append(wrapper)

    def remove_wrappers_with_key(self, wrapper_type: str, key: str | None) -> None:
        self.wrappers.get(wrapper_type, {}).pop(key, None)

    def get_wrappers(self, wrapper_type: str, key: str | None) -> list[Function]:
        return self.wrappers.get(wrapper_type, {}).get(key, [])

    def get_all_wrappers(self, wrapper_type: str) -> list[Function]:
        return all_of(self.wrappers.get(wrapper_type, {}))

    def set_attachments(self, key: str, attachment: Any) -> None:
        self.attachments[key] = attachment

    def remove_attachments(self, key: str) -> None:
        self.attachments.pop(key, None)

    def get_attachment(self, key: str) -> Any:
        return self.attachments.get(key)

    def set_additional_models(self, key: str, models: list[Any]) -> None:
        self.additional_models[key] = models

    def remove_additional_models(self, key: str) -> None:
        self.additional_models.pop(key, None)

    def get_additional_models_with_key(self, key: str) -> list[Any]:
        return self.additional_models.get(key, [])

    def get_additional_models(self) -> list[Any]:
        return [model for models in self.additional_models.values() for model in models]

    def get_nested_additional_models(self) -> list[Any]:
        """The additional models and theirs, each once."""
        found: list[Any] = []
        waiting = self.get_additional_models()
        while waiting:
            model = waiting.pop(0)
            if not any(model is known for known in found):
                found.append(model)
                waiting += model.get_additional_models() if hasattr(model, "get_additional_models") else []
        return found

    def model_patches_models(self) -> list[Any]:
        """Models among the patches."""
        options = getattr(self, "model_options", {}).get("transformer_options", {})
        functions = [entry for entries in options.get("patches", {}).values() for entry in entries]
        functions += [entry for blocks in options.get("patches_replace", {}).values() for entry in blocks.values()]
        return [model for function in functions if hasattr(function, "models") for model in function.models()]

    def set_injections(self, key: str, injections: list[Any]) -> None:
        self.injections[key] = injections

    def remove_injections(self, key: str) -> None:
        self.injections.pop(key, None)

    def get_injections(self, key: str) -> list[Any]:
        return self.injections.get(key, [])

    def inject_model(self) -> None:
        if self.is_injected or self.skip_injection:
            return
        for injection in [one for found in self.injections.values() for one in found]:
            injection.inject(self)
            self.is_injected = True
        for callback in self.get_all_callbacks(CallbacksMP.ON_INJECT_MODEL):
            callback(self)

    def eject_model(self) -> None:
        if not self.is_injected:
            return
        for injection in [one for found in self.injections.values() for one in found]:
            injection.eject(self)
        self.is_injected = False
        for callback in self.get_all_callbacks(CallbacksMP.ON_EJECT_MODEL):
            callback(self)

    @contextmanager
    def use_ejected(self, skip_and_inject_on_exit_only: bool = False) -> Iterator[None]:
        was = self.is_injected
        if not skip_and_inject_on_exit_only:
            self.eject_model()
        try:
            yield
        finally:
            if was or skip_and_inject_on_exit_only:
                self.inject_model()

    def pre_run(self) -> None:
        if hasattr(self.model, "current_patcher"):
            self.model.current_patcher = self
        for callback in self.get_all_callbacks(CallbacksMP.ON_PRE_RUN):
            callback(self)

    def prepare_state(self, timestep: Any) -> None:
        for callback in self.get_all_callbacks(CallbacksMP.ON_PREPARE_STATE):
            callback(self, timestep)

    def cleanup(self) -> None:
        for callback in self.get_all_callbacks(CallbacksMP.ON_CLEANUP):
            callback(self)

    def patch_model(self, device_to: Any = None, *args: Any, **kwargs: Any) -> Any:
        """The model; its patches are put in when it runs."""
        self.inject_model()
        return self.model

    def unpatch_model(self, device_to: Any = None, unpatch_weights: bool = True) -> None:
        self.eject_model()

    def detach(self, unpatch_all: bool = True) -> Any:
        self.eject_model()
        for callback in self.get_all_callbacks(CallbacksMP.ON_DETACH):
            callback(self, unpatch_all)
        return self.model

    def lowvram_patch_counter(self) -> int:
        return 0
