"""ComfyUI's `comfy_extras.nodes_model_merging`: models made of two, and saved."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from importlib import import_module
from pathlib import Path
from typing import Any

from limner.comfy.shims.bridge import bridge_of
from limner.comfy.shims.objects.declared import declared
from limner.comfy.shims.objects.weights import DIFFUSION
from limner.files import save_path

bridge = bridge_of(__name__)
LEFT_OUT = (".position_ids", ".logit_scale")


def _mixed(target: Any, patches: Mapping[str, Any], share: float, kept: float) -> tuple[Any]:
    """A clone with `share` of the other's weights and `kept` of its own."""
    changed = target.clone()
    changed.add_patches({key: value for key, value in patches.items() if not key.endswith(LEFT_OUT)}, share, kept)
    return (changed,)


@declared("ModelMergeSimple", "merge")
class ModelMergeSimple:
    """Between two models."""

    def merge(self, model1: Any, model2: Any, ratio: float) -> tuple[Any]:
        return _mixed(model1, model2.get_key_patches(DIFFUSION), 1.0 - ratio, ratio)


@declared("ModelMergeSubtract", "merge")
class ModelSubtract:
    """The difference of two models."""

    def merge(self, model1: Any, model2: Any, multiplier: float) -> tuple[Any]:
        return _mixed(model1, model2.get_key_patches(DIFFUSION), -multiplier, multiplier)


@declared("ModelMergeAdd", "merge")
class ModelAdd:
    """The sum of two models."""

    def merge(self, model1: Any, model2: Any) -> tuple[Any]:
        return _mixed(model1, model2.get_key_patches(DIFFUSION), 1.0, 1.0)


@declared("CLIPMergeSimple", "merge")
class CLIPMergeSimple:
    """Between two text encoders."""

    def merge(self, clip1: Any, clip2: Any, ratio: float) -> tuple[Any]:
        return _mixed(clip1, clip2.get_key_patches(), 1.0 - ratio, ratio)


@declared("CLIPMergeSubtract", "merge")
class CLIPSubtract:
    """The difference of two text encoders."""

    def merge(self, clip1: Any, clip2: Any, multiplier: float) -> tuple[Any]:
        return _mixed(clip1, clip2.get_key_patches(), -multiplier, multiplier)


@declared("CLIPMergeAdd", "merge")
class CLIPAdd:
    """The sum of two text encoders."""

    def merge(self, clip1: Any, clip2: Any) -> tuple[Any]:
        return _mixed(clip1, clip2.get_key_patches(), 1.0, 1.0)


@declared("ModelMergeBlocks", "merge")
class ModelMergeBlocks:
    """Between two models, with a share for each part whose weights' names begin with its name."""

    def merge(self, model1: Any, model2: Any, **kwargs: float) -> tuple[Any]:
        changed = model1.clone()
        usual = next(iter(kwargs.values()))
        for key, value in model2.get_key_patches(DIFFUSION).items():
            ratio = kwargs.get(_longest(kwargs, key.removeprefix(DIFFUSION)), usual)
            changed.add_patches({key: value}, 1.0 - ratio, ratio)
        return (changed,)


def _longest(prefixes: Iterable[str], name: str) -> str:
    return max((prefix for prefix in prefixes if name.startswith(prefix)), key=len, default="")


def save_checkpoint(
    model: Any,
    clip: Any = None,
    vae: Any = None,
    clip_vision: Any = None,
    filename_prefix: str | None = None,
    output_dir: str | None = None,
    prompt: Any = None,
    extra_pnginfo: Mapping[str, Any] | None = None,
) -> None:
    """A checkpoint of these parts, patches included, under the next free name of the prefix."""
    import_module("comfy.sd").save_checkpoint(
        _next(filename_prefix or "ComfyUI", output_dir), model, clip, vae, clip_vision, _texts(prompt, extra_pnginfo)
    )


def _next(prefix: str, folder: str | None) -> str:
    place = save_path(prefix, Path(folder or bridge.folders.output))
    return str(place.folder / f"{place.name}_{place.counter:05}_.safetensors")


def _texts(prompt: Any, extra: Mapping[str, Any] | None) -> dict[str, str]:
    if import_module("comfy.cli_args").args.disable_metadata:
        return {}
    texts = {"prompt": "" if prompt is None else json.dumps(prompt)}
    return texts | {str(key): json.dumps(value) for key, value in (extra or {}).items()}


class _Saving:
    def __init__(self) -> None:
        self.output_dir = import_module("folder_paths").get_output_directory()


@declared("CheckpointSave", "save")
class CheckpointSave(_Saving):
    """All parts in one file."""

    def save(
        self, model: Any, clip: Any, vae: Any, filename_prefix: str, prompt: Any = None, extra_pnginfo: Any = None
    ) -> dict[str, Any]:
        save_checkpoint(model, clip, vae, None, filename_prefix, self.output_dir, prompt, extra_pnginfo)
        return {}


@declared("ModelSave", "save")
class ModelSave(_Saving):
    """The network alone."""

    def save(self, model: Any, filename_prefix: str, prompt: Any = None, extra_pnginfo: Any = None) -> dict[str, Any]:
        save_checkpoint(model, None, None, None, filename_prefix, self.output_dir, prompt, extra_pnginfo)
        return {}


@declared("CLIPSave", "save")
class CLIPSave(_Saving):
    """The text encoder alone, a file for each that it has."""

    def save(self, clip: Any, filename_prefix: str, prompt: Any = None, extra_pnginfo: Any = None) -> dict[str, Any]:
        tensors = clip.get_sd()
        for part in dict.fromkeys(name.partition(".")[0] for name in tensors):
            own = {
                name.removeprefix(f"{part}.transformer."): tensors[name] for name in tensors if name.startswith(part)
            }
            file = _next(f"{filename_prefix}_{part}", self.output_dir)
            import_module("comfy.utils").save_torch_file(own, file, _texts(prompt, extra_pnginfo))
        return {}


@declared("VAESave", "save")
class VAESave(_Saving):
    """The VAE alone."""

    def save(self, vae: Any, filename_prefix: str, prompt: Any = None, extra_pnginfo: Any = None) -> dict[str, Any]:
        file = _next(filename_prefix, self.output_dir)
        import_module("comfy.utils").save_torch_file(vae.get_sd(), file, _texts(prompt, extra_pnginfo))
        return {}
