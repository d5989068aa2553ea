"""ComfyUI's `comfy_extras.nodes_model_advanced`: models that are sampled with in another way than their files say."""

from __future__ import annotations

from functools import partial
from importlib import import_module
from typing import Any

import torch
from torch import Tensor

from limner.comfy.shims.objects import latent_formats
from limner.comfy.shims.objects import model_sampling as ms
from limner.comfy.shims.objects.declared import declared

__all__ = ["LCM", "ModelSamplingDiscreteDistilled", "rescale_zero_terminal_snr_sigmas"]
rescale_zero_terminal_snr_sigmas = ms.rescale_zero_terminal_snr_sigmas


class LCM(ms.EPS):
    """The output of a latent consistency model (Luo et al. 2023, arXiv:2310.04378)."""

    SIGMA_DATA = 0.5
    TIMESTEP_SCALING = 10.0

    def timestep(self, sigma: Tensor) -> Tensor:
        """What the class beside this one says."""
        return super().timestep(sigma)  # type: ignore[misc,no-any-return]

    def calculate_denoised(self, sigma: Tensor, model_output: Tensor, model_input: Tensor) -> Tensor:
        shape = sigma.shape[:1] + (1,) * (model_output.ndim - 1)
        scaled = self.timestep(sigma).view(shape) * self.TIMESTEP_SCALING
        clean = model_input - model_output * sigma.view(shape)
        whole = scaled**2 + self.SIGMA_DATA**2
        return scaled / whole**0.5 * clean + self.SIGMA_DATA**2 / whole * model_input


class ModelSamplingDiscreteDistilled(ms.ModelSamplingDiscrete):
    """Fifty of the thousand levels: those that a distilled model was trained on."""

    original_timesteps = 50

    def __init__(self, model_config: Any = None, zsnr: bool | None = None) -> None:
        super().__init__(model_config, zsnr=zsnr)
        self.skip_steps = self.num_timesteps // self.original_timesteps
        last = self.num_timesteps - 1
        kept = [last - place * self.skip_steps for place in reversed(range(self.original_timesteps))]
        self.set_sigmas(self.sigmas[kept])

    def timestep(self, sigma: Tensor) -> Tensor:
        return super().timestep(sigma) * self.skip_steps + (self.skip_steps - 1)

    def sigma(self, timestep: Tensor) -> Tensor:
        return super().sigma((timestep.float() - (self.skip_steps - 1)) / self.skip_steps)


def _patched(model: Any, levels: type, meaning: type, *parameters: Any, **options: Any) -> tuple[Any]:
    """The model with other levels and another meaning of its output."""
    sampling: Any = type("ModelSamplingAdvanced", (levels, meaning), {})(model.model.model_config, **options)
    if parameters:
        sampling.set_parameters(*parameters)
    changed = model.clone()
    changed.add_object_patch("model_sampling", sampling)
    return (changed,)


@declared("ModelSamplingDiscrete", "patch")
class ModelSamplingDiscrete:
    """Levels of a table."""

    def patch(self, model: Any, sampling: str, zsnr: bool) -> tuple[Any]:
        meanings = {
            "eps": ms.EPS,
            "v_prediction": ms.V_PREDICTION,
            "lcm": LCM,
            "x0": ms.X0,
            "img_to_img": ms.IMG_TO_IMG,
        }
        levels = ModelSamplingDiscreteDistilled if sampling == "lcm" else ms.ModelSamplingDiscrete
        return _patched(model, levels, meanings[sampling], zsnr=zsnr)


@declared("ModelSamplingSD3", "patch")
class ModelSamplingSD3:
    """Rectified flow with a shift."""

    def patch(self, model: Any, shift: float, multiplier: float = 1000) -> tuple[Any]:
        return _patched(model, ms.ModelSamplingDiscreteFlow, ms.CONST, shift, 1000, multiplier)


@declared("ModelSamplingAuraFlow", "patch_aura")
class ModelSamplingAuraFlow(ModelSamplingSD3):
    """The same with time steps from 0 to 1."""

    def patch_aura(self, model: Any, shift: float) -> tuple[Any]:
        return self.patch(model, shift, multiplier=1.0)


@declared("ModelSamplingFlux", "patch")
class ModelSamplingFlux:
    """A shift that grows with the picture, between those of 256 and 4096 places of 16 pixels."""

    def patch(self, model: Any, max_shift: float, base_shift: float, width: int, height: int) -> tuple[Any]:
        places = width * height / 256
        shift = base_shift + (places - 256) * (max_shift - base_shift) / (4096 - 256)
        return _patched(model, ms.ModelSamplingFlux, ms.CONST, shift)


@declared("ModelSamplingContinuousEDM", "patch")
class ModelSamplingContinuousEDM:
    """Levels between two ends."""

    def patch(self, model: Any, sampling: str, sigma_max: float, sigma_min: float) -> tuple[Any]:
        if sampling == "cosmos_rflow":
            levels = import_module("comfy.model_sampling").ModelSamplingCosmosRFlow
            return _patched(
                model, levels, import_module("comfy.model_sampling").COSMOS_RFLOW, sigma_min, sigma_max, 1.0
            )
        meaning = {"eps": ms.EPS, "v_prediction": ms.V_PREDICTION}.get(sampling, ms.EDM)
        data = 0.5 if meaning is ms.EDM else 1.0
        (changed,) = _patched(model, ms.ModelSamplingContinuousEDM, meaning, sigma_min, sigma_max, data)
        if sampling == "edm_playground_v2.5":
            changed.add_object_patch("latent_format", latent_formats.SDXL_Playground_2_5())
        return (changed,)


@declared("ModelSamplingContinuousV", "patch")
class ModelSamplingContinuousV:
    """Levels between two ends, for a network that predicts velocity."""

    def patch(self, model: Any, sampling: str, sigma_max: float, sigma_min: float) -> tuple[Any]:
        return _patched(model, ms.ModelSamplingContinuousV, ms.V_PREDICTION, sigma_min, sigma_max, 1.0)


@declared("RescaleCFG", "patch")
class RescaleCFG:
    """Guidance whose contrast is brought back to that of the prompt alone (Lin et al. 2023, arXiv:2305.08891, 3.4)."""

    def patch(self, model: Any, multiplier: float) -> tuple[Any]:
        changed = model.clone()
        changed.set_model_sampler_cfg_function(partial(_rescaled, multiplier))
        return (changed,)


def _rescaled(multiplier: float, args: dict[str, Any]) -> Tensor:
    """The guided noise. What is rescaled is the velocity that the predictions imply."""
    given, scale = args["input"], args["cond_scale"]
    sigma = args["sigma"].view(args["sigma"].shape[:1] + (1,) * (given.ndim - 1))
    whole = sigma**2 + 1.0
    x = given / whole
    cond, uncond = ((x - (given - args[name])) * whole**0.5 / sigma for name in ("cond", "uncond"))
    guided = uncond + scale * (cond - uncond)
    contrast = [torch.std(part, dim=(1, 2, 3), keepdim=True) for part in (cond, guided)]
    mixed = multiplier * guided * (contrast[0] / contrast[1]) + (1.0 - multiplier) * guided
    noise: Tensor = given - (x - mixed * sigma / whole**0.5)
    return noise


@declared("ModelComputeDtype", "patch")
class ModelComputeDtype:
    """A model that computes in another dtype."""

    def patch(self, model: Any, dtype: str) -> tuple[Any]:
        changed = model.clone()
        changed.set_model_compute_dtype(import_module("node_helpers").string_to_torch_dtype(dtype))
        return (changed,)
