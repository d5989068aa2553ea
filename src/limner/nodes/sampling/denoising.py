"""One sampling run of a node: noise, guidance, progress, previews and cancelling around the diffusion library."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor

from limner.diffusion.guidance import Guide
from limner.diffusion.model import Model
from limner.diffusion.noise import initial_noise
from limner.diffusion.sampling import sample
from limner.media.preview import encode_preview
from limner.sdk import NodeContext

from ..errors import UnusableInput
from ..options import options

PREVIEW_INTERVAL = 0.05
"""Seconds between previews at least: nobody sees more, and each costs the sampler time."""


@dataclass(frozen=True, slots=True)
class Steps:
    """How a latent is denoised: the arguments of `limner.diffusion.sampling.sample` that users choose."""

    sampler: str
    scheduler: str
    steps: int
    seed: int
    cfg: float
    denoise: float = 1.0
    add_noise: bool = True
    start_step: int | None = None
    last_step: int | None = None
    force_full_denoise: bool = False


def denoise_latent(
    model: Model, positive: list[Any], negative: list[Any], latent: dict[str, Any], how: Steps, context: NodeContext
) -> dict[str, Any]:
    """The LATENT with its samples denoised. Raises `UnusableInput`, `Cancelled`."""
    samples = fitting(model, latent["samples"])
    noise = initial_noise(samples, how.seed, latent.get("batch_index")) if how.add_noise else None
    mask = latent.get("noise_mask")
    guide = Guide(model, positive, negative, how.cfg)
    original = model.scale_in(samples)
    with guide.prepare(torch.zeros_like(samples) if noise is None else noise, original, mask) as denoiser:
        denoised = sample(
            denoiser,
            model.parameterization,
            samples,
            noise,
            sampler_name=how.sampler,
            scheduler_name=how.scheduler,
            steps=how.steps,
            seed=how.seed,
            denoise=how.denoise,
            start_step=how.start_step,
            last_step=how.last_step,
            force_full_denoise=how.force_full_denoise,
            noise_mask=mask,
            callback=Reporter(model, context),
            cancelled=context.check_cancelled,
            scale_in=model.scale_in,
            scale_out=model.scale_out,
            device=model.device,
            tape=context.tape(),
        )
    return {**latent, "samples": denoised}


def fitting(model: Model, samples: Tensor) -> Tensor:
    """The samples, an empty latent with the channels that the model has. Raises `UnusableInput`."""
    channels = model.latent.channels
    if samples.ndim != 4:
        raise UnusableInput(
            f"input 'latent_image' has {samples.ndim} dimensions; the model makes pictures",
            "Connect a latent of pictures, such as that of 'Empty Latent Image'",
        )
    if samples.shape[1] == channels:
        return samples
    if not bool(samples.any()):
        return samples.new_zeros(samples.shape[0], channels, *samples.shape[2:])
    raise UnusableInput(
        f"input 'latent_image' has {samples.shape[1]} channels, the model works with {channels}",
        "Encode the picture with the VAE that belongs to the model",
    )


@dataclass(slots=True)
class Reporter:
    """Told of every step: passes progress on, with a picture now and then."""

    model: Model
    context: NodeContext
    clock: Callable[[], float] = time.monotonic
    _shown: float = field(default=float("-inf"))

    def __call__(self, step: int, denoised: Tensor, x: Tensor, total: int) -> None:
        chosen = options(self.context)
        now = self.clock()
        if chosen.previews and now - self._shown >= PREVIEW_INTERVAL:
            self._shown = now
            picture = self.model.preview(denoised[:1])[0]
            self.context.preview(*encode_preview(picture, chosen.preview_size))
        self.context.progress(step + 1, total)
