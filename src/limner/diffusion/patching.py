"""Changes to weights that can be taken back exactly.

A patch computes what is added to one weight. The patched weight replaces the original, which is kept: taking the
patch back puts the very same tensor in place. A `Patches` value is compared by identity, so that using one model again
and again costs nothing, and switching between models that share a network costs the weights that differ.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

import torch

from limner.diffusion import packing


class WeightPatch(Protocol):
    """A change to one weight."""

    def delta(self, weight: torch.Tensor) -> torch.Tensor:
        """What is added at strength 1, float32, in the weight's shape and on its device."""
        ...


@dataclass(frozen=True, slots=True, eq=False)
class Patches:
    """For each parameter's name, the patches and their strengths, in the order in which they are added."""

    weights: Mapping[str, tuple[tuple[WeightPatch, float], ...]]

    def plus(self, more: Mapping[str, tuple[WeightPatch, float]]) -> "Patches":
        """These patches and more."""
        merged = dict(self.weights)
        for name, patch in more.items():
            merged[name] = (*merged.get(name, ()), patch)
        return Patches(merged)


NO_PATCHES = Patches({})


class Patcher:
    """Puts patches into a module and takes them out again."""

    def __init__(self, module: torch.nn.Module) -> None:
        self._module = module
        self._applied = NO_PATCHES
        self._originals: dict[str, torch.Tensor] = {}

    @property
    def originals(self) -> Mapping[str, torch.Tensor]:
        """What stood in the place of those weights that are patched now, by the parameter's name."""
        return self._originals

    def apply(self, patches: Patches) -> None:
        """Make `patches`, and no others, be in the module; none where one of them fails."""
        if patches is self._applied:
            return
        wanted, present = patches.weights, self._applied.weights
        try:
            for name in [name for name in self._originals if wanted.get(name) != present.get(name)]:
                self._eject(name)
            for name, changes in wanted.items():
                if name not in self._originals:
                    self._inject(name, changes)
            self._applied = patches
        except BaseException:
            for name in list(self._originals):
                self._eject(name)
            self._applied = NO_PATCHES
            raise

    def _inject(self, name: str, changes: tuple[tuple[WeightPatch, float], ...]) -> None:
        layer, last = self._owner(name)
        original = layer.get_parameter(last).data
        weight = packing.plain(original)
        patched = weight.to(torch.float32, copy=True)
        for patch, strength in changes:
            patched += strength * patch.delta(weight).to(patched)
        # Beside the device's memory, not in it: the patched weight takes the original's place there.
        self._originals[name] = original.cpu()
        result = patched.to(original.dtype)
        self._put(layer, last, packing.packed(layer, result) if original.is_mkldnn else result)

    def _eject(self, name: str) -> None:
        layer, last = self._owner(name)
        # The module may have moved in between; on the CPU this puts the very same tensor back.
        self._put(layer, last, self._originals.pop(name).to(layer.get_parameter(last).device))

    def _owner(self, name: str) -> tuple[torch.nn.Module, str]:
        path, _, last = name.rpartition(".")
        return self._module.get_submodule(path), last

    @staticmethod
    def _put(layer: torch.nn.Module, name: str, tensor: torch.Tensor) -> None:
        # A new parameter, since a packed tensor cannot become the data of one that is not.
        layer._parameters[name] = torch.nn.Parameter(tensor, requires_grad=False)
