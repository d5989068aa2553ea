"""Solvers as ComfyUI's functions and SAMPLER objects, and back.

A ComfyUI solver is `function(model, x, sigmas, extra_args, callback, disable, **options)`, with `model(x, sigma,
**extra_args)` and `callback({"i", "sigma", "sigma_hat", "x", "denoised"})`. Limner's is `solver(model, x, sigmas,
context, **options)`. Either is made of the other, so that packs call our solvers and our nodes run theirs.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any

import torch
from torch import Tensor

from limner.diffusion.parameterization import DiscreteSigmas, Epsilon, Parameterization
from limner.diffusion.samplers import SAMPLERS, SamplerContext
from limner.diffusion.samplers import Sampler as Solver
from limner.diffusion.sampling import SEED_COUNT

Options = Mapping[str, Any]


@dataclass(frozen=True)
class WrappedModel:
    """A denoiser as a pack's solver calls it."""

    denoiser: Any
    parameterization: Parameterization

    def __call__(self, x: Tensor, sigma: Tensor, **extra_args: Any) -> Tensor:
        denoised: Tensor = self.denoiser(x, sigma)
        return denoised

    @property
    def inner_model(self) -> Any:
        """Packs look for `model.inner_model.inner_model.model_sampling`, at several depths."""
        return self

    @property
    def model_sampling(self) -> Any:
        from limner.comfy.shims.objects.model_sampling import as_model_sampling

        return as_model_sampling(self.parameterization)

    @property
    def model_patcher(self) -> Any:
        return self

    def get_model_object(self, name: str) -> Any:
        return getattr(self, name)


@cache
def comfy_function(name: str) -> Callable[..., Tensor]:
    """One of Limner's solvers as ComfyUI's function, the same at every call."""
    if name not in SAMPLERS:
        return _no_solver
    solver = SAMPLERS[name].solver

    def sample(
        model: Any,
        x: Tensor,
        sigmas: Tensor,
        extra_args: dict[str, Any] | None = None,
        callback: Callable[[dict[str, Any]], None] | None = None,
        disable: bool | None = None,
        *,
        noise_sampler: Any = None,
        **options: Any,
    ) -> Tensor:
        given = extra_args or {}
        levels = sigmas.float().cpu()

        def told(step: int, denoised: Tensor, current: Tensor) -> None:
            if callback is not None:
                sigma = levels[step]
                callback({"x": current, "i": step, "sigma": sigma, "sigma_hat": sigma, "denoised": denoised})

        class Denoiser:
            def __call__(self, latent: Tensor, sigma: Tensor, /) -> Tensor:
                denoised: Tensor = model(latent, sigma, **given)
                return denoised

            def pair(self, latent: Tensor, sigma: Tensor, /) -> tuple[Tensor, Tensor]:
                return _pair(model, latent, sigma, given)

        context = SamplerContext(_parameterization(model), int(given.get("seed") or 0), told, noise_sampler)
        known = {key: value for key, value in options.items() if _takes(solver, key)}
        with torch.no_grad():
            return solver(Denoiser(), x, levels, context, **known)

    sample.__name__ = f"sample_{name}"
    return sample


def _no_solver(*args: Any, **kwargs: Any) -> Tensor:
    raise ValueError("there is no solver of this name")


def _takes(function: Callable[..., Any], name: str) -> bool:
    parameters = inspect.signature(function).parameters
    return name in parameters or any(entry.kind is entry.VAR_KEYWORD for entry in parameters.values())


def _pair(model: Any, x: Tensor, sigma: Tensor, given: Options) -> tuple[Tensor, Tensor]:
    """The guided prediction, and the one without the prompt, which CFG++ solvers take by a hook."""
    options = dict(given.get("model_options") or {})
    seen: list[Tensor] = []

    def hook(args: dict[str, Any]) -> Tensor:
        seen.append(args["uncond_denoised"])
        denoised: Tensor = args["denoised"]
        return denoised

    options["sampler_post_cfg_function"] = [*options.get("sampler_post_cfg_function", []), hook]
    options["disable_cfg1_optimization"] = True
    denoised: Tensor = model(x, sigma, **{**given, "model_options": options})
    return denoised, seen[0] if seen else denoised


def _parameterization(model: Any) -> Parameterization:
    from limner.comfy.shims.objects.model_sampling import as_parameterization

    for _ in range(4):
        if isinstance(model, WrappedModel):
            return model.parameterization
        sampling = getattr(model, "model_sampling", None)
        if sampling is not None:
            return as_parameterization(sampling)
        model = getattr(model, "inner_model", None)
    return Parameterization(DiscreteSigmas.stable_diffusion(), Epsilon())


def pack_solver(function: Callable[..., Tensor]) -> Callable[..., Tensor]:
    """A pack's function as a solver."""

    def solve(model: Any, x: Tensor, sigmas: Tensor, context: SamplerContext, **options: Any) -> Tensor:
        def told(state: dict[str, Any]) -> None:
            context.report(int(state["i"]), state["denoised"], state["x"])

        wrapped = WrappedModel(model, context.parameterization)
        extra = {"model_options": {}, "seed": context.seed}
        return function(wrapped, x, sigmas.to(x.device), extra_args=extra, callback=told, disable=True, **options)

    return solve


