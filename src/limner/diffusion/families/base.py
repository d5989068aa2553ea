"""What a model family is: how its files are recognised and what is built from one."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

import torch

if TYPE_CHECKING:
    from limner.diffusion.families.loading import Loader

Shapes = Mapping[str, tuple[int, ...]]


@dataclass(frozen=True, slots=True)
class LatentFormat:
    """The latent space of a family.

    `scale` is what latents are multiplied with before sampling; `rgb_factors` (channels x 3) and `rgb_bias` (3)
    approximate the picture of a scaled latent in -1..1, for previews.
    """

    channels: int
    downscale: int
    scale: float
    rgb_factors: tuple[tuple[float, ...], ...]
    rgb_bias: tuple[float, ...] = (0.0, 0.0, 0.0)


@dataclass(frozen=True, slots=True)
class NetworkPart:
    """The denoising network of a file, with what samplers and adapters ask about it.

    `keys` maps a parameter's name in the module to its name in the original layout, both without prefixes.
    """

    module: torch.nn.Module
    latent: LatentFormat
    prediction: str
    keys: Mapping[str, str]
    inpaint: bool = False


@dataclass(frozen=True, slots=True)
class TextPart:
    """The text encoder of a file; `keys` as in `NetworkPart`."""

    module: torch.nn.Module
    vocabulary: int
    keys: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class VaePart:
    """The autoencoder of a file."""

    module: torch.nn.Module
    channels: int
    downscale: int


class Build(Protocol):
    """Builds the parts of a file of this family; a part that the file lacks is None."""

    def __call__(self, loader: "Loader") -> tuple[NetworkPart | None, TextPart | None, VaePart | None]: ...


@dataclass(frozen=True, slots=True)
class Family:
    """One row of the table of families.

    `detect(shapes)` tells whether a file with these tensors, and no configuration that names its family, is of this
    one. `build` is None for a family that is recognised only to say so.
    """

    name: str
    title: str
    detect: Callable[[Shapes], bool]
    build: Build | None = None
