"""The noise that sampling starts from, so that a seed gives the same picture on every machine."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor


def initial_noise(latent: Tensor, seed: int, batch_index: Sequence[int] | None = None) -> Tensor:
    """Unit-variance Gaussian noise in the shape and dtype of `latent`, on the CPU.

    It is drawn on the CPU whatever the device, because generators of other devices give other numbers. `seed` is in
    0 .. 2^64 - 1.

    `batch_index` names the place that each latent had in the batch it was taken from (LatentFromBatch): it gets the
    noise it had there, so that one picture of a batch can be made again alone. Latents are then drawn one after the
    other; equal indices share their noise.

    Raises ValueError if there are fewer indices than latents, or negative ones.
    """
    generator = torch.Generator("cpu").manual_seed(seed)
    if batch_index is None:
        return torch.randn(latent.shape, dtype=latent.dtype, generator=generator)
    indices = list(batch_index)
    if len(indices) != latent.shape[0] or min(indices, default=0) < 0:
        raise ValueError(f"batch_index must be {latent.shape[0]} numbers of 0 or more, one a latent, not {indices}")
    wanted = set(indices)
    drawn: dict[int, Tensor] = {}
    for index in range(max(indices, default=-1) + 1):
        item = torch.randn((1, *latent.shape[1:]), dtype=latent.dtype, generator=generator)
        if index in wanted:
            drawn[index] = item
    return torch.cat([drawn[index] for index in indices]) if indices else torch.empty_like(latent, device="cpu")
