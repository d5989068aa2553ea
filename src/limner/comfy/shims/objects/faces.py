"""Limner's MODEL, CLIP and VAE as ComfyUI's objects, and back.

A pack's method gets ComfyUI's objects (`to_pack`); what it returns becomes Limner's again (`from_pack`), so that
built-in nodes know nothing of ComfyUI. What comes back carries the pack's object as its `face`: the next pack gets that
very object, with whatever the first one put on it. What packs keep inside of lists, dicts or their own objects stays
as it is.
"""

from __future__ import annotations

from contextlib import AbstractContextManager
from dataclasses import fields
from functools import partial
from typing import Any

from torch import Tensor

from limner.comfy.shims.objects.autoencoder import VAE
from limner.comfy.shims.objects.guiders import CFGGuider
from limner.comfy.shims.objects.patcher import ModelPatcher
from limner.comfy.shims.objects.samplers import KSAMPLER, as_ksampler
from limner.comfy.shims.objects.text import CLIP
from limner.diffusion.guidance import Guide
from limner.diffusion.model import Model
from limner.diffusion.patching import Patches
from limner.diffusion.samplers import Sampler as Solver
from limner.diffusion.sampling import WholeRun
from limner.diffusion.text import TextEncoder
from limner.diffusion.vae import Autoencoder


class FacedModel(Model):
    """A model that a pack returned. Clones are clones of the pack's object, so that nothing of it is lost."""

    face: Any

    def clone(self) -> Model:
        return _model(self.face.clone())

    def with_patches(self, patches: Patches) -> Model:
        changed = Model.with_patches(_bare(self), patches)
        return _refaced(self.face, changed)


class FacedText(TextEncoder):
    """A text encoder that a pack returned."""

    face: Any


class FacedVae(Autoencoder):
    """A VAE that a pack returned."""

    face: Any


def _values(core: Any) -> dict[str, Any]:
    return {entry.name: getattr(core, entry.name) for entry in fields(core)}


def _bare(core: Model) -> Model:
    return Model(**_values(core))


def _model(face: Any) -> FacedModel:
    made = FacedModel(**_values(face.core()))
    made.face = face
    made.denoising = None if face.plain else partial(_denoising, face)
    return made


def _denoising(
    face: ModelPatcher, guide: Guide, noise: Tensor, latent_image: Tensor | None, noise_mask: Tensor | None
) -> AbstractContextManager[WholeRun]:
    """Sampling with a model on which a pack has put more than weights: as ComfyUI does it."""
    guider = CFGGuider(face)
    guider.set_conds(guide.positive, guide.negative)
    guider.set_cfg(guide.cfg)
    return guider.prepare(noise, latent_image, noise_mask)


def _refaced(face: Any, core: Model) -> FacedModel:
    """Limner changed the weights: the face's next clone begins with that model."""
    copy = face.clone()
    copy.model = type(face.model)(core)
    copy.patches = {}
    made = FacedModel(**_values(core))
    made.face = copy
    return made


def to_pack(value: Any) -> Any:
    """What a pack's method is given for a value."""
    if isinstance(value, Model):
        return value.face if isinstance(value, FacedModel) else ModelPatcher.of(value)
    if isinstance(value, TextEncoder):
        face = getattr(value, "face", None)
        return CLIP(value) if face is None else face
    if isinstance(value, Autoencoder):
        face = getattr(value, "face", None)
        return VAE(value) if face is None else face
    if isinstance(value, Guide):
        return _guider(value)
    if isinstance(value, Solver) and not isinstance(value, KSAMPLER):
        return as_ksampler(value)
    return _each(value, to_pack)


def from_pack(value: Any) -> Any:
    """What a value is that a pack's method returned."""
    if isinstance(value, ModelPatcher):
        return _model(value) if isinstance(getattr(value.model, "core", None), Model) else value
    if isinstance(value, CLIP):
        made: Any = FacedText(**_values(value.core()))
    elif isinstance(value, VAE):
        made = FacedVae(**_values(value.core()))
    else:
        return _each(value, from_pack)
    object.__setattr__(made, "face", value)
    return made


def _guider(guide: Guide) -> CFGGuider:
    """A GUIDER that a node made, as packs use it; its class keeps its name."""
    made: CFGGuider = type(type(guide).__name__, (CFGGuider,), {})(to_pack(guide.model))
    made.set_conds(guide.positive, guide.negative)
    made.set_cfg(guide.cfg)
    return made


def _each(value: Any, change: Any) -> Any:
    """A list with its items changed, the very same list where none is."""
    if type(value) is not list:
        return value
    changed = [item if isinstance(item, list) else change(item) for item in value]
    return value if all(a is b for a, b in zip(changed, value, strict=True)) else changed
