"""ComfyUI's `CFGGuider`, which packs inherit to guide in their own way, over Limner's guidance.

It can be given to Limner's sampling nodes as a GUIDER: it has their `model` and `prepare`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor

from limner.comfy.shims.objects.base_model import BaseModel
from limner.comfy.shims.objects.patch_options import create_model_options_clone
from limner.comfy.shims.objects.patcher import ModelPatcher
from limner.comfy.shims.objects.wrappers import WrapperExecutor, WrappersMP, get_all_wrappers
from limner.diffusion import areas
from limner.diffusion.guidance import Guide, GuidedDenoiser
from limner.diffusion.model import Model
from limner.diffusion.sampling import sample_sigmas


class RunningModel(BaseModel):
    """A model while it is sampled with: `guider.inner_model`. Predictions go through its denoiser."""

    def __init__(self, core: Model, denoiser: GuidedDenoiser, patcher: Any) -> None:
        super().__init__(core)
        self.denoiser = denoiser
        self.current_patcher = patcher
        self.inner_model = self

    def apply_model(self, x: Tensor, t: Tensor, *args: Any, **inputs: Any) -> Tensor:
        return self.denoiser.apply(x, t, **inputs)


def calc_cond_batch(
    model: Any, conds: Sequence[Any], x_in: Tensor, timestep: Tensor, model_options: Any
) -> list[Tensor]:
    """The prediction of each list of conditioning; zeros for None."""
    known = [entries for entries in conds if entries is not None]
    made = iter(_with_options(model.denoiser, model_options).predict(x_in, timestep, known))
    return [torch.zeros_like(x_in) if entries is None else next(made) for entries in conds]


def _with_options(denoiser: GuidedDenoiser, options: Any) -> GuidedDenoiser:
    """The denoiser with these options for this call."""
    if options:
        denoiser.model.options = options
    return denoiser


def cfg_function(
    model: Any,
    cond_pred: Tensor,
    uncond_pred: Tensor,
    cond_scale: float,
    x: Tensor,
    timestep: Tensor,
    model_options: Any = None,
    cond: Any = None,
    uncond: Any = None,
) -> Tensor:
    """`uncond + (cond - uncond) * scale`, by the hooks where there are some."""
    options = model_options or {}
    args = {
        "cond_scale": cond_scale,
        "timestep": timestep,
        "input": x,
        "sigma": timestep,
        "cond_denoised": cond_pred,
        "uncond_denoised": uncond_pred,
        "model": model,
        "model_options": options,
    }
    if combine := options.get("sampler_cfg_function"):
        noise = {"cond": x - cond_pred, "uncond": x - uncond_pred, "input_cond": cond, "input_uncond": uncond}
        guided: Tensor = x - combine({**args, **noise})
    else:
        guided = uncond_pred + (cond_pred - uncond_pred) * cond_scale
    for hook in options.get("sampler_post_cfg_function", []):
        guided = hook({**args, "denoised": guided, "cond": cond, "uncond": uncond})
    return guided


def sampling_function(
    model: Any,
    x: Tensor,
    timestep: Tensor,
    uncond: Any,
    cond: Any,
    cond_scale: float,
    model_options: Any = None,
    seed: int | None = None,
) -> Tensor:
    """One guided prediction."""
    options = model_options or {}
    alone = abs(cond_scale - 1.0) < 1e-9 and not options.get("disable_cfg1_optimization", False)
    conds = [cond, None if alone else uncond]
    if compute := options.get("sampler_calc_cond_batch_function"):
        out = compute({"conds": conds, "input": x, "sigma": timestep, "model": model, "model_options": options})
    else:
        out = calc_cond_batch(model, conds, x, timestep, options)
    for hook in options.get("sampler_pre_cfg_function", []):
        args = {"conds": conds, "conds_out": out, "cond_scale": cond_scale, "timestep": timestep}
        out = hook({**args, "input": x, "sigma": timestep, "model": model, "model_options": options})
    return cfg_function(model, out[0], out[1], cond_scale, x, timestep, options, cond, uncond)


class CFGGuider:
    """A model with prompts and a scale. Packs override `predict_noise`, `sample`, or what sets the prompts."""

    def __init__(self, model_patcher: Any) -> None:
        self.model_patcher: ModelPatcher = model_patcher
        self.model_options: dict[str, Any] = model_patcher.model_options
        self.original_conds: dict[str, Any] = {}
        self.conds: dict[str, Any] = {}
        self.cfg = 1.0
        self.inner_model: Any = None

    def set_conds(self, positive: Any, negative: Any) -> None:
        self.inner_set_conds({"positive": positive, "negative": negative})

    def inner_set_conds(self, conds: dict[str, Any]) -> None:
        """Prompts by name; each a CONDITIONING."""
        self.original_conds = dict(conds)

    def set_cfg(self, cfg: float) -> None:
        self.cfg = cfg

    def predict_noise(self, x: Tensor, timestep: Tensor, model_options: Any = None, seed: int | None = None) -> Tensor:
        """The guided clean latent."""
        conds = self.conds
        return sampling_function(
            self.inner_model, x, timestep, conds.get("negative"), conds.get("positive"), self.cfg, model_options, seed
        )

    def outer_predict_noise(
        self, x: Tensor, timestep: Tensor, model_options: Any = None, seed: int | None = None
    ) -> Tensor:
        """`predict_noise` inside of the wrappers."""
        wrappers = get_all_wrappers(WrappersMP.PREDICT_NOISE, model_options or {}, is_model_options=True)
        wrappers += self.model_patcher.get_all_wrappers(WrappersMP.PREDICT_NOISE)
        executor = WrapperExecutor.new_class_executor(self.predict_noise, self, wrappers)
        predicted: Tensor = executor.execute(x, timestep, model_options or {}, seed)
        return predicted

    def __call__(self, *args: Any, **kwargs: Any) -> Tensor:
        return self.outer_predict_noise(*args, **kwargs)

    @property
    def model(self) -> Model:
        """The model as Limner samples with it."""
        return self.model_patcher.core()

    @contextmanager
    def prepare(
        self, noise: Tensor, latent_image: Tensor | None = None, noise_mask: Tensor | None = None
    ) -> Iterator[Any]:
        """The denoiser for latents of the shape of `noise`, as a `Guide`'s."""
        core = self.model
        positive, negative = (self.original_conds.get(name) or [] for name in ("positive", "negative"))
        with Guide(core, positive, negative, self.cfg).prepare(noise, latent_image, noise_mask) as denoiser:
            self.inner_model = RunningModel(core, denoiser, self.model_patcher)
            self.conds = _prepared(self.original_conds, noise, core)
            self.model_patcher.pre_run()
            try:
                yield self._denoiser(create_model_options_clone(self.model_options))
            finally:
                self.model_patcher.cleanup()
                self.inner_model, self.conds = None, {}

    def _denoiser(self, options: dict[str, Any], seed: int | None = None) -> Callable[[Tensor, Tensor], Tensor]:
        def denoise(x: Tensor, sigma: Tensor, /) -> Tensor:
            return self(x, sigma, options, seed)

        return denoise

    def sample(
        self,
        noise: Tensor,
        latent_image: Tensor,
        sampler: Any,
        sigmas: Tensor,
        denoise_mask: Tensor | None = None,
        callback: Any = None,
        disable_pbar: bool = False,
        seed: int | None = None,
    ) -> Tensor:
        """The denoised latent."""
        if len(sigmas) == 0:
            return latent_image
        wrappers = get_all_wrappers(WrappersMP.OUTER_SAMPLE, self.model_options, is_model_options=True)
        wrappers += self.model_patcher.get_all_wrappers(WrappersMP.OUTER_SAMPLE)
        executor = WrapperExecutor.new_class_executor(self.outer_sample, self, wrappers)
        sampled: Tensor = executor.execute(
            noise, latent_image, sampler, sigmas, denoise_mask, callback, disable_pbar, seed
        )
        return sampled

    def outer_sample(
        self,
        noise: Tensor,
        latent_image: Tensor,
        sampler: Any,
        sigmas: Tensor,
        denoise_mask: Tensor | None = None,
        callback: Any = None,
        disable_pbar: bool = False,
        seed: int | None = None,
    ) -> Tensor:
        """`sample` inside of the wrappers."""
        core = self.model
        with self.prepare(noise, core.scale_in(latent_image), denoise_mask) as denoiser:
            return sample_sigmas(
                denoiser,
                core.parameterization,
                latent_image,
                noise,
                sigmas,
                solver=sampler,
                seed=seed or 0,
                noise_mask=denoise_mask,
                callback=callback,
                scale_in=core.scale_in,
                scale_out=core.scale_out,
                device=core.device,
            )


def _prepared(conds: dict[str, Any], noise: Tensor, core: Model) -> dict[str, Any]:
    """Every list of conditioning made ready for latents of this size; prompts beside the first two too."""
    size, space = (noise.shape[-2], noise.shape[-1]), core.parameterization.space
    names = list(conds)
    positive = conds.get("positive") or []
    made = {name: areas.prepare(positive, conds[name] or [], size, space, core.device) for name in names}
    ready = {name: pair[1] for name, pair in made.items()}
    if "negative" in made:
        ready["positive"] = made["negative"][0]
    return ready
