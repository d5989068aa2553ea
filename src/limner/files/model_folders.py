"""The kinds of model folders, their places under `models/`, and their files' extensions, by ComfyUI's names."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from types import MappingProxyType

WEIGHTS = frozenset({".ckpt", ".pt", ".pt2", ".bin", ".pth", ".safetensors", ".pkl", ".sft"})
LEGACY_NAMES: Mapping[str, str] = MappingProxyType({"unet": "diffusion_models", "clip": "text_encoders"})

_SUBFOLDERS: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        "checkpoints": ("checkpoints",),
        "configs": ("configs",),
        "loras": ("loras",),
        "vae": ("vae",),
        "text_encoders": ("text_encoders", "clip"),
        "diffusion_models": ("unet", "diffusion_models"),
        "clip_vision": ("clip_vision",),
        "style_models": ("style_models",),
        "embeddings": ("embeddings",),
        "diffusers": ("diffusers",),
        "vae_approx": ("vae_approx",),
        "controlnet": ("controlnet", "t2i_adapter"),
        "gligen": ("gligen",),
        "upscale_models": ("upscale_models",),
        "hypernetworks": ("hypernetworks",),
        "photomaker": ("photomaker",),
        "classifiers": ("classifiers",),
        "model_patches": ("model_patches",),
        "audio_encoders": ("audio_encoders",),
    }
)
_EXTENSIONS: Mapping[str, frozenset[str]] = MappingProxyType(
    {
        "configs": frozenset({".yaml"}),
        "diffusers": frozenset({"folder"}),
        "classifiers": frozenset({""}),
        "custom_nodes": frozenset(),
    }
)
_SAVED_BY_NODES = ("checkpoints", "clip", "vae", "diffusion_models", "loras")


@dataclass(frozen=True, slots=True)
class ModelFolder:
    """Where files of one kind are looked for, first match first. No extensions means every file."""

    paths: tuple[Path, ...]
    extensions: frozenset[str] = frozenset()

    def with_path(self, path: Path, *, first: bool = False) -> ModelFolder:
        """With one more search path; one that is there already moves to the front if it is to be `first`."""
        if path in self.paths and not first:
            return self
        others = tuple(known for known in self.paths if known != path)
        return replace(self, paths=(path, *others) if first else (*others, path))


def canonical(kind: str) -> str:
    """The name that a legacy name stands for: `unet` -> `diffusion_models`, `clip` -> `text_encoders`."""
    return LEGACY_NAMES.get(kind, kind)


def standard(base: Path) -> dict[str, ModelFolder]:
    """Every kind that ComfyUI knows, below `base`."""
    found = {
        kind: ModelFolder(tuple(base / "models" / name for name in names), _EXTENSIONS.get(kind, WEIGHTS))
        for kind, names in _SUBFOLDERS.items()
    }
    found["custom_nodes"] = ModelFolder((base / "custom_nodes",), _EXTENSIONS["custom_nodes"])
    return found


def add(folders: dict[str, ModelFolder], kind: str, path: Path, *, first: bool = False) -> None:
    """Add a search path to a kind in place; an unknown kind begins with it and takes files of every extension."""
    kind = canonical(kind)
    folders[kind] = folders.get(kind, ModelFolder(())).with_path(path, first=first)


def add_saved(folders: dict[str, ModelFolder], output: Path) -> None:
    """The subfolders of the output folder that model-saving nodes write to are searched too."""
    for kind in _SAVED_BY_NODES:
        add(folders, kind, output / kind)
