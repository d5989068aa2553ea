"""ComfyUI's `comfy.sample`: noise, and sampling by names."""

from __future__ import annotations

from collections.abc import Sequence
from importlib import import_module
from typing import Any

import numpy as np
import torch
from torch import Tensor

from limner.diffusion.noise import initial_noise

samplers: Any = import_module("comfy.samplers")
__all__ = ["np", "torch"]


def prepare_noise(latent_image: Tensor, seed: int, noise_inds: Sequence[int] | None = None) -> Tensor:
    """Noise in the shape of a latent; `noise_inds` are the places that its items had in their batch."""
    places = None if noise_inds is None else [int(place) for place in noise_inds]
    return initial_noise(latent_image, seed, places)


def fix_empty_latent_channels(model: Any, latent_image: Tensor) -> Tensor:
    """An empty latent with the channels that the model has."""
    channels = model.get_model_object("latent_format").latent_channels
    if latent_image.shape[1] == channels or bool(latent_image.any()):
        return latent_image
    return latent_image.new_zeros(latent_image.shape[0], channels, *latent_image.shape[2:])


def sample(
    model: Any,
    noise: Tensor,
    steps: int,
    cfg: float,
    sampler_name: str,
    scheduler: str,
    positive: Any,
    negative: Any,
    latent_image: Tensor,
    denoise: float = 1.0,
    disable_noise: bool = False,
    start_step: int | None = None,
    last_step: int | None = None,
    force_full_denoise: bool = False,
    noise_mask: Tensor | None = None,
    sigmas: Tensor | None = None,
    callback: Any = None,
    disable_pbar: bool = False,
    seed: int | None = None,
) -> Tensor:
    """What a KSampler does."""
    made = samplers.KSampler(
        model, steps, model.load_device, sampler_name, scheduler, denoise, model_options=model.model_options
    )
    result: Tensor = made.sample(
        noise,
        positive,
        negative,
        cfg=cfg,
        latent_image=latent_image,
        start_step=start_step,
        last_step=last_step,
        force_full_denoise=force_full_denoise,
        denoise_mask=noise_mask,
        sigmas=sigmas,
        callback=callback,
        disable_pbar=disable_pbar,
        seed=seed,
    )
    return result


def sample_custom(
    model: Any,
    noise: Tensor,
    cfg: float,
    sampler: Any,
    sigmas: Tensor,
    positive: Any,
    negative: Any,
    latent_image: Tensor,
    noise_mask: Tensor | None = None,
    callback: Any = None,
    disable_pbar: bool = False,
    seed: int | None = None,
) -> Tensor:
    """Sampling over given levels."""
    result: Tensor = samplers.sample(
        model,
        noise,
        positive,
        negative,
        cfg,
        model.load_device,
        sampler,
        sigmas,
        model.model_options,
        latent_image,
        noise_mask,
        callback,
        disable_pbar,
        seed,
    )
    return result


def cleanup_additional_models(models: Any) -> None:
    """Nothing: models that nobody refers to are gone."""


def prepare_sampling(model: Any, noise_shape: Any, positive: Any, negative: Any, noise_mask: Any) -> tuple[Any, ...]:
    """As earlier versions had it: the model as it is."""
    return model, positive, negative, noise_mask, []
