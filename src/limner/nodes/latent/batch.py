"""Menu `latent/batch`: taking batches of latents apart and putting them together.

`batch_index` remembers which picture of a batch each latent is, so that its noise stays the same when it is sampled
alone.
"""

from __future__ import annotations

from typing import Annotated, Any

import torch

from limner.sdk import Int, Latent, node

from ..tensors.batches import repeat_to
from ..tensors.resize import fitted

CATEGORY = "latent/batch"
Amount = Annotated[int, Int(default=1, min=1, max=64)]


@node(type="LatentFromBatch", title="Latent From Batch", category=CATEGORY, lane="cpu")
def from_batch(samples: Latent, batch_index: Annotated[int, Int(default=0, min=0, max=63)], length: Amount) -> Latent:
    """Some latents of a batch, beginning with one."""
    latents = samples["samples"]
    count = latents.shape[0]
    start = min(count - 1, batch_index)
    part = slice(start, start + min(count - start, length))
    result: dict[str, Any] = {**samples, "samples": latents[part].clone()}
    if "noise_mask" in samples:
        mask = samples["noise_mask"]
        result["noise_mask"] = mask.clone() if mask.shape[0] == 1 else _at_least(mask, count)[part].clone()
    result["batch_index"] = samples["batch_index"][part] if "batch_index" in samples else [*range(count)[part]]
    return result


@node(type="RepeatLatentBatch", title="Repeat Latent Batch", category=CATEGORY, lane="cpu")
def repeat(samples: Latent, amount: Amount) -> Latent:
    """The whole batch, several times over; each repetition gets noise of its own."""
    latents = samples["samples"]
    result: dict[str, Any] = {**samples, "samples": latents.repeat(amount, *[1] * (latents.ndim - 1))}
    mask = samples.get("noise_mask")
    if mask is not None and mask.shape[0] > 1:
        result["noise_mask"] = mask.repeat(amount, *[1] * (mask.ndim - 1))
    if "batch_index" in samples:
        indices = samples["batch_index"]
        period = max(indices) - min(indices) + 1
        result["batch_index"] = [index + turn * period for turn in range(amount) for index in indices]
    return result


@node(type="LatentBatch", category=CATEGORY, module="comfy_extras.nodes_latent", lane="cpu", v3=True)
def join(samples1: Latent, samples2: Latent) -> Latent:
    """Put two batches into one; the second is cropped and scaled to the size of the first."""
    first, second = samples1["samples"], samples2["samples"]
    joined = torch.cat([first, fitted(second, first)])
    indices = [*samples1.get("batch_index", range(len(first))), *samples2.get("batch_index", range(len(second)))]
    return {**samples1, "samples": joined, "batch_index": indices}


def _at_least(mask: torch.Tensor, count: int) -> torch.Tensor:
    return mask if mask.shape[0] >= count else repeat_to(mask, count)
