"""Refusing what could not be held in memory, before trying: a process that tries is killed."""

from __future__ import annotations

import math
from collections.abc import Sequence

import psutil

from ..errors import UnusableInput

FLOAT32 = 4


def check_fits(shape: Sequence[int], what: str) -> None:
    """Raises `UnusableInput` where a float32 tensor of this shape exceeds the memory that is free."""
    needed = math.prod(shape) * FLOAT32
    free = psutil.virtual_memory().available
    if needed > free:
        raise UnusableInput(
            f"{what} would take {needed / 2**30:.1f} GiB, {free / 2**30:.1f} GiB of memory are free",
            "Choose a smaller size or batch",
        )
