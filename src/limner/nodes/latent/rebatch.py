"""Menu `latent/batch`: cutting lists of latents anew into batches."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Any

import torch

from limner.sdk import Int, Latent, node

from ..tensors.batches import repeat_to

Single = dict[str, Any]


@node(
    type="RebatchLatents",
    title="Rebatch Latents",
    category="latent/batch",
    module="comfy_extras.nodes_rebatch",
    lane="cpu",
    v3=True,
)
def rebatch(latents: list[Latent], batch_size: list[Annotated[int, Int(default=1, min=1, max=4096)]]) -> list[Latent]:
    """Cut all latents anew into batches of a size; a batch ends where the size of the latents changes."""
    batches: list[list[Single]] = []
    for single in _singles(latents):
        same = batches and batches[-1][0]["samples"].shape[-2:] == single["samples"].shape[-2:]
        if same and len(batches[-1]) < batch_size[0]:
            batches[-1].append(single)
        else:
            batches.append([single])
    return [_joined(batch) for batch in batches]


def _singles(latents: list[Single]) -> Iterator[Single]:
    """The latents one by one, each with its mask (None for one without) and its index among all."""
    seen = 0
    for latent in latents:
        samples = latent["samples"]
        count = samples.shape[0]
        indices = latent.get("batch_index", range(seen, seen + count))
        mask = latent.get("noise_mask")
        masks = None if mask is None else repeat_to(mask, max(count, mask.shape[0]))
        for place in range(count):
            own = None if masks is None else masks[place : place + 1]
            yield {"samples": samples[place : place + 1], "noise_mask": own, "batch_index": indices[place]}
        seen += count


def _joined(batch: list[Single]) -> Single:
    samples = torch.cat([single["samples"] for single in batch])
    result: Single = {"samples": samples, "batch_index": [single["batch_index"] for single in batch]}
    size = (samples.shape[-2] * 8, samples.shape[-1] * 8)
    masks = [torch.ones(1, 1, *size) if one["noise_mask"] is None else one["noise_mask"] for one in batch]
    if any(float(mask.mean()) != 1.0 for mask in masks):
        result["noise_mask"] = torch.cat(masks)
    return result
