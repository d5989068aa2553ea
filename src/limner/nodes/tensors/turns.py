"""Turning and mirroring: quarters clockwise, and the axis of a mirror, by the names that nodes give them."""

from __future__ import annotations

from typing import Literal, TypeAlias

import torch
from torch import Tensor

Rotation: TypeAlias = Literal["none", "90 degrees", "180 degrees", "270 degrees"]
Flip: TypeAlias = Literal["x-axis: vertically", "y-axis: horizontally"]


def turned(tensor: Tensor, rotation: Rotation, rows: int, columns: int) -> Tensor:
    """Turned clockwise; `rows` and `columns` are the dimensions of the height and the width."""
    quarters = 0 if rotation == "none" else int(rotation.split()[0]) // 90
    return torch.rot90(tensor, quarters, dims=[columns, rows])


def mirrored(tensor: Tensor, flip: Flip, rows: int, columns: int) -> Tensor:
    """Top to bottom, or left to right."""
    return torch.flip(tensor, dims=[rows if flip.startswith("x") else columns])
