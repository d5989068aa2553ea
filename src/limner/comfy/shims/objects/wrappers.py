"""Functions that packs put around steps of sampling, and callbacks in a model's life.

Both stand in `transformer_options` as kind -> key -> list; a wrapper is called with an executor first, and goes on by
calling it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

Options = dict[str, Any]
Registry = dict[str, dict[str | None, list[Callable[..., Any]]]]


class CallbacksMP:
    """What a callback is told of."""

    ON_CLONE = "on_clone"
    ON_LOAD = "on_load_after"
    ON_DETACH = "on_detach_after"
    ON_CLEANUP = "on_cleanup"
    ON_PRE_RUN = "on_pre_run"
    ON_PREPARE_STATE = "on_prepare_state"
    ON_APPLY_HOOKS = "on_apply_hooks"
    ON_REGISTER_ALL_HOOK_PATCHES = "on_register_all_hook_patches"
    ON_INJECT_MODEL = "on_inject_model"
    ON_EJECT_MODEL = "on_eject_model"

    @classmethod
    def init_callbacks(cls) -> Registry:
        return {}


class WrappersMP:
    """What a wrapper is put around."""

    OUTER_SAMPLE = "outer_sample"
    PREPARE_SAMPLING = "prepare_sampling"
    SAMPLER_SAMPLE = "sampler_sample"
    PREDICT_NOISE = "predict_noise"
    CALC_COND_BATCH = "calc_cond_batch"
    APPLY_MODEL = "apply_model"
    DIFFUSION_MODEL = "diffusion_model"

    @classmethod
    def init_wrappers(cls) -> Registry:
        return {}


def _home(options: Options, is_model_options: bool) -> Options:
    home: Options = options.setdefault("transformer_options", {}) if is_model_options else options
    return home


def _add(table: str, kind: str, key: str | None, function: Any, options: Options, is_model_options: bool) -> None:
    registry = _home(options, is_model_options).setdefault(table, {})
    registry.setdefault(kind, {}).setdefault(key, []).append(function)


def _of(table: str, kind: str, options: Options, is_model_options: bool) -> dict[str | None, list[Any]]:
    home = options.get("transformer_options", {}) if is_model_options else options
    found: dict[str | None, list[Any]] = home.get(table, {}).get(kind, {})
    return found


def add_callback(call_type: str, callback: Any, transformer_options: Options, is_model_options: bool = False) -> None:
    _add("callbacks", call_type, None, callback, transformer_options, is_model_options)


def add_callback_with_key(
    call_type: str, key: str | None, callback: Any, transformer_options: Options, is_model_options: bool = False
) -> None:
    _add("callbacks", call_type, key, callback, transformer_options, is_model_options)


def get_callbacks_with_key(
    call_type: str, key: str | None, transformer_options: Options, is_model_options: bool = False
) -> list[Any]:
    return list(_of("callbacks", call_type, transformer_options, is_model_options).get(key, []))


def get_all_callbacks(call_type: str, transformer_options: Options, is_model_options: bool = False) -> list[Any]:
    return all_of(_of("callbacks", call_type, transformer_options, is_model_options))


def add_wrapper(wrapper_type: str, wrapper: Any, transformer_options: Options, is_model_options: bool = False) -> None:
    _add("wrappers", wrapper_type, None, wrapper, transformer_options, is_model_options)


def add_wrapper_with_key(
    wrapper_type: str, key: str | None, wrapper: Any, transformer_options: Options, is_model_options: bool = False
) -> None:
    _add("wrappers", wrapper_type, key, wrapper, transformer_options, is_model_options)


def get_wrappers_with_key(
    wrapper_type: str, key: str | None, transformer_options: Options, is_model_options: bool = False
) -> list[Any]:
    return list(_of("wrappers", wrapper_type, transformer_options, is_model_options).get(key, []))


def get_all_wrappers(wrapper_type: str, transformer_options: Options, is_model_options: bool = False) -> list[Any]:
    return all_of(_of("wrappers", wrapper_type, transformer_options, is_model_options))


def all_of(by_key: dict[str | None, list[Any]]) -> list[Any]:
    """The functions of every key, in the order in which they came."""
    return [function for functions in by_key.values() for function in functions]


class WrapperExecutor:
    """A function with wrappers around it; calling it goes one wrapper further in."""

    def __init__(
        self, original: Callable[..., Any], class_obj: object, wrappers: Sequence[Callable[..., Any]], idx: int
    ) -> None:
        self.original, self.class_obj = original, class_obj
        self.wrappers = list(wrappers)
        self.idx = idx
        self.is_last = idx == len(self.wrappers)

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        return WrapperExecutor(self.original, self.class_obj, self.wrappers, self.idx + 1).execute(*args, **kwargs)

    def execute(self, *args: Any, **kwargs: Any) -> Any:
        """Begin; wrappers go on by calling the executor instead."""
        if self.is_last:
            return self.original(*args, **kwargs)
        return self.wrappers[self.idx](self, *args, **kwargs)

    @classmethod
    def new_executor(cls, original: Callable[..., Any], wrappers: Sequence[Any], idx: int = 0) -> WrapperExecutor:
        return cls(original, None, wrappers, idx)

    @classmethod
    def new_class_executor(
        cls, original: Callable[..., Any], class_obj: object, wrappers: Sequence[Any], idx: int = 0
    ) -> WrapperExecutor:
        return cls(original, class_obj, wrappers, idx)


@dataclass
class PatcherInjection:
    """What puts something into a model, and what takes it out."""

    inject: Callable[..., Any]
    eject: Callable[..., Any]


def copy_nested_dicts(input_dict: Options) -> Options:
    """Nested dicts and the lists in them anew, everything else shared."""
    copied: Options = {}
    for key, value in input_dict.items():
        if isinstance(value, dict):
            copied[key] = copy_nested_dicts(value)
        else:
            copied[key] = list(value) if isinstance(value, list) else value
    return copied


def merge_nested_dicts(dict1: Options, dict2: Options, copy_dict1: bool = True) -> Options:
    """The second laid over the first: dicts by key, lists joined, anything else replaced."""
    merged = copy_nested_dicts(dict1) if copy_dict1 else dict1
    for key, value in dict2.items():
        if isinstance(value, dict):
            merged[key] = merge_nested_dicts(merged.get(key, {}), value, copy_dict1=False)
        elif isinstance(value, list):
            merged[key] = [*merged.get(key, []), *value]
        else:
            merged[key] = value
    return merged
