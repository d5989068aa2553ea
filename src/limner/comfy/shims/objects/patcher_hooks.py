"""Changes to weights that belong to parts of the conditioning, as a `ModelPatcher` keeps and applies them."""

from __future__ import annotations

import math
import uuid
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from torch import Tensor

from limner.comfy.shims.objects.hook_groups import (
    EnumHookMode,
    EnumHookType,
    HookGroup,
    create_transformer_options_from_hooks,
)
from limner.comfy.shims.objects.patcher_life import PatcherLife
from limner.comfy.shims.objects.weights import weight_patches
from limner.comfy.shims.objects.wrappers import CallbacksMP
from limner.diffusion.patching import Patches

Entries = dict[str, list[Any]]


class PatcherHooks(PatcherLife):
    """Weight hooks: entries by hook, and which of them act."""

    is_clip: bool
    patches_uuid: Any

    def _begin_hooks(self) -> None:
        self.hook_patches: dict[Any, Entries] = {}
        self.hook_patches_backup: dict[Any, Entries] | None = None
        self.cached_hook_patches: dict[HookGroup, tuple[tuple[float, ...], Patches]] = {}
        self.current_hooks: HookGroup | None = None
        self.forced_hooks: HookGroup | None = None
        self.hook_mode = EnumHookMode.MaxSpeed

    def _share_hooks(self, other: PatcherHooks) -> None:
        self.hook_patches = _copied(other.hook_patches)
        self.cached_hook_patches = {}

    def set_hook_mode(self, hook_mode: EnumHookMode) -> None:
        self.hook_mode = hook_mode

    def add_hook_patches(
        self, hook: Any, patches: Mapping[Any, Any], strength_patch: float = 1.0, strength_model: float = 1.0
    ) -> list[Any]:
        """Changes to weights that act where the hook does. The names that the model has."""
        state, known = self.model.state_dict(), []
        entries = self.hook_patches.setdefault(hook.hook_ref, {})
        for name, value in patches.items():
            key, offset, function = (name, None, None) if isinstance(name, str) else (*name, None, None)[:3]
            if key in state:
                known.append(name)
                entries.setdefault(key, []).append((strength_patch, value, strength_model, offset, function))
        self.patches_uuid = uuid.uuid4()
        return known

    def register_all_hook_patches(
        self, hooks: HookGroup, target_dict: dict[str, Any], model_options: Any = None, registered: Any = None
    ) -> HookGroup:
        """Take the weight hooks in; `restore_hook_patches` lets those go that were not there before."""
        self.restore_hook_patches()
        known = HookGroup() if registered is None else registered
        waiting = []
        for hook in hooks.get_type(EnumHookType.Weight):
            if hook.hook_ref in self.hook_patches:
                known.add(hook)
            else:
                waiting.append(hook)
        if waiting:
            self.hook_patches_backup = _copied(self.hook_patches)
            for hook in waiting:
                hook.add_hook_patches(self, model_options, target_dict, known)
        for callback in self.get_all_callbacks(CallbacksMP.ON_REGISTER_ALL_HOOK_PATCHES):
            callback(self, hooks, target_dict, model_options, known)
        return known

    def restore_hook_patches(self) -> None:
        if self.hook_patches_backup is not None:
            self.hook_patches, self.hook_patches_backup = self.hook_patches_backup, None
            self.cached_hook_patches = {}

    def prepare_hook_patches_current_keyframe(self, t: Tensor, hook_group: HookGroup, model_options: Any) -> None:
        """Go on to the keyframes of this level."""
        options = model_options.get("transformer_options", {})
        for hook in hook_group.hooks:
            hook.hook_keyframe.prepare_current_keyframe(float(t[0]), options)

    def get_combined_hook_patches(self, hooks: HookGroup | None) -> Entries:
        """The entries of all hooks, at their present strengths."""
        combined: Entries = {}
        for hook in () if hooks is None else hooks.hooks:
            share = hook.strength
            for key, entries in self.hook_patches.get(hook.hook_ref, {}).items():
                scaled = [entry if math.isclose(share, 1.0) else (entry[0] * share, *entry[1:]) for entry in entries]
                combined.setdefault(key, []).extend(scaled)
        return combined

    @contextmanager
    def hooked(self, hooks: HookGroup | None) -> Iterator[None]:
        """The network with the weights that these hooks ask for, beside the model's own patches."""
        base: Patches | None = self.model.weights
        patches = None if base is None or hooks is None else self._patches(hooks, base)
        if patches is None or base is None:
            self.current_hooks = None
            yield
            return
        core = self.model.core
        try:
            self.current_hooks, self.model.weights = hooks, patches
            with core.resident.active(patches):
                yield
        finally:
            self.current_hooks, self.model.weights = None, base

    def _patches(self, hooks: HookGroup, base: Patches) -> Patches | None:
        """Made once for each strength; None where the hooks change no weights."""
        strengths = tuple(hook.strength for hook in hooks.hooks)
        known = self.cached_hook_patches.get(hooks)
        if known is not None and known[0] == strengths:
            return known[1]
        added = weight_patches(self.model.core.keys, self.get_combined_hook_patches(hooks))
        if not added:
            return None
        made = base.plus(added)
        self.cached_hook_patches[hooks] = (strengths, made)
        return made

    def apply_hooks(
        self, hooks: HookGroup | None, transformer_options: Any = None, force_apply: bool = False
    ) -> dict[str, Any]:
        """The options that hooks bring for the parts that they are on."""
        for callback in self.get_all_callbacks(CallbacksMP.ON_APPLY_HOOKS):
            callback(self, hooks)
        return create_transformer_options_from_hooks(self, hooks, transformer_options)

    def unpatch_hooks(self, whitelist_keys_set: Any = None) -> None:
        """Nothing: weights are changed only while they are used."""

    def clean_hooks(self) -> None:
        self.unpatch_hooks()
        self.cached_hook_patches = {}


def _copied(patches: dict[Any, Entries]) -> dict[Any, Entries]:
    return {ref: {key: list(entries) for key, entries in found.items()} for ref, found in patches.items()}