class Sampler:
    """The base of SAMPLER objects, which packs inherit."""

    def sample(self, *args: Any, **kwargs: Any) -> Any:
        """Sample."""
        raise NotImplementedError(f"{type(self).__name__} has no method `sample`")

    def max_denoise(self, model_wrap: Any, sigmas: Tensor) -> bool:
        """Whether sampling starts from pure noise."""
        highest = float(model_wrap.inner_model.model_sampling.sigma_max)
        return float(sigmas[0]) > highest or abs(float(sigmas[0]) - highest) <= 1e-5 * highest


class KSAMPLER(Solver, Sampler):
    """A function in ComfyUI's form with its options, as a SAMPLER for packs and for Limner's nodes."""

    sampler_function: Any
    extra_options: dict[str, Any]
    inpaint_options: dict[str, Any]

    def __init__(self, sampler_function: Any, extra_options: Any = None, inpaint_options: Any = None) -> None:
        options, inpaint = dict(extra_options or {}), dict(inpaint_options or {})
        name = getattr(sampler_function, "__name__", "function").removeprefix("sample_")
        known = SAMPLERS.get(name) if sampler_function is comfy_function(name) else None
        self._set(
            name=name,
            solver=pack_solver(sampler_function) if known is None else known.solver,
            discard_penultimate=False if known is None else known.discard_penultimate,
            fresh_inpaint_noise=bool(inpaint.get("random", False)),
            final_sigma=0.0 if known is None else known.final_sigma,
            options=options,
            sampler_function=sampler_function,
            extra_options=options,
            inpaint_options=inpaint,
        )

    def _set(self, **values: Any) -> None:
        for name, value in values.items():
            object.__setattr__(self, name, value)

    def __setattr__(self, name: str, value: Any) -> None:
        object.__setattr__(self, name, value)

    def with_options(self, **options: Any) -> KSAMPLER:
        return type(self)(self.sampler_function, {**self.extra_options, **options}, self.inpaint_options)

    def sample(
        self,
        model_wrap: Any,
        sigmas: Tensor,
        extra_args: dict[str, Any],
        callback: Any,
        noise: Tensor,
        latent_image: Tensor | None = None,
        denoise_mask: Tensor | None = None,
        disable_pbar: bool = False,
    ) -> Tensor:
        """What a guider calls: noise the latent, solve, and undo the scale that noising gave it."""
        sampling = model_wrap.inner_model.model_sampling
        original = torch.zeros_like(noise) if latent_image is None else latent_image
        extra_args["denoise_mask"] = denoise_mask
        model = KSamplerX0Inpaint(model_wrap, sigmas)
        model.latent_image, model.noise = original, noise
        if self.inpaint_options.get("random", False):
            generator = torch.Generator("cpu").manual_seed((int(extra_args.get("seed") or 0) + 1) % SEED_COUNT)
            model.noise = torch.randn(noise.shape, generator=generator).to(noise)
        x = sampling.noise_scaling(sigmas[0], noise, original, self.max_denoise(model_wrap, sigmas))
        total = len(sigmas) - 1

        def told(state: dict[str, Any]) -> None:
            if callback is not None:
                callback(min(int(state["i"]), total - 1), state["denoised"], state["x"], total)

        x = self.sampler_function(
            model, x, sigmas, extra_args=extra_args, callback=told, disable=disable_pbar, **self.extra_options
        )
        last = sigmas[-1] if sigmas[-1] > 0 else torch.tensor(self.final_sigma)
        finished: Tensor = sampling.inverse_noise_scaling(last, x)
        return finished


class KSamplerX0Inpaint:
    """A denoiser that sees and answers the original where the mask is 0."""

    latent_image: Tensor
    noise: Tensor

    def __init__(self, model: Any, sigmas: Tensor) -> None:
        self.inner_model, self.sigmas = model, sigmas

    def __call__(
        self,
        x: Tensor,
        sigma: Tensor,
        denoise_mask: Tensor | None = None,
        model_options: Any = None,
        seed: int | None = None,
    ) -> Tensor:
        options = model_options or {}
        if denoise_mask is None:
            whole: Tensor = self.inner_model(x, sigma, model_options=options, seed=seed)
            return whole
        if function := options.get("denoise_mask_function"):
            extra = {"model": self.inner_model, "sigmas": self.sigmas}
            denoise_mask = function(sigma, denoise_mask, extra_options=extra)
        kept = 1.0 - denoise_mask
        noised = self.inner_model.inner_model.scale_latent_inpaint(
            x=x, sigma=sigma, noise=self.noise, latent_image=self.latent_image
        )
        out = self.inner_model(x * denoise_mask + noised * kept, sigma, model_options=options, seed=seed)
        inside: Tensor = out * denoise_mask + self.latent_image * kept
        return inside


def ksampler_named(name: str, extra_options: Options | None = None, inpaint_options: Options | None = None) -> KSAMPLER:
    """The SAMPLER of one of Limner's solvers. Raises ValueError for an unknown name."""
    if name not in SAMPLERS:
        raise ValueError(f"unknown sampler {name!r}: choose one of {', '.join(SAMPLERS)}")
    known = SAMPLERS[name]
    inpaint = dict(inpaint_options or ({"random": True} if known.fresh_inpaint_noise else {}))
    return KSAMPLER(comfy_function(name), {**known.options, **(extra_options or {})}, inpaint)


def as_ksampler(solver: Solver) -> Solver:
    """A SAMPLER that a node made, as packs use it."""
    return ksampler_named(solver.name, solver.options) if solver.name in SAMPLERS else solver
