"""ComfyUI's `CFGGuider`, which packs inherit to guide in their own way.

A run: `sample` collects the hooks of the conditioning, `outer_sample` brings the network to its device, `inner_sample`
makes the conditioning ready and lets the solver go; each inside of the wrappers that packs have put around it. A guider
can be given to Limner's sampling nodes as a GUIDER: it has their `model` and `prepare`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib import import_module
from typing import Any

import torch
from torch import Tensor

from limner.comfy.shims.objects.cond_lists import Conds, convert_cond, process_conds
from limner.comfy.shims.objects.patch_options import create_model_options_clone
from limner.comfy.shims.objects.patcher import ModelPatcher
from limner.comfy.shims.objects.prediction import sampling_function
from limner.comfy.shims.objects.run_hooks import filter_registered_hooks_on_conds, prepare_model_patcher
from limner.comfy.shims.objects.samplers import as_ksampler
from limner.comfy.shims.objects.wrappers import WrapperExecutor, WrappersMP, get_all_wrappers
from limner.diffusion.model import Model
from limner.diffusion.samplers import Sampler as Solver
from limner.diffusion.sampling import WholeRun, fit_mask

Options = dict[str, Any]


class CFGGuider:
    """A model with prompts and a scale. Packs override `predict_noise`, `sample`, or what sets the prompts."""

    def __init__(self, model_patcher: Any) -> None:
        self.model_patcher: ModelPatcher = model_patcher
        self.model_options: Options = model_patcher.model_options
        self.original_conds: dict[str, Conds] = {}
        self.conds: dict[str, Conds] = {}
        self.cfg = 1.0
        self.inner_model: Any = None
        self.loaded_models: list[Any] = []

    def set_conds(self, positive: Any, negative: Any) -> None:
        self.inner_set_conds({"positive": positive, "negative": negative})

    def inner_set_conds(self, conds: dict[str, Any]) -> None:
        """Prompts by name; each a CONDITIONING."""
        for name, cond in conds.items():
            self.original_conds[name] = convert_cond(cond)

    def set_cfg(self, cfg: float) -> None:
        self.cfg = cfg

    def __call__(self, *args: Any, **kwargs: Any) -> Tensor:
        return self.outer_predict_noise(*args, **kwargs)

    def outer_predict_noise(
        self, x: Tensor, timestep: Tensor, model_options: Any = None, seed: int | None = None
    ) -> Tensor:
        """`predict_noise` inside of the wrappers."""
        wrappers = get_all_wrappers(WrappersMP.PREDICT_NOISE, self.model_options, is_model_options=True)
        executor = WrapperExecutor.new_class_executor(self.predict_noise, self, wrappers)
        predicted: Tensor = executor.execute(x, timestep, model_options or {}, seed)
        return predicted

    def predict_noise(self, x: Tensor, timestep: Tensor, model_options: Any = None, seed: int | None = None) -> Tensor:
        """The guided clean latent."""
        conds = self.conds
        return sampling_function(
            self.inner_model, x, timestep, conds.get("negative"), conds.get("positive"), self.cfg, model_options, seed
        )

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
        """The denoised latent, in the scale that nodes pass latents in."""
        if len(sigmas) == 0:
            return latent_image
        with self._own_options():
            wrappers = get_all_wrappers(WrappersMP.OUTER_SAMPLE, self.model_options, is_model_options=True)
            executor = WrapperExecutor.new_class_executor(self.outer_sample, self, wrappers)
            sampled: Tensor = executor.execute(
                noise, latent_image, sampler, sigmas, denoise_mask, callback, disable_pbar, seed
            )
            return sampled

    @contextmanager
    def _own_options(self) -> Iterator[None]:
        """Conditioning and options of one run: the model's, and what hooks in the conditioning add to them."""
        before = self.model_options
        self.conds = {name: [dict(part) for part in parts] for name, parts in self.original_conds.items()}
        try:
            self.model_options = create_model_options_clone(self.model_options)
            prepare_model_patcher(self.model_patcher, self.conds, self.model_options)
            filter_registered_hooks_on_conds(self.conds, self.model_options)
            yield
        finally:
            self.model_options, self.conds = before, {}
            self.model_patcher.restore_hook_patches()

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
        """`sample` inside of the wrappers: with the network on its device."""
        with self._running(noise):
            device = self.model_patcher.load_device
            mask = None if denoise_mask is None else fit_mask(denoise_mask, noise.shape).to(device)
            noise, latent_image, sigmas = (part.to(device) for part in (noise, latent_image, sigmas))
            return self.inner_sample(noise, latent_image, device, sampler, sigmas, mask, callback, disable_pbar, seed)

    @contextmanager
    def _running(self, noise: Tensor) -> Iterator[None]:
        """The model as `inner_model`, on its device, with its patches in force."""
        wrappers = get_all_wrappers(WrappersMP.PREPARE_SAMPLING, self.model_options, is_model_options=True)
        with self.model_patcher.running(noise) as model, torch.no_grad():
            executor = WrapperExecutor.new_executor(_prepared, wrappers)
            found = executor.execute(self.model_patcher, noise.shape, self.conds, model_options=self.model_options)
            self.inner_model, self.conds, self.loaded_models = found
            self.inner_model = model if self.inner_model is self.model_patcher.model else self.inner_model
            try:
                yield
            finally:
                import_module("comfy.sampler_helpers").cleanup_models(self.conds, self.loaded_models)
                self.inner_model, self.loaded_models = None, []

    def inner_sample(
        self,
        noise: Tensor,
        latent_image: Tensor,
        device: Any,
        sampler: Any,
        sigmas: Tensor,
        denoise_mask: Tensor | None,
        callback: Any,
        disable_pbar: bool,
        seed: int | None,
    ) -> Tensor:
        """The solver's run, in the model's space."""
        latent_image = self._scaled_in(latent_image)
        self.conds = process_conds(self.inner_model, noise, self.conds, device, latent_image, denoise_mask, seed)
        options = self._options_of_run(sigmas)
        extra_args = {"model_options": options, "seed": seed}
        solver: Any = as_ksampler(sampler) if isinstance(sampler, Solver) else sampler
        wrappers = get_all_wrappers(WrappersMP.SAMPLER_SAMPLE, options, is_model_options=True)
        executor = WrapperExecutor.new_class_executor(solver.sample, solver, wrappers)
        sampled: Tensor = executor.execute(
            self, sigmas, extra_args, callback, noise, latent_image, denoise_mask, disable_pbar
        )
        finished: Tensor = self.inner_model.process_latent_out(sampled.to(torch.float32))
        return finished

    def _scaled_in(self, latent: Tensor) -> Tensor:
        """A latent in the model's space; an empty one is no picture, and stays."""
        scaled: Tensor = self.inner_model.process_latent_in(latent) if bool(latent.any()) else latent
        return scaled

    def _options_of_run(self, sigmas: Tensor) -> Options:
        options = create_model_options_clone(self.model_options)
        options.setdefault("transformer_options", {})["sample_sigmas"] = sigmas
        return options

    @property
    def model(self) -> Model:
        """The model as Limner samples with it."""
        return self.model_patcher.core()

    @contextmanager
    def prepare(
        self, noise: Tensor, latent_image: Tensor | None = None, noise_mask: Tensor | None = None
    ) -> Iterator[WholeRun]:
        """What Limner's sampling nodes sample with: runs go ComfyUI's way, so that packs find what they put there."""
        yield _Run(self)


