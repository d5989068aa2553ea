"""Making batches and channels of two tensors fit each other."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn.functional import pad

from ..errors import UnusableInput


def check_channels(first: Tensor, second: Tensor) -> None:
    """Raises `UnusableInput` where two latents [batch, channels, ...] are of different kinds of models."""
    if first.ndim != second.ndim or second.shape[1] not in (1, first.shape[1]):
        shapes = " and ".join(
            f"{latent.shape[1]} channels in {latent.ndim - 2} dimensions" for latent in (first, second)
        )
        raise UnusableInput(
            f"the latents do not belong together: {shapes}", "Connect latents of the same kind of model"
        )


def repeat_to(tensor: Tensor, size: int) -> Tensor:
    """`size` items: the batch cut short, or repeated from its start."""
    if tensor.shape[0] < size:
        times = -(-size // tensor.shape[0])
        tensor = tensor.repeat(times, *[1] * (tensor.ndim - 1))
    return tensor[:size]


def last_repeated_to(tensor: Tensor, size: int) -> Tensor:
    """`size` items or more: a shorter batch goes on with its last item."""
    missing = size - tensor.shape[0]
    return tensor if missing <= 0 else torch.cat([tensor, tensor[-1:].expand(missing, *tensor.shape[1:])])


def with_channels_of(source: Tensor, destination: Tensor) -> Tensor:
    """IMAGE `source` with as many channels as `destination`: surplus ones are dropped, missing ones are opaque (1)."""
    missing = destination.shape[-1] - source.shape[-1]
    return source[..., : destination.shape[-1]] if missing <= 0 else pad(source, (0, missing), value=1.0)


def masks_4d(mask: Tensor) -> Tensor:
    """A MASK of any form ([height, width] or with leading dimensions) as [batch, 1, height, width]."""
    return mask.reshape(-1, 1, mask.shape[-2], mask.shape[-1])


def masks_3d(mask: Tensor) -> Tensor:
    """A MASK of any form as [batch, height, width]."""
    return mask.reshape(-1, mask.shape[-2], mask.shape[-1])
