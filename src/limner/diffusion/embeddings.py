"""Textual inversion: named vectors that stand for words (Gal et al. 2022, arXiv:2208.01618), looked up in folders."""

import contextlib
import os
import warnings
from collections.abc import Generator, Iterator, Sequence
from pathlib import Path
from typing import Any

import torch

from limner.diffusion.errors import CheckpointError, EmbeddingError
from limner.diffusion.tensorfile import SafetensorsFile

SUFFIXES = (".safetensors", ".pt", ".bin")
_REMEDY = "Use an embedding made for this model's text encoder"


def find(name: str, folders: Sequence[Path]) -> Path | None:
    """The file of an embedding, given by its name with or without suffix, in the folders or folders within them.

    A name may hold folders; one that leads out of them finds nothing.
    """
    for folder in _nested(folders):
        root = folder.resolve()
        for suffix in ("", *SUFFIXES):
            path = (root / (name + suffix)).resolve()
            if path.is_relative_to(root) and path.suffix.lower() in SUFFIXES and path.is_file():
                return path
    return None


def read(path: Path, width: int) -> torch.Tensor:
    """The vectors of an embedding file, float32 [count, width]. Raises `EmbeddingError` where it holds no such."""
    with contextlib.closing(_tensors(path)) as tensors:
        for tensor in tensors:
            if tensor.ndim in (1, 2) and tensor.shape[-1] == width and tensor.is_floating_point():
                return tensor.detach().float().reshape(-1, width)
    raise EmbeddingError(path, f"holds no vectors of width {width}", _REMEDY)


def lookup(name: str, folders: Sequence[Path], width: int) -> torch.Tensor | None:
    """The vectors called `name`; None, with a warning, where no file of that name can be used."""
    path = find(name, folders)
    if path is None:
        return None
    try:
        return read(path, width)
    except EmbeddingError as error:
        warnings.warn(f"Embedding ignored: {error}", stacklevel=2)
        return None


def _nested(folders: Sequence[Path]) -> Iterator[Path]:
    yield from folders
    for folder in folders:
        for parent, names, _files in os.walk(folder):
            names.sort()
            yield from (Path(parent) / name for name in names)


def _tensors(path: Path) -> Generator[torch.Tensor]:
    if path.suffix.lower() == ".safetensors":
        try:
            file = SafetensorsFile(path)
        except CheckpointError as error:
            raise EmbeddingError(path, "is not a safetensors file", "Download it again") from error
        with contextlib.closing(file):
            # The names that embeddings for this encoder go by come first; other widths are skipped by the caller.
            for name in sorted(file.shapes(), key=lambda name: name not in ("clip_l", "emb_params")):
                yield file.read(name, None, torch.contiguous_format)
        return
    try:
        loaded = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # the restricted loader's failures have no common class
        raise EmbeddingError(path, f"cannot be opened safely ({type(error).__name__})", _REMEDY) from error
    yield from _inside(loaded.get("string_to_param", loaded) if isinstance(loaded, dict) else loaded)


def _inside(value: Any) -> Iterator[torch.Tensor]:
    if isinstance(value, torch.Tensor):
        yield value
    elif isinstance(value, dict):
        for item in value.values():
            yield from _inside(item)
    elif isinstance(value, list | tuple):
        for item in value:
            yield from _inside(item)