class _Run(WholeRun):
    """A guider that carries out runs itself."""

    def __init__(self, guider: CFGGuider) -> None:
        self._guider = guider

    def __call__(self, x: Tensor, sigma: Tensor, /) -> Tensor:
        """One prediction, as it is made in a run of one step."""
        guider = self._guider
        with guider._own_options(), guider._running(x):
            guider.conds = process_conds(guider.inner_model, x, guider.conds, x.device)
            return guider(x, sigma, guider._options_of_run(sigma), None)

    def run(
        self,
        latent: Tensor,
        noise: Tensor,
        sigmas: Tensor,
        solver: Solver,
        *,
        seed: int,
        noise_mask: Tensor | None,
        callback: Callable[[int, Tensor, Tensor, int], None] | None,
        cancelled: Callable[[], None] | None,
    ) -> Tensor:
        """The denoised latent, as nodes pass it."""

        def told(step: int, denoised: Tensor, x: Tensor, total: int) -> None:
            if cancelled is not None:
                cancelled()
            if callback is not None:
                callback(step, denoised, x, total)

        sampler = as_ksampler(solver)
        sampled = self._guider.sample(noise, latent, sampler, sigmas, noise_mask, told, True, seed)
        return sampled.to(latent.device)


def _prepared(model: Any, noise_shape: Any, conds: Any, model_options: Any = None) -> Any:
    """The model that runs, its conditioning, and the models that are loaded beside it."""
    return import_module("comfy.sampler_helpers").prepare_sampling(model, noise_shape, conds, model_options)
