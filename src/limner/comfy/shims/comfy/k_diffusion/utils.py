"""ComfyUI's `comfy.k_diffusion.utils`."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from PIL import Image
from torch import Tensor


def append_dims(x: Tensor, target_dims: int) -> Tensor:
    """`x` with dimensions of 1 behind, until it has that many. Raises ValueError where it has more."""
    if x.ndim > target_dims:
        raise ValueError(f"a tensor of {x.ndim} dimensions cannot have {target_dims}")
    return x.reshape(*x.shape, *[1] * (target_dims - x.ndim))


class FolderOfImages(torch.utils.data.Dataset[tuple[Any]]):
    """The pictures below a folder."""

    IMG_EXTENSIONS = frozenset({".jpg", ".jpeg", ".png", ".ppm", ".bmp", ".pgm", ".tif", ".tiff", ".webp"})

    def __init__(self, root: str, transform: Callable[[Any], Any] | None = None) -> None:
        super().__init__()
        self.root = Path(root)
        self.transform = transform
        self.paths = sorted(path for path in self.root.rglob("*") if path.suffix.lower() in self.IMG_EXTENSIONS)

    def __len__(self) -> int:
        return len(self.paths)

    def __getitem__(self, key: int) -> tuple[Any]:
        with Image.open(self.paths[key]) as file:
            picture = file.convert("RGB")
        return (picture if self.transform is None else self.transform(picture),)
