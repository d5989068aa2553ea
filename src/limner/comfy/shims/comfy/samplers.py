"""ComfyUI's `comfy.samplers`: schedulers, solvers, guidance."""

from __future__ import annotations

import math
from collections.abc import Callable
from importlib import import_module
from typing import Any, NamedTuple

import torch
from torch import Tensor

from limner.comfy.shims.objects.cond_lists import (
    add_area_dims,
    apply_empty_x_to_equal_area,
    calculate_start_end_timesteps,
    create_cond_with_same_area_if_none,
    encode_model_conds,
    get_mask_aabb,
    pre_run_control,
    process_conds,
    resolve_areas_and_cond_masks_multidim,
)
from limner.comfy.shims.objects.guiders import CFGGuider
from limner.comfy.shims.objects.model_sampling import PackSpace
from limner.comfy.shims.objects.prediction import (
    calc_cond_batch,
    can_concat_cond,
    cfg_function,
    cond_cat,
    cond_equal_size,
    get_area_and_mult,
    sampling_function,
)
from limner.comfy.shims.objects.run_hooks import filter_registered_hooks_on_conds
from limner.comfy.shims.objects.samplers import KSAMPLER, KSamplerX0Inpaint, Sampler, ksampler_named
from limner.diffusion.samplers import SAMPLERS
from limner.diffusion.sampling import cut_sigmas
from limner.diffusion.schedules import SCHEDULERS, schedule

__all__ = ["KSAMPLER", "CFGGuider", "KSamplerX0Inpaint", "Sampler", "add_area_dims", "apply_empty_x_to_equal_area"]
__all__ += ["calc_cond_batch", "calculate_start_end_timesteps", "can_concat_cond", "cfg_function", "cond_cat"]
__all__ += ["cond_equal_size", "create_cond_with_same_area_if_none", "encode_model_conds", "get_area_and_mult"]
__all__ += ["filter_registered_hooks_on_conds", "get_mask_aabb", "pre_run_control", "process_conds"]
__all__ += ["resolve_areas_and_cond_masks_multidim", "sampling_function", "torch"]

SAMPLER_NAMES = list(SAMPLERS)
KSAMPLER_NAMES = [name for name in SAMPLERS if name not in ("ddim", "uni_pc", "uni_pc_bh2")]
_DISCARDING = frozenset(name for name, found in SAMPLERS.items() if found.discard_penultimate)


class SchedulerHandler(NamedTuple):
    """A scheduler: `handler(model_sampling, steps)`, or without `use_ms` `handler(n, sigma_min, sigma_max)`."""

    handler: Callable[..., Tensor]
    use_ms: bool = True


def _own(name: str) -> SchedulerHandler:
    return SchedulerHandler(lambda model_sampling, steps: schedule(name, PackSpace(model_sampling), steps))


SCHEDULER_HANDLERS = {name: _own(name) for name in SCHEDULERS}
"""Packs add theirs."""
SCHEDULER_NAMES = list(SCHEDULER_HANDLERS)


def ksampler(sampler_name: str, extra_options: Any = None, inpaint_options: Any = None) -> KSAMPLER:
    """The SAMPLER of a solver's name: one of Limner's, or one that a pack has put beside ComfyUI's."""
    if sampler_name in SAMPLERS:
        return ksampler_named(sampler_name, extra_options, inpaint_options)
    function = getattr(import_module("comfy.k_diffusion.sampling"), f"sample_{sampler_name}", None)
    if function is None:
        raise ValueError(f"unknown sampler {sampler_name!r}: choose one of {', '.join(KSampler.SAMPLERS)}")
    return KSAMPLER(function, extra_options, inpaint_options)


def sampler_object(name: str) -> Any:
    """The SAMPLER of this name."""
    return ksampler(name)


def calculate_sigmas(model_sampling: Any, scheduler_name: str, steps: int) -> Tensor:
    """The levels that a scheduler visits. Raises ValueError for an unknown name."""
    found = SCHEDULER_HANDLERS.get(scheduler_name)
    if found is None:
        raise ValueError(f"unknown scheduler {scheduler_name!r}: choose one of {', '.join(SCHEDULER_HANDLERS)}")
    if found.use_ms:
        return found.handler(model_sampling, steps)
    ends = {"sigma_min": float(model_sampling.sigma_min), "sigma_max": float(model_sampling.sigma_max)}
    return found.handler(n=steps, **ends)


def calc_cond_uncond_batch(
    model: Any, cond: Any, uncond: Any, x_in: Tensor, timestep: Tensor, model_options: Any
) -> tuple[Tensor, ...]:
    return tuple(calc_cond_batch(model, [cond, uncond], x_in, timestep, model_options))


def resolve_areas_and_cond_masks(conditions: Any, h: int, w: int, device: Any) -> None:
    resolve_areas_and_cond_masks_multidim(conditions, [h, w], device)


def get_total_hook_groups_in_conds(conds: Any) -> int:
    return len({part.get("hooks") for parts in conds.values() for part in parts})


def linear_quadratic_schedule(
    model_sampling: Any, steps: int, threshold_noise: float = 0.025, linear_steps: int | None = None
) -> Tensor:
    from limner.diffusion.schedules import linear_quadratic

    return linear_quadratic(PackSpace(model_sampling), steps, threshold=threshold_noise)


def kl_optimal_scheduler(n: int, sigma_min: float, sigma_max: float) -> Tensor:
    """Even in the arc tangent (Sabour et al. 2024, arXiv:2404.14507), and 0."""
    share = torch.arange(n, dtype=torch.float) / (n - 1)
    levels = (share * math.atan(sigma_min) + (1 - share) * math.atan(sigma_max)).tan()
    return torch.cat([levels, levels.new_zeros(1)])


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
