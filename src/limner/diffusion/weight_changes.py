"""What files of small changes do to one weight, each form with its formula.

- Low rank (LoRA: Hu et al. 2021, arXiv:2106.09685): `scale * up @ down`. A convolution's matrices are taken flat
  (LoCon), with a core between them where the file has one: `up @ core @ down`, in CP form as LyCORIS writes it.
- Hadamard (LoHa: Hyeon-Woo et al. 2021, arXiv:2108.06098): `scale * (a1 @ b1) * (a2 @ b2)`, element by element.
- Kronecker (LoKr: Yeh et al. 2023, arXiv:2309.14859): `scale * kron(left, right)`, either whole or a product itself.
- A whole difference.

With a magnitude the changed weight is scaled to it (DoRA: Liu et al. 2024, arXiv:2402.09353): each column is brought to
its magnitude; with magnitudes of rows, each row is scaled by its magnitude over the length that it had before, which
is how ComfyUI reads such files.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor


class Change(Protocol):
    """A change of one weight or bias."""

    def fits(self, shape: torch.Size) -> bool:
        """Whether the change has the rows of a weight of this shape, and its number of values."""
        ...

    def delta(self, weight: Tensor) -> Tensor:
        """What is added to `weight` at strength 1, float32, in its shape."""
        ...


@dataclass(frozen=True, slots=True, eq=False)
class LowRank:
    """`up` [out, rank, ...] and `down` [rank, in, ...], their `scale` (alpha / rank), and what goes with them."""

    up: Tensor
    down: Tensor
    scale: float
    mid: Tensor | None = None
    magnitude: Tensor | None = None

    def fits(self, shape: torch.Size) -> bool:
        """As `Change`."""
        columns = self.down[0].numel() if self.mid is None else self.down.shape[1] * self.mid[0, 0].numel()
        rows, inner = self.up.shape[0], self.up[0].numel()
        return rows == shape[0] and inner == self.down.shape[0] and rows * columns == math.prod(shape)

    def delta(self, weight: Tensor) -> Tensor:
        """As `Change`."""
        up, down = (_float(part, weight) for part in (self.up, self.down))
        if self.mid is None:
            product = up.flatten(1) @ down.flatten(1)
        else:
            product = torch.einsum("or,rsxy,si->oixy", up.flatten(1), _float(self.mid, weight), down.flatten(1))
        return with_magnitude(weight, product.reshape(weight.shape) * self.scale, self.magnitude)


@dataclass(frozen=True, slots=True, eq=False)
class Factor:
    """A matrix as a product, `a` [rows, rank] @ `b` [rank, columns].

    With a `core` [rank, rank, height, width] it is that of a convolution, in CP form, and `a` is [rank, rows].
    """

    a: Tensor
    b: Tensor
    core: Tensor | None = None

    @property
    def shape(self) -> tuple[int, ...]:
        """(rows, columns), or (rows, columns, height, width)."""
        if self.core is None:
            return self.a.shape[0], self.b.shape[1]
        return self.a.shape[1], self.b.shape[1], *self.core.shape[2:]

    @property
    def consistent(self) -> bool:
        """Whether the parts have the same rank."""
        if self.core is None:
            return self.a.ndim == self.b.ndim == 2 and self.a.shape[1] == self.b.shape[0]
        return self.a.ndim == self.b.ndim == 2 and self.core.shape[:2] == (self.a.shape[0], self.b.shape[0])

    def product(self, weight: Tensor) -> Tensor:
        """The matrix, float32, on the weight's device."""
        a, b = _float(self.a, weight), _float(self.b, weight)
        return a @ b if self.core is None else torch.einsum("ijxy,jc,ir->rcxy", _float(self.core, weight), b, a)


@dataclass(frozen=True, slots=True, eq=False)
class Hadamard:
    """Two products, multiplied element by element."""

    first: Factor
    second: Factor
    scale: float
    magnitude: Tensor | None = None

    def fits(self, shape: torch.Size) -> bool:
        """As `Change`."""
        same = self.first.consistent and self.second.consistent and self.first.shape == self.second.shape
        return same and self.first.shape[0] == shape[0] and math.prod(self.first.shape) == math.prod(shape)

    def delta(self, weight: Tensor) -> Tensor:
        """As `Change`."""
        product = self.first.product(weight) * self.second.product(weight)
        return with_magnitude(weight, product.reshape(weight.shape) * self.scale, self.magnitude)


@dataclass(frozen=True, slots=True, eq=False)
class Kronecker:
    """The Kronecker product of two matrices; that on the right may be a convolution's."""

    left: Tensor | Factor
    right: Tensor | Factor
    scale: float
    magnitude: Tensor | None = None

    def fits(self, shape: torch.Size) -> bool:
        """As `Change`."""
        sides = (self.left, self.right)
        if len(self.left.shape) != 2 or not all(side.consistent for side in sides if isinstance(side, Factor)):
            return False
        rows = self.left.shape[0] * self.right.shape[0]
        return rows == shape[0] and math.prod(self.left.shape) * math.prod(self.right.shape) == math.prod(shape)

    def delta(self, weight: Tensor) -> Tensor:
        """As `Change`."""
        left, right = (
            side.product(weight) if isinstance(side, Factor) else _float(side, weight)
            for side in (self.left, self.right)
        )
        product = torch.kron(left.reshape(*left.shape, *[1] * (right.ndim - 2)), right.contiguous())
        return with_magnitude(weight, product.reshape(weight.shape) * self.scale, self.magnitude)


@dataclass(frozen=True, slots=True, eq=False)
class Difference:
    """A whole difference of a weight or of a bias."""

    value: Tensor

    def fits(self, shape: torch.Size) -> bool:
        """As `Change`; the rows are not looked at."""
        return self.value.numel() == math.prod(shape)

    def delta(self, weight: Tensor) -> Tensor:
        """As `Change`."""
        return _float(self.value, weight).reshape(weight.shape)


def with_magnitude(weight: Tensor, change: Tensor, magnitude: Tensor | None) -> Tensor:
    """The change after the changed weight is scaled to its magnitude, if there is one."""
    if magnitude is None:
        return change
    original = weight.float()
    moved = original + change
    of_rows = magnitude.shape[0] == weight.shape[0]
    axis, measured = (0, original) if of_rows else (1, moved)
    length = measured.transpose(0, axis).flatten(1).norm(dim=1)
    shape = [-1 if dim == axis else 1 for dim in range(weight.ndim)]
    factor = _float(magnitude, weight).reshape(shape) / (length + torch.finfo(torch.float32).eps).reshape(shape)
    scaled: Tensor = moved * factor
    return scaled - original


def _float(tensor: Tensor, weight: Tensor) -> Tensor:
    return tensor.to(weight.device, torch.float32)
