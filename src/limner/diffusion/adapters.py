"""Adapters: what a file of small changes becomes in a model.

A LoRA names the modules that it changes in its trainer's way. Each module here has its aliases in all of them: kohya
(`lora_unet_`, `lora_te_`), diffusers (`unet.`, `text_encoder.`), LyCORIS, and the original layout's own names. The
result is a clone with patches: models with different adapters share one network, which is patched when it runs.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import torch

from limner.diffusion.errors import AdapterError
from limner.diffusion.lora import Lora, read_lora
from limner.diffusion.model import Model
from limner.diffusion.patching import WeightPatch
from limner.diffusion.text import TextEncoder
from limner.diffusion.weight_changes import Change

__all__ = ["Lora", "Patched", "apply_lora", "read_lora"]

_OTHER_MODEL = "Use a LoRA that was made for this family of models"
_TEXT_NAMES = ("lora_te", "text_encoder")


@dataclass(frozen=True, slots=True)
class Patched:
    """Clones with the adapter in them, and the names in the file that fit neither."""

    model: Model
    text: TextEncoder | None
    unmatched: tuple[str, ...]


def apply_lora(
    lora: Lora, model: Model, text: TextEncoder | None, strength_model: float = 1.0, strength_text: float = 1.0
) -> Patched:
    """Clones of a model and, where given, its text encoder with a LoRA added at these strengths.

    Raises `AdapterError` when nothing of the file fits, or a matrix has another model's size.
    """
    names = dict.fromkeys([*lora.weights, *lora.biases])
    in_model = _matched(lora, model.resident.module, network_aliases(model.keys), strength_model)
    in_text: dict[str, tuple[WeightPatch, float]] = {}
    known = set(network_aliases(model.keys))
    if text is not None:
        aliases = text_aliases(text.keys)
        in_text = _matched(lora, text.resident.module, aliases, strength_text)
        known |= set(aliases)
    unmatched = tuple(name for name in names if name not in known)
    text_only = text is None and all(name.startswith(_TEXT_NAMES) for name in names)
    if not in_model and not in_text and not text_only:
        raise AdapterError(lora.path, "fits nothing of this model", _OTHER_MODEL)
    patched = model.with_patches(model.patches.plus(in_model)) if strength_model else model.clone()
    if text is not None:
        text = text.with_patches(text.patches.plus(in_text)) if strength_text else text.clone()
    return Patched(patched, text, unmatched + lora.unknown)


def network_aliases(keys: Mapping[str, str]) -> dict[str, str]:
    """What trainers call each module of a denoising network -> its name; `keys` as in `Model`."""
    aliases: dict[str, str] = {}
    for name, original in _modules(keys):
        flat = name.replace(".", "_")
        processor = name.replace(".to_", ".processor.to_").removesuffix(".0")
        for alias in (f"lora_unet_{flat}", f"lycoris_{flat}", name, f"unet.{name}", f"base_model.model.{name}"):
            aliases.setdefault(alias, name)
        for alias in (processor, f"unet.{processor}"):
            aliases.setdefault(alias, name)
        for alias in (f"lora_unet_{original.replace('.', '_')}", f"diffusion_model.{original}"):
            aliases.setdefault(alias, name)
    return aliases


def text_aliases(keys: Mapping[str, str]) -> dict[str, str]:
    """What trainers call each module of a CLIP text encoder -> its name; `keys` as in `TextEncoder`."""
    aliases: dict[str, str] = {}
    for name, _original in _modules(keys):
        full = name if name.startswith("text_model.") else f"text_model.{name}"
        flat = full.replace(".", "_")
        for alias in (f"lora_te_{flat}", f"lora_te1_{flat}", f"text_encoder.{full}", f"text_encoder.{name}", full):
            aliases.setdefault(alias, name)
    return aliases


def _modules(keys: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    for name, original in keys.items():
        if name.endswith(".weight"):
            yield name.removesuffix(".weight"), original.removesuffix(".weight")


def _matched(
    lora: Lora, module: torch.nn.Module, aliases: Mapping[str, str], strength: float
) -> dict[str, tuple[WeightPatch, float]]:
    """Parameter -> patch and strength, of what the file changes in this module."""
    shapes = {name: parameter.shape for name, parameter in module.named_parameters()}
    found: dict[str, tuple[WeightPatch, float]] = {}
    for kind, changes in (("weight", lora.weights), ("bias", lora.biases)):
        for alias, change in changes.items():
            target = f"{aliases[alias]}.{kind}" if alias in aliases else None
            if target is None or target not in shapes:
                continue
            _check(lora, alias, change, shapes[target])
            found[target] = (change, strength)
    return found


def _check(lora: Lora, alias: str, change: Change, shape: torch.Size) -> None:
    if not change.fits(shape):
        raise AdapterError(lora.path, f"{alias} does not fit a weight of {list(shape)}", _OTHER_MODEL)
