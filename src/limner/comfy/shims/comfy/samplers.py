"""ComfyUI's `comfy.samplers`: schedulers, solvers, guidance."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from limner.comfy.shims.objects.guiders import (
    CFGGuider,
    calc_cond_batch,
    cfg_function,
    sampling_function,
)
from limner.comfy.shims.objects.model_sampling import PackSpace
from limner.comfy.shims.objects.samplers import KSAMPLER, Sampler, ksampler_named
from limner.diffusion.samplers import SAMPLERS
from limner.diffusion.sampling import cut_sigmas
from limner.diffusion.schedules import SCHEDULERS, schedule

__all__ = ["KSAMPLER", "CFGGuider", "Sampler", "calc_cond_batch", "cfg_function", "sampling_function", "torch"]

SAMPLER_NAMES = list(SAMPLERS)
KSAMPLER_NAMES = [name for name in SAMPLERS if name not in ("ddim", "uni_pc", "uni_pc_bh2")]
SCHEDULER_NAMES = list(SCHEDULERS)
_DISCARDING = frozenset(name for name, found in SAMPLERS.items() if found.discard_penultimate)
SCHEDULER_HANDLERS = dict.fromkeys(SCHEDULERS)


ksampler = ksampler_named


def sampler_object(name: str) -> Any:
    """The SAMPLER of this name."""
    return ksampler_named(name)


def calculate_sigmas(model_sampling: Any, scheduler_name: str, steps: int) -> Tensor:
    """The levels that a scheduler visits."""
    return schedule(scheduler_name, PackSpace(model_sampling), steps)


def simple_scheduler(model_sampling: Any, steps: int) -> Tensor:
    return calculate_sigmas(model_sampling, "simple", steps)


def ddim_scheduler(model_sampling: Any, steps: int) -> Tensor:
    return calculate_sigmas(model_sampling, "ddim_uniform", steps)


def normal_scheduler(model_sampling: Any, steps: int, sgm: bool = False, floor: bool = False) -> Tensor:
    return calculate_sigmas(model_sampling, "sgm_uniform" if sgm else "normal", steps)


def beta_scheduler(model_sampling: Any, steps: int, alpha: float = 0.6, beta: float = 0.6) -> Tensor:
    from limner.diffusion.schedules import beta as beta_schedule

    return beta_schedule(PackSpace(model_sampling), steps, alpha=alpha, beta=beta)


def sample(
    model: Any,
    noise: Tensor,
    positive: Any,
    negative: Any,
    cfg: float,
    device: Any,
    sampler: Any,
    sigmas: Tensor,
    model_options: Any = None,
    latent_image: Tensor | None = None,
    denoise_mask: Tensor | None = None,
    callback: Any = None,
    disable_pbar: bool = False,
    seed: int | None = None,
) -> Tensor:
    """The latent, denoised with two prompts."""
    guider = CFGGuider(model)
    if model_options:
        guider.model_options = model_options
    guider.set_conds(positive, negative)
    guider.set_cfg(cfg)
    start = torch.zeros_like(noise) if latent_image is None else latent_image
    return guider.sample(noise, start, sampler, sigmas, denoise_mask, callback, disable_pbar, seed)


class KSampler:
    """A solver, a scheduler and a number of steps, for one model."""

    SCHEDULERS = SCHEDULER_NAMES
    SAMPLERS = SAMPLER_NAMES
    DISCARD_PENULTIMATE_SIGMA_SAMPLERS = _DISCARDING

    def __init__(
        self,
        model: Any,
        steps: int,
        device: Any,
        sampler: str | None = None,
        scheduler: str | None = None,
        denoise: float | None = None,
        model_options: Any = None,
    ) -> None:
        self.model, self.device = model, device
        self.sampler = sampler if sampler in self.SAMPLERS else self.SAMPLERS[0]
        self.scheduler = scheduler if scheduler in self.SCHEDULERS else self.SCHEDULERS[0]
        self.model_options = model_options or {}
        self.set_steps(steps, denoise)
        self.denoise = denoise

    def calculate_sigmas(self, steps: int) -> Tensor:
        discard = self.sampler in self.DISCARD_PENULTIMATE_SIGMA_SAMPLERS
        sigmas = calculate_sigmas(self.model.get_model_object("model_sampling"), str(self.scheduler), steps + discard)
        return torch.cat([sigmas[:-2], sigmas[-1:]]) if discard else sigmas

    def set_steps(self, steps: int, denoise: float | None = None) -> None:
        self.steps = steps
        if denoise is None or denoise > 0.9999:
            self.sigmas = self.calculate_sigmas(steps)
        elif denoise <= 0.0:
            self.sigmas = torch.empty(0)
        else:
            self.sigmas = self.calculate_sigmas(int(steps / denoise))[-(steps + 1) :]

    def sample(
        self,
        noise: Tensor,
        positive: Any,
        negative: Any,
        cfg: float,
        latent_image: Tensor | None = None,
        start_step: int | None = None,
        last_step: int | None = None,
        force_full_denoise: bool = False,
        denoise_mask: Tensor | None = None,
        sigmas: Tensor | None = None,
        callback: Any = None,
        disable_pbar: bool = False,
        seed: int | None = None,
    ) -> Tensor:
        levels = cut_sigmas(self.sigmas if sigmas is None else sigmas, start_step, last_step, force_full_denoise)
        solver = sampler_object(str(self.sampler))
        return sample(
            self.model,
            noise,
            positive,
            negative,
            cfg,
            self.device,
            solver,
            levels,
            self.model_options,
            latent_image,
            denoise_mask,
            callback,
            disable_pbar,
            seed,
        )
