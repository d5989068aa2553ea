"""A model file becomes live parts: open, recognise the family, build.

The configuration of a file is the JSON in its header under `limner.config`, where it is there; what it leaves out is
read off the shapes of the tensors.
"""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import torch

from limner.diffusion import families
from limner.diffusion.errors import CheckpointError
from limner.diffusion.families import clip_vision, ldm_keys, sd1, sd1_control
from limner.diffusion.families.base import Family, NetworkPart, TextPart, VaePart
from limner.diffusion.families.loading import Loader
from limner.diffusion.precision import Precision
from limner.diffusion.tensorfile import GivenTensors, RenamedTensors, TensorFile, open_tensors

CONFIG_KEY = "limner.config"
TOKENS = "text_model.embeddings.token_embedding.weight"
VISION_PREFIXES = ("visual.", "embedder.model.visual.", "conditioner.embedders.0.open_clip.model.visual.")
_SUPPORTED = "Use a Stable Diffusion 1.x checkpoint in the single-file layout"

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Parts:
    """What a checkpoint holds; a part that it lacks is None. `unused` names the tensors that nothing asked for."""

    family: str
    network: NetworkPart | None
    text: TextPart | None
    vae: VaePart | None
    unused: tuple[str, ...]


def read_checkpoint(source: Path | TensorFile, precision: Precision, allow_pickle: bool = False) -> Parts:
    """Read a whole checkpoint. Raises `CheckpointError` where it is none, damaged, or of a family not supported."""

    def build(file: TensorFile) -> Parts:
        config = header_config(file)
        family = _family(file, config)
        loader = Loader(file, precision, config)
        assert family.build is not None
        file.expect()
        network, text, vae = family.build(loader)
        if network is None:
            found = [name for name, part in (("a text encoder", text), ("a VAE", vae)) if part is not None]
            problem = f"holds no diffusion model, only {' and '.join(found) or 'other tensors'}"
            raise CheckpointError(file.path, problem, "Load it with the node for that part, or use a whole checkpoint")
        unused = tuple(name for name in file.shapes() if name not in loader.used)
        return Parts(family.name, network, text, vae, unused)

    return _with(source, allow_pickle, build)


def read_vae(source: Path | TensorFile, precision: Precision, allow_pickle: bool = False) -> VaePart:
    """Read the VAE of a file: a VAE's own file, in original or diffusers names, or that of a checkpoint."""

    def build(file: TensorFile) -> VaePart:
        part = sd1.build_vae(Loader(file, precision, header_config(file)))
        if part is None:
            raise CheckpointError(file.path, "holds no VAE", "Choose a VAE file, or a checkpoint with one")
        return part

    return _with(source, allow_pickle, build)


def read_network(source: Path | TensorFile, precision: Precision, allow_pickle: bool = False) -> NetworkPart:
    """Read the denoising network alone: of its own file, with or without the checkpoint's prefix. `CheckpointError`."""

    def build(file: TensorFile) -> NetworkPart:
        named = file
        if "input_blocks.0.0.weight" in file.shapes():
            named = RenamedTensors(file, {ldm_keys.UNET + name: name for name in file.shapes()})
        config = header_config(file)
        family = _family(named, config)
        assert family.build is not None
        part = sd1.build_network(Loader(named, precision, config))
        if part is None:
            raise CheckpointError(file.path, "holds no diffusion model", _SUPPORTED)
        return part

    return _with(source, allow_pickle, build)


def read_text(source: Path | TensorFile, precision: Precision, allow_pickle: bool = False) -> TextPart:
    """Read a text encoder: of its own file, or out of a checkpoint. Raises `CheckpointError`."""

    def build(file: TensorFile) -> TextPart:
        names = file.shapes()
        start = next((name for name in names if name.endswith(TOKENS)), None)
        prefix = "" if start is None else start.removesuffix(TOKENS)
        wide = start is not None and names[start][1] != sd1.CONTEXT and not header_config(file)
        if start is None or wide:
            problem = "holds no text encoder of a kind that is known (CLIP ViT-L)"
            raise CheckpointError(file.path, problem, "Choose the text encoder of Stable Diffusion 1.x")
        own = {sd1.TEXT + name[len(prefix) :]: name for name in names if name.startswith(prefix)}
        part = sd1.build_text(Loader(RenamedTensors(file, own), precision, header_config(file)))
        assert part is not None
        return part

    return _with(source, allow_pickle, build)


def read_control(source: Path | TensorFile, precision: Precision, allow_pickle: bool = False) -> torch.nn.Module:
    """Read a ControlNet. Raises `CheckpointError`."""
    return _with(source, allow_pickle, lambda file: sd1_control.build_control(Loader(file, precision, {})))


def read_clip_vision(source: Path | TensorFile, precision: Precision, allow_pickle: bool = False) -> torch.nn.Module:
    """Read a CLIP image encoder, whatever of the two namings its file has. Raises `CheckpointError`."""

    def build(file: TensorFile) -> torch.nn.Module:
        names = file.shapes()
        prefix = next((head for head in VISION_PREFIXES if f"{head}class_embedding" in names), "")
        if prefix or "class_embedding" in names:
            tensors = {
                name: file.read(name, None, torch.contiguous_format) for name in names if name.startswith(prefix)
            }
            file = GivenTensors(clip_vision.converted(tensors, prefix), str(file.path))
        return clip_vision.build_clip_vision(Loader(file, precision, {}))

    return _with(source, allow_pickle, build)


def header_config(file: TensorFile) -> Mapping[str, Any]:
    """The configuration in a file's header; empty where it carries none."""
    text = file.metadata.get(CONFIG_KEY)
    if text is None:
        return {}
    try:
        config = json.loads(text)
    except (TypeError, json.JSONDecodeError) as error:
        raise CheckpointError(file.path, f"its header's {CONFIG_KEY} is no JSON", "Download it again") from error
    if not isinstance(config, dict):
        raise CheckpointError(file.path, f"its header's {CONFIG_KEY} is no table", "Download it again")
    return config


def _family(file: TensorFile, config: Mapping[str, Any]) -> Family:
    if not file.shapes():
        raise CheckpointError(file.path, "holds no tensors", _SUPPORTED)
    family = families.detect(file.shapes(), config)
    if family is None:
        named = f" {config['family']!r}" if "family" in config else ""
        raise CheckpointError(file.path, f"is of a model family{named} that is not known", _SUPPORTED)
    if family.build is None:
        raise CheckpointError(file.path, f"is {family.title}, which is not supported here", _SUPPORTED)
    return family


def _with(source: Path | TensorFile, allow_pickle: bool, build: Callable[[TensorFile], T]) -> T:
    file = open_tensors(source, allow_pickle) if isinstance(source, Path) else source
    try:
        return build(file)
    finally:
        file.close()
