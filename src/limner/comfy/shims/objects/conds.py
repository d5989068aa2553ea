"""ComfyUI's `comfy.conds`: what a network is given beside the latent, and how several of them share a batch."""

from __future__ import annotations

import math
from collections.abc import Sequence
from importlib import import_module
from typing import Any, TypeVar

import torch
from torch import Tensor

C = TypeVar("C", bound="CONDRegular")
LONGEST = 4
"""How often a short prompt is repeated at most to share a batch with a longer one."""


def _repeated(tensor: Tensor, batch: int) -> Tensor:
    repeated: Tensor = import_module("comfy.utils").repeat_to_batch_size(tensor, batch)
    return repeated


class CONDRegular:
    """A tensor with a batch."""

    def __init__(self, cond: Any) -> None:
        self.cond = cond

    def _copy_with(self: C, cond: Any) -> C:
        return self.__class__(cond)

    def process_cond(self: C, batch_size: int, **kwargs: Any) -> C:
        """The same for a batch of this size."""
        return self._copy_with(_repeated(self.cond, batch_size))

    def can_concat(self, other: Any) -> bool:
        """Whether both can go through the network together."""
        return bool(self.cond.shape == other.cond.shape and self.cond.device == other.cond.device)

    def concat(self, others: Sequence[Any]) -> Any:
        """The value for a batch of this one and others."""
        return torch.cat([self.cond, *(other.cond for other in others)])

    def size(self) -> list[int]:
        return list(self.cond.size())


class CONDNoiseShape(CONDRegular):
    """A tensor of the latent's size, of which an area gets its part."""

    def process_cond(self, batch_size: int, area: Sequence[int] | None = None, **kwargs: Any) -> Any:
        part = self.cond
        dims = 0 if area is None else len(area) // 2
        for dim in range(dims):
            part = part.narrow(dim + 2, area[dims + dim], area[dim])  # type: ignore[index]
        return self._copy_with(_repeated(part, batch_size))


class CONDCrossAttn(CONDRegular):
    """Vectors [batch, tokens, width]; those with fewer tokens are repeated, which leaves attention to them as it is."""

    def can_concat(self, other: Any) -> bool:
        (batch, tokens, width), (other_batch, other_tokens, other_width) = self.cond.shape, other.cond.shape
        if (batch, width) != (other_batch, other_width) or self.cond.device != other.cond.device:
            return False
        return bool(math.lcm(tokens, other_tokens) // min(tokens, other_tokens) <= LONGEST)

    def concat(self, others: Sequence[Any]) -> Tensor:
        all_of = [self.cond, *(other.cond for other in others)]
        tokens = math.lcm(*(vectors.shape[1] for vectors in all_of))
        return torch.cat([vectors.repeat(1, tokens // vectors.shape[1], 1) for vectors in all_of])


class CONDConstant(CONDRegular):
    """A value that a whole batch shares."""

    def process_cond(self, batch_size: int, **kwargs: Any) -> Any:
        return self._copy_with(self.cond)

    def can_concat(self, other: Any) -> bool:
        return bool(self.cond == other.cond)

    def concat(self, others: Sequence[Any]) -> Any:
        return self.cond

    def size(self) -> list[int]:
        return [1]


class CONDList(CONDRegular):
    """Several tensors, each with a batch."""

    def process_cond(self, batch_size: int, **kwargs: Any) -> Any:
        return self._copy_with([_repeated(tensor, batch_size) for tensor in self.cond])

    def can_concat(self, other: Any) -> bool:
        if len(self.cond) != len(other.cond):
            return False
        return all(mine.shape == theirs.shape for mine, theirs in zip(self.cond, other.cond, strict=True))

    def concat(self, others: Sequence[Any]) -> list[Tensor]:
        return [torch.cat(same) for same in zip(self.cond, *(other.cond for other in others), strict=True)]

    def size(self) -> list[int]:
        """Of one tensor with as many values, for estimates of memory."""
        total = sum(math.prod(tensor.size()) for tensor in self.cond)
        channels = self.cond[-1].shape[1] if self.cond and self.cond[-1].ndim > 1 else 1
        return [1, channels, total // channels]
