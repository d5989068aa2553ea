"""A model file becomes live parts: open, recognise the family, build.

The configuration of a file is the JSON in its header under `limner.config`, where it is there; what it leaves out is
read off the shapes of the tensors.
"""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from limner.diffusion import families
from limner.diffusion.errors import CheckpointError
from limner.diffusion.families import sd1
from limner.diffusion.families.base import Family, NetworkPart, TextPart, VaePart
from limner.diffusion.families.loading import Loader
from limner.diffusion.precision import Precision
from limner.diffusion.tensorfile import TensorFile, open_tensors

CONFIG_KEY = "limner.config"
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


def read_checkpoint(path: Path, precision: Precision, allow_pickle: bool = False) -> Parts:
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
            raise CheckpointError(path, problem, "Load it with the node for that part, or use a whole checkpoint")
        unused = tuple(name for name in file.shapes() if name not in loader.used)
        return Parts(family.name, network, text, vae, unused)

    return _with(path, allow_pickle, build)


def read_vae(path: Path, precision: Precision, allow_pickle: bool = False) -> VaePart:
    """Read the VAE of a file: a VAE's own file, in original or diffusers names, or that of a checkpoint."""

    def build(file: TensorFile) -> VaePart:
        part = sd1.build_vae(Loader(file, precision, header_config(file)))
        if part is None:
            raise CheckpointError(path, "holds no VAE", "Choose a VAE file, or a checkpoint with one")
        return part

    return _with(path, allow_pickle, build)


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


def _with(path: Path, allow_pickle: bool, build: Callable[[TensorFile], T]) -> T:
    file = open_tensors(path, allow_pickle)
    try:
        return build(file)
    finally:
        file.close()
