"""From named tensors to a module that runs: built without memory, then filled tensor by tensor."""

import os
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any

import torch

from limner.diffusion import packing
from limner.diffusion.errors import CheckpointError
from limner.diffusion.precision import Precision
from limner.diffusion.tensorfile import TensorFile

READERS = 4
"""Threads that read and convert tensors: enough to keep a disk and a memory bus busy."""


@dataclass(slots=True)
class Loader:
    """Fills modules from one file. `config` is the configuration in its header; `used` the tensors taken so far."""

    file: TensorFile
    precision: Precision
    config: Mapping[str, Any]
    used: set[str] = field(default_factory=set)

    def has(self, prefix: str) -> bool:
        """Whether any tensor's name begins with `prefix`."""
        return any(name.startswith(prefix) for name in self.file.shapes())

    def sources(self, prefix: str, rename: Callable[[str], str]) -> dict[str, str]:
        """Name in the module -> name in the file, of the tensors under `prefix`."""
        names = self.file.shapes()
        return {rename(name[len(prefix) :]): name for name in names if name.startswith(prefix)}

    def build(
        self, make: Callable[[], torch.nn.Module], sources: Mapping[str, str], dtype: torch.dtype, what: str
    ) -> torch.nn.Module:
        """The module that `make` builds, with its parameters read from the file as `dtype`.

        Raises `CheckpointError` when the configuration is unusable, a parameter is missing, or its shape or kind of
        number differs.
        """
        try:
            with torch.device("meta"):
                module = make()
        except (TypeError, ValueError, KeyError, AttributeError, NotImplementedError) as error:
            problem = f"its configuration describes no {what} that can be built ({error})"
            raise CheckpointError(self.file.path, problem, "Use a file of a supported family") from error
        wanted = dict(module.named_parameters()) | _persistent_buffers(module)
        self._check(wanted, sources, what)
        by_source = {sources[name]: name for name in wanted}
        self.used |= by_source.keys()
        packed = self.precision.pack and dtype is packing.DTYPE
        layout = torch.contiguous_format if packed else torch.channels_last
        order = self.file.in_file_order(by_source)
        with ThreadPoolExecutor(min(READERS, os.cpu_count() or 1)) as readers:
            tensors = readers.map(lambda source: self.file.read(source, dtype, layout), order)
            for source, tensor in zip(order, tensors, strict=True):
                target = by_source[source]
                _assign(module, target, tensor.reshape(wanted[target].shape))
        _fill_constants(module, make)
        if packed:
            packing.pack(module)
        return module.eval().requires_grad_(False)

    def _check(self, wanted: Mapping[str, torch.Tensor], sources: Mapping[str, str], what: str) -> None:
        missing = [name for name in wanted if name not in sources]
        if missing:
            shown = ", ".join(missing[:3]) + (f" and {len(missing) - 3} more" if len(missing) > 3 else "")
            problem = f"lacks tensors of the {what}: {shown}"
            raise CheckpointError(self.file.path, problem, "Download it again, or use a complete file")
        shapes = self.file.shapes()
        for name, tensor in wanted.items():
            shape = shapes[sources[name]]
            # A 1x1 convolution and a linear layer hold the same numbers; older files store either.
            same = tuple(n for n in shape if n != 1) == tuple(n for n in tensor.shape if n != 1)
            if not same:
                problem = f"tensor {sources[name]} of the {what} is {list(shape)}, not {list(tensor.shape)}"
                raise CheckpointError(self.file.path, problem, "Use a file of a supported family")
            if not self.file.floating(sources[name]):
                problem = f"tensor {sources[name]} of the {what} holds whole numbers, not floating-point weights"
                raise CheckpointError(self.file.path, problem, "Use a file that is not quantized, or download it again")


def _persistent_buffers(module: torch.nn.Module) -> dict[str, torch.Tensor]:
    kept = module.state_dict()
    return {name: buffer for name, buffer in module.named_buffers() if name in kept}


def _owner(module: torch.nn.Module, name: str) -> tuple[torch.nn.Module, str]:
    head, _, last = name.rpartition(".")
    return module.get_submodule(head), last


def _assign(module: torch.nn.Module, name: str, tensor: torch.Tensor) -> None:
    owner, last = _owner(module, name)
    if last in owner._parameters:
        owner._parameters[last] = torch.nn.Parameter(tensor, requires_grad=False)
    else:
        owner._buffers[last] = tensor


def _fill_constants(module: torch.nn.Module, make: Callable[[], torch.nn.Module]) -> None:
    """Compute the tensors that no file holds (position numbers and the like): they were built without memory too."""
    for name, buffer in list(module.named_buffers()):
        if buffer.is_meta:
            owner, last = _owner(module, name)
            if last != "position_ids":
                raise NotImplementedError(f"constant {name}")
            owner._buffers[last] = torch.arange(buffer.shape[-1]).expand(tuple(buffer.shape))
